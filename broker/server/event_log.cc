// SPDX-License-Identifier: Apache-2.0
// 2026-11-21T08:45:34.123Z note  ready: …
#include "broker/server/event_log.h"

#include <unistd.h>

#include <cstdio>
#include <ctime>
#include <string>

namespace cordwood::broker {
namespace {

const char* NameOf(EventLevel level) {
  switch (level) {
    case EventLevel::kNote: return "note ";
    case EventLevel::kWarning: return "warn ";
    case EventLevel::kError: return "error";
  }
  return "";
}

}  // namespace

void LogEvent(EventLevel level, std::string_view text) {
  timespec now;
  clock_gettime(CLOCK_REALTIME, &now);
  tm utc;
  gmtime_r(&now.tv_sec, &utc);
  char date[40];
  const std::size_t length = std::strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &utc);
  char rest[24];
  std::snprintf(rest, sizeof rest, ".%03dZ %s ", static_cast<int>(now.tv_nsec / 1'000'000), NameOf(level));
  std::string line = std::string(date, length) + rest;
  for (const char c : text) line += c == '\n' || c == '\r' ? ' ' : c;
  line += '\n';
  // Nobody is left to be told if stderr is gone.
  [[maybe_unused]] const ssize_t written = write(STDERR_FILENO, line.data(), line.size());
}

}  // namespace cordwood::broker
