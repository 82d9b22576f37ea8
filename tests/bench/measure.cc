// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/measure.h"

#include <fcntl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <fstream>
#include <sstream>

namespace cordwood::testing {

double WallSeconds() {
  timespec now{};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return static_cast<double>(now.tv_sec) + static_cast<double>(now.tv_nsec) * 1e-9;
}

double CpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

std::uint64_t ResidentBytes() {
  std::ifstream statm("/proc/self/statm");
  std::uint64_t total = 0;
  std::uint64_t resident = 0;
  statm >> total >> resident;
  return resident * static_cast<std::uint64_t>(sysconf(_SC_PAGESIZE));
}

std::uint64_t DeviceBytesWritten(const std::string& path) {
  struct stat where {};
  if (stat(path.c_str(), &where) != 0) return 0;
  std::ifstream stats("/proc/diskstats");
  for (std::string line; std::getline(stats, line);) {
    std::istringstream fields(line);
    unsigned major_number = 0;
    unsigned minor_number = 0;
    std::string name;
    std::uint64_t skip = 0;
    std::uint64_t sectors_written = 0;
    fields >> major_number >> minor_number >> name;
    for (int i = 0; i < 6; ++i) fields >> skip;
    fields >> sectors_written;
    if (major_number == major(where.st_dev) && minor_number == minor(where.st_dev)) return sectors_written * 512;
  }
  return 0;
}

void DropPageCache(const std::string& directory) {
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (!entry.is_regular_file()) continue;
    const int fd = open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0) continue;
    fdatasync(fd);
    posix_fadvise(fd, 0, 0, POSIX_FADV_DONTNEED);
    close(fd);
  }
}

double Percentile(std::vector<double>& samples, double fraction) {
  if (samples.empty()) return 0;
  std::sort(samples.begin(), samples.end());
  const auto index = static_cast<std::size_t>(fraction * static_cast<double>(samples.size()));
  return samples[std::min(index, samples.size() - 1)];
}

JsonLine::JsonLine(std::string_view bench) : text_("{\"bench\":\"" + std::string(bench) + "\"") {}

JsonLine& JsonLine::Add(std::string_view key, double value) {
  char number[40];
  std::snprintf(number, sizeof(number), "%.6g", value);
  text_ += ",\"" + std::string(key) + "\":" + number;
  return *this;
}

void JsonLine::Print() const {
  std::printf("%s}\n", text_.c_str());
  std::fflush(stdout);
}

}  // namespace cordwood::testing
