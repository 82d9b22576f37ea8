// SPDX-License-Identifier: Apache-2.0
// What people write: positions (start | end | 123 | -10 | @2026-11-20T10:00 | @-15m), durations, sizes, rates.
#pragma once

#include <cstdint>
#include <string_view>

#include "storage/base/ids.h"
#include "storage/base/reason.h"

namespace cordwood::client {

struct Position {
  enum class Kind {
    kStart,      // the log start
    kEnd,        // the high watermark
    kOffset,     // value: the offset itself
    kFromEnd,    // value: so many records before the end, but not below the start
    kTimestamp,  // value: ms since the Unix epoch; the first record at or after it, the end if there is none
  };
  Kind kind = Kind::kStart;
  std::int64_t value = 0;
};

// `now_ms` is what @-15m counts from. Times: @YYYY-MM-DD, @YYYY-MM-DDTHH:MM[:SS[.fff]] (a space does for the T), @HH:MM[:SS] today,
// each of the first two with Z or +hh:mm or -hh:mm, else local; @-DURATION with ms, s, m, h, d, w (@-1h30m); @MILLISECONDS.
// INVALID_REQUEST says what is wrong and what would be right.
StatusOr<Position> ParsePosition(std::string_view text, std::int64_t now_ms);

// "90s", "15m", "1h30m", "250ms", "2d", "1w" -> milliseconds, >= 0.
StatusOr<std::int64_t> ParseDurationMs(std::string_view text);

// "1048576", "128KiB", "1MiB", "64kB", "1MB" -> bytes, >= 0.
StatusOr<std::int64_t> ParseBytes(std::string_view text);
// "1000/s", "60/m", "5/h", "1000" (per second) -> per second, > 0.
StatusOr<double> ParseRate(std::string_view text);

// The offset in a log of [start, end) for all kinds but kTimestamp. OFFSET_OUT_OF_RANGE, naming both ends, below start or above end; the
// end itself is a position. `above_end_ok`: an offset the log has not reached yet is one, too.
StatusOr<Offset> ResolvePosition(const Position& position, Offset start, Offset end, bool above_end_ok = false);

}  // namespace cordwood::client
