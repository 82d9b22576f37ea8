// SPDX-License-Identifier: Apache-2.0
// The parser of positions.
#include "client/cli/position.h"

#include <algorithm>
#include <charconv>
#include <ctime>
#include <limits>
#include <optional>
#include <string>

namespace cordwood::client {
namespace {

constexpr std::int64_t kDayMs = 86'400'000;
constexpr std::int64_t kMsMax = 253'402'300'800'000;  // the year 10000

Status Bad(std::string_view text, std::string_view why) {
  std::string message = "position \"";
  message.append(text).append("\": ").append(why);
  return Error(Reason::kInvalidRequest, message);
}

std::optional<std::int64_t> ParseNumber(std::string_view text) {
  std::int64_t value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error != std::errc() || end != text.data() + text.size() || text.empty()) return std::nullopt;
  return value;
}

// Digits of a fixed width, as times have them.
class Scanner {
 public:
  explicit Scanner(std::string_view text) : rest_(text) {}
  bool Digits(std::size_t width, int* value) {
    if (rest_.size() < width) return false;
    *value = 0;
    for (std::size_t i = 0; i < width; ++i) {
      if (rest_[i] < '0' || rest_[i] > '9') return false;
      *value = *value * 10 + (rest_[i] - '0');
    }
    rest_.remove_prefix(width);
    return true;
  }
  bool Literal(char c) {
    if (rest_.empty() || rest_.front() != c) return false;
    rest_.remove_prefix(1);
    return true;
  }
  bool done() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

