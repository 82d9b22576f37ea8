// SPDX-License-Identifier: Apache-2.0
// From /proc and from /metrics.
#include "tests/load/broker_watch.h"

#include <unistd.h>

#include <algorithm>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <sstream>

#include "absl/time/clock.h"
#include "tests/support/raw_wire.h"

namespace cordwood::testing {
namespace {

constexpr absl::Duration kSampleInterval = absl::Milliseconds(50);
constexpr std::int64_t kLeaseSlackBytes = 4 << 20;  // a network thread keeps a step of its lease that it may need again

std::string ProcOf(pid_t pid, const std::string& file) { return "/proc/" + std::to_string(pid) + "/" + file; }

}  // namespace

std::int64_t ResidentBytesOf(pid_t pid) {
  std::ifstream statm(ProcOf(pid, "statm"));
  std::int64_t total = 0, resident = 0;
  statm >> total >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

double CpuSecondsOf(pid_t pid) {
  std::ifstream stat(ProcOf(pid, "stat"));
  std::string text;
  std::getline(stat, text);
  std::istringstream fields(text.substr(std::min(text.size(), text.rfind(')') + 1)));  // the name may hold blanks
  std::string skip;
  for (int i = 0; i < 11; ++i) fields >> skip;
  double user = 0, system = 0;
  fields >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::int64_t OpenFilesOf(pid_t pid) {
  std::error_code error;
  std::int64_t count = 0;
  for (std::filesystem::directory_iterator file(ProcOf(pid, "fd"), error), end; !error && file != end; file.increment(error)) ++count;
  return count;
}

Metrics::Metrics(const BrokerProcess& broker) {
  std::istringstream lines(HttpGet(broker.http_address(), "/metrics").body);
  for (std::string line; std::getline(lines, line);) {
    const std::size_t blank = line.rfind(' ');
    if (line.empty() || line[0] == '#' || blank == std::string::npos) continue;
    values_[line.substr(0, blank)] = std::atof(line.c_str() + blank);
  }
}

std::int64_t Metrics::operator[](const std::string& series) const {
  const auto found = values_.find(series);
  return found == values_.end() ? -1 : static_cast<std::int64_t>(found->second);
}

std::int64_t Metrics::Sum(const std::string& family) const {
  double sum = 0;
  for (auto value = values_.lower_bound(family + "{"); value != values_.end() && value->first.starts_with(family + "{"); ++value) sum += value->second;
  return static_cast<std::int64_t>(sum);
}

Footprint Footprint::Of(const BrokerProcess& broker) {
  const Metrics metrics(broker);
  Footprint now;
  now.calls = metrics.Sum("cordwood_calls_open");
  now.sessions = metrics["cordwood_fetch_sessions"];
  now.parked = metrics["cordwood_fetch_parked_partitions"];
  now.appends = metrics["cordwood_produce_appends_outstanding"];
  now.budget_bytes = metrics["cordwood_request_budget_used_bytes"];
  now.connections = metrics["cordwood_connections"];
  now.files = OpenFilesOf(broker.pid());
  now.resident_bytes = ResidentBytesOf(broker.pid());
  return now;
}

std::string Footprint::Above(const Footprint& before, std::int64_t more_files) const {
  std::string text;
  const auto compare = [&text](const char* what, std::int64_t now, std::int64_t bound) {
    if (now > bound) text += std::string(text.empty() ? "" : ", ") + what + " " + std::to_string(now) + " > " + std::to_string(bound);
  };
  compare("calls", calls, before.calls);
  compare("sessions", sessions, before.sessions);
  compare("parked partitions", parked, before.parked);
  compare("appends", appends, before.appends);
  compare("budget", budget_bytes, before.budget_bytes + kLeaseSlackBytes);
  compare("connections", connections, before.connections);
  compare("files", files, before.files + more_files);
  return text;
}

void MemoryTrace::Sample() {
  const absl::Time now = absl::Now();
  if (now - last_ < kSampleInterval) return;
  last_ = now;
  if (samples_.empty()) began_ = now;
  samples_.push_back({absl::ToDoubleSeconds(now - began_), static_cast<double>(ResidentBytesOf(pid_))});
}

std::int64_t MemoryTrace::max_bytes() const {
  double most = 0;
  for (const Point& point : samples_) most = std::max(most, point.bytes);
  return static_cast<std::int64_t>(most);
}

double MemoryTrace::slope_bytes_per_second() const {
  double n = 0, x = 0, y = 0, xx = 0, xy = 0;
  for (const Point& point : samples_) {
    if (point.seconds < seconds() / 3) continue;
    n += 1;
    x += point.seconds;
    y += point.bytes;
    xx += point.seconds * point.seconds;
    xy += point.seconds * point.bytes;
  }
  const double spread = n * xx - x * x;
  return spread > 0 ? (n * xy - x * y) / spread : 0;
}

}  // namespace cordwood::testing
