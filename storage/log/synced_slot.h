// SPDX-License-Identifier: Apache-2.0
// One slot of a side file that says what is known to be on stable storage; pure. Format: docs/reference/on-disk-format.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>

namespace cordwood {

inline constexpr std::size_t kSyncedSlotBytes = 512;
inline constexpr std::size_t kSyncedSlotDistance = 4096;  // no page holds two slots, so that what tears one leaves the others
inline constexpr std::size_t kSyncedSlotUsedBytes = 20;   // the rest is zero and not looked at

// {magic u64, sequence u64, crc32c u32 over those 16}, big-endian, rest zero.
using SyncedSlot = std::array<char, kSyncedSlotBytes>;
SyncedSlot EncodeSyncedSlot(std::uint64_t sequence);
// nullopt: cut, torn or damaged.
std::optional<std::uint64_t> DecodeSyncedSlot(std::string_view bytes);

}  // namespace cordwood