 private:
  std::string_view rest_;
};

struct Zone {
  bool local = true;
  int offset_minutes = 0;
};

struct CivilTime {
  int year = 0, month = 1, day = 1, hour = 0, minute = 0, second = 0, milli = 0;
};

bool ScanClock(Scanner* scan, CivilTime* time) {
  if (!scan->Digits(2, &time->hour) || !scan->Literal(':') || !scan->Digits(2, &time->minute)) return false;
  if (!scan->Literal(':')) return true;
  if (!scan->Digits(2, &time->second)) return false;
  if (!scan->Literal('.')) return true;
  int factor = 100;
  int digit = 0;
  int digits = 0;
  for (; scan->Digits(1, &digit); ++digits, factor /= 10) time->milli += digit * factor;  // beyond milliseconds: cut off
  return digits > 0;
}

bool ScanZone(Scanner* scan, Zone* zone) {
  if (scan->done()) return true;
  zone->local = false;
  if (scan->Literal('Z') || scan->Literal('z')) return scan->done();
  const bool west = scan->Literal('-');
  if (!west && !scan->Literal('+')) return false;
  int hours = 0;
  int minutes = 0;
  if (!scan->Digits(2, &hours)) return false;
  scan->Literal(':');
  if (!scan->done() && !scan->Digits(2, &minutes)) return false;
  if (hours > 14 || minutes > 59) return false;
  zone->offset_minutes = (west ? -1 : 1) * (hours * 60 + minutes);
  return scan->done();
}

bool InRange(const CivilTime& time) {
  static constexpr int kDays[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
  if (time.month < 1 || time.month > 12 || time.day < 1) return false;
  const bool leap = (time.year % 4 == 0 && time.year % 100 != 0) || time.year % 400 == 0;
  if (time.day > kDays[time.month - 1] + (time.month == 2 && leap ? 1 : 0)) return false;
  return time.hour <= 23 && time.minute <= 59 && time.second <= 60;
}

std::optional<std::int64_t> ToMs(const CivilTime& time, const Zone& zone) {
  std::tm parts{};
  parts.tm_year = time.year - 1900;
  parts.tm_mon = time.month - 1;
  parts.tm_mday = time.day;
  parts.tm_hour = time.hour;
  parts.tm_min = time.minute;
  parts.tm_sec = time.second;
  parts.tm_isdst = -1;
  const std::time_t seconds = zone.local ? std::mktime(&parts) : timegm(&parts);
  const std::int64_t ms = (static_cast<std::int64_t>(seconds) - zone.offset_minutes * 60) * 1000 + time.milli;
  if (ms < 0 || ms >= kMsMax) return std::nullopt;
  return ms;
}

std::optional<std::int64_t> ParseTime(std::string_view text, std::int64_t now_ms) {
  CivilTime time;
  Zone zone;
  Scanner scan(text);
  if (text.size() >= 3 && text[2] == ':') {  // today
    const std::time_t now = static_cast<std::time_t>(now_ms / 1000);
    std::tm today{};
    localtime_r(&now, &today);
    time.year = today.tm_year + 1900;
    time.month = today.tm_mon + 1;
    time.day = today.tm_mday;
    if (!ScanClock(&scan, &time) || !scan.done()) return std::nullopt;
  } else {
    if (!scan.Digits(4, &time.year) || !scan.Literal('-') || !scan.Digits(2, &time.month) || !scan.Literal('-') || !scan.Digits(2, &time.day)) return std::nullopt;
    if ((scan.Literal('T') || scan.Literal('t') || scan.Literal(' ')) && !ScanClock(&scan, &time)) return std::nullopt;
    if (!ScanZone(&scan, &zone)) return std::nullopt;
  }
  if (!InRange(time)) return std::nullopt;
  return ToMs(time, zone);
}

std::int64_t UnitMs(std::string_view unit) {
  if (unit == "ms") return 1;
  if (unit == "s") return 1000;
  if (unit == "m") return 60'000;
  if (unit == "h") return 3'600'000;
  if (unit == "d") return kDayMs;
  if (unit == "w") return 7 * kDayMs;
  return 0;
}

}  // namespace

StatusOr<std::int64_t> ParseDurationMs(std::string_view text) {
  const Status bad = Error(Reason::kInvalidRequest, "duration \"" + std::string(text) + "\": write it as 250ms, 90s, 15m, 1h30m, 2d or 1w");
  std::int64_t sum = 0;
  std::string_view rest = text;
  if (rest.empty()) return bad;
  while (!rest.empty()) {
    const std::size_t digits = std::min(rest.find_first_not_of("0123456789"), rest.size());
    const auto number = ParseNumber(rest.substr(0, digits));
    rest.remove_prefix(digits);
    const std::size_t letters = std::min(rest.find_first_of("0123456789"), rest.size());
    const std::int64_t unit = UnitMs(rest.substr(0, letters));
    rest.remove_prefix(letters);
    if (!number.has_value() || unit == 0 || *number > kMsMax / unit || (sum += *number * unit) > kMsMax) return bad;
  }
  return sum;
}

StatusOr<std::int64_t> ParseBytes(std::string_view text) {
  const std::size_t digits = std::min(text.find_first_not_of("0123456789"), text.size());
  const auto number = ParseNumber(text.substr(0, digits));
  const std::string_view unit = text.substr(digits);
  std::int64_t factor = 0;
  if (unit.empty() || unit == "B") factor = 1;
  if (unit == "KiB" || unit == "K" || unit == "k") factor = 1024;
  if (unit == "MiB" || unit == "M") factor = 1024 * 1024;
  if (unit == "GiB" || unit == "G") factor = 1024 * 1024 * 1024;
  if (unit == "kB" || unit == "KB") factor = 1000;
  if (unit == "MB") factor = 1000 * 1000;
  if (unit == "GB") factor = 1000 * 1000 * 1000;
  if (!number.has_value() || factor == 0 || *number > std::numeric_limits<std::int64_t>::max() / factor) {
    return Error(Reason::kInvalidRequest, "size \"" + std::string(text) + "\": write it as 65536, 64KiB, 1MiB or 1MB");
  }
  return *number * factor;
}

StatusOr<double> ParseRate(std::string_view text) {
  const std::size_t slash = text.find('/');
  const std::string_view unit = slash == std::string_view::npos ? "s" : text.substr(slash + 1);
  const auto number = ParseNumber(text.substr(0, slash));
  double seconds = 0;
  if (unit == "s") seconds = 1;
  if (unit == "m") seconds = 60;
  if (unit == "h") seconds = 3600;
  if (!number.has_value() || *number <= 0 || seconds == 0) {
    return Error(Reason::kInvalidRequest, "rate \"" + std::string(text) + "\": write it as 1000, 1000/s, 60/m or 5/h");
  }
  return static_cast<double>(*number) / seconds;
}

StatusOr<Position> ParsePosition(std::string_view text, std::int64_t now_ms) {
  if (text == "start") return Position{Position::Kind::kStart, 0};
  if (text == "end") return Position{Position::Kind::kEnd, 0};
  if (text.empty()) return Bad(text, "empty; write start, end, an offset, -10 or @TIME");
  if (text.front() == '@') {
    const std::string_view time = text.substr(1);
    if (!time.empty() && time.front() == '-') {
      const StatusOr<std::int64_t> ago = ParseDurationMs(time.substr(1));
      if (!ago.ok()) return Bad(text, "after @- comes a duration: @-90s, @-15m, @-1h30m, @-2d");
      return Position{Position::Kind::kTimestamp, std::max<std::int64_t>(now_ms - *ago, 0)};
    }
    const auto plain = ParseNumber(time);
    if (plain.has_value() && *plain >= 0 && time.size() > 4) return Position{Position::Kind::kTimestamp, *plain};
    const auto ms = ParseTime(time, now_ms);
    if (!ms.has_value()) return Bad(text, "not a time; write @2026-11-20T10:00, with :SS, Z or +02:00 if you like, or @-15m");
    return Position{Position::Kind::kTimestamp, *ms};
  }
  const auto number = ParseNumber(text.front() == '+' ? std::string_view() : text);
  if (!number.has_value()) return Bad(text, "write start, end, an offset (123), the last records (-10) or a time (@2026-11-20T10:00, @-15m)");
  if (text.front() == '-') {
    if (*number == std::numeric_limits<std::int64_t>::min()) return Bad(text, "too large");
    return Position{Position::Kind::kFromEnd, -*number};
  }
  return Position{Position::Kind::kOffset, *number};
}

StatusOr<Offset> ResolvePosition(const Position& position, Offset start, Offset end, bool above_end_ok) {
  switch (position.kind) {
    case Position::Kind::kStart: return start;
    case Position::Kind::kEnd: return end;
    case Position::Kind::kFromEnd: return Offset(std::max(start.value(), end.value() - std::min(end.value(), position.value)));
    case Position::Kind::kTimestamp: break;
    case Position::Kind::kOffset: {
      const Offset offset(position.value);
      if (offset >= start && (offset <= end || above_end_ok)) return offset;
      return Error(Reason::kOffsetOutOfRange, "offset " + ToString(offset) + " is " + (offset < start ? "below the log start" : "above the log end") +
                                                  ": the log starts at " + ToString(start) + " and ends at " + ToString(end));
    }
  }
  return Error(Reason::kInvalidRequest, "a time is resolved by the broker");
}

}  // namespace cordwood::client
