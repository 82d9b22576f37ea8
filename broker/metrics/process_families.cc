// SPDX-License-Identifier: Apache-2.0
// Names as every Prometheus client library has them, from /proc.
#include "broker/metrics/process_families.h"

#include <sys/resource.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>
#include <iterator>
#include <sstream>
#include <string_view>
#include <vector>

namespace cordwood::broker {
namespace {

std::string ReadText(const char* path) {
  std::ifstream file(path);
  return {std::istreambuf_iterator<char>(file), std::istreambuf_iterator<char>()};
}

// Fields of /proc/self/stat from the third on; the second, the name, may hold blanks.
std::vector<std::string> StatFields() {
  const std::string text = ReadText("/proc/self/stat");
  std::istringstream rest(text.substr(std::min(text.size(), text.rfind(')') + 1)));
  return {std::istream_iterator<std::string>(rest), std::istream_iterator<std::string>()};
}

double BootSeconds() {
  const std::string text = ReadText("/proc/stat");
  const std::size_t at = text.find("\nbtime ");
  return at == std::string::npos ? 0 : std::stod(text.substr(at + 7));
}

double OpenFiles() {
  std::error_code failed;
  std::filesystem::directory_iterator files("/proc/self/fd", failed);
  return failed ? 0 : static_cast<double>(std::distance(begin(files), end(files))) - 1;  // without the directory's own
}

}  // namespace

void AddProcessFamilies(Families& families) {
  const std::vector<std::string> stat = StatFields();
  if (stat.size() > 21) {
    const auto ticks = static_cast<double>(sysconf(_SC_CLK_TCK));
    families.Counter("process_cpu_seconds_total", "CPU time of the process, user and system").Add((std::stod(stat[11]) + std::stod(stat[12])) / ticks);
    families.Gauge("process_start_time_seconds", "When the process started, since the Unix epoch").Add(BootSeconds() + std::stod(stat[19]) / ticks);
    families.Gauge("process_virtual_memory_bytes", "Address space of the process").Add(std::stod(stat[20]));
    families.Gauge("process_resident_memory_bytes", "Memory of the process").Add(std::stod(stat[21]) * static_cast<double>(sysconf(_SC_PAGESIZE)));
    families.Gauge("process_threads", "Threads of the process").Add(std::stod(stat[17]));
  }
  const double open = OpenFiles();
  families.Gauge("process_open_fds", "File descriptors open").Add(open);
  rlimit limit{};
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return;
  families.Gauge("process_max_fds", "File descriptors that may be open").Add(static_cast<double>(limit.rlim_cur));
  families.AddLimit("file_descriptors", static_cast<std::int64_t>(open), static_cast<std::int64_t>(limit.rlim_cur), "ulimit -n");
}

void AddDiskFamilies(Families& families, const std::string& data_dir, DiskLevel level) {
  families.Gauge("cordwood_disk_level", "0 enough space, 1 warning, 2 no new partitions, 3 no produce").Add(static_cast<double>(level));
  auto free = families.Gauge("cordwood_disk_free_bytes", "Free on the disk of the data directory, for this user");
  auto size = families.Gauge("cordwood_disk_size_bytes", "Size of the disk of the data directory");
  const auto space = ReadDiskSpace(data_dir);
  if (!space.ok()) return;
  free.Add(static_cast<double>(space->free_bytes));
  size.Add(static_cast<double>(space->total_bytes));
}

void AddBuild(Families& families, const std::string& version) {
  families.Gauge("cordwood_build_info", "Always 1; the labels say what runs").Add(1, {{"version", version}});
}

}  // namespace cordwood::broker
