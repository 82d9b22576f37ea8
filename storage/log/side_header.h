// SPDX-License-Identifier: Apache-2.0
// The 16 bytes before each stored batch: what the leader's broker adds to what the producer sent.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "storage/base/reason.h"

namespace cordwood {

inline constexpr std::size_t kSideHeaderBytes = 16;

// Layout, big-endian: format u8 = 1 · flags u8 = 0 · zero u16 · crc u32 · append_ms i64. The CRC-32C covers the other 12 bytes and
// then batch[0, 17), the part that the batch's own CRC leaves out. Replicated with the batch.
struct SideHeader {
  std::int64_t append_ms = 0;  // by the leader's clock, never below the append time of the batch before it
};

// `value` is a whole stored value: 16 bytes of room, then the stamped batch (at least 17 bytes).
void WriteSideHeader(char* value, const SideHeader& header);
// KAFKA_STORAGE_ERROR (data loss) if the format is unknown, or the CRC is wrong, or the value too short.
StatusOr<SideHeader> ReadSideHeader(std::string_view value);

inline std::string_view BatchOf(std::string_view value) { return value.substr(kSideHeaderBytes); }

}  // namespace cordwood
