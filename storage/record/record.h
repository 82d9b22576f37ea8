// SPDX-License-Identifier: Apache-2.0
// One record as the world sees it: key, value, headers, timestamp, offset.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "storage/base/ids.h"

namespace cordwood {

struct RecordHeader {
  std::string_view key;                   // UTF-8, not checked
  std::optional<std::string_view> value;  // nullopt is null, which differs from empty
};

// Views into somebody else's bytes; valid as long as those are.
struct RecordView {
  Offset offset;                          // absolute; ignored when building
  std::int64_t timestamp_ms = kNoTimestampMs;
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;  // nullopt is a tombstone on a compacted topic
  std::vector<RecordHeader> headers;
};

}  // namespace cordwood
