// SPDX-License-Identifier: Apache-2.0
#include "storage/log/synced_slot.h"

#include "storage/base/coding.h"
#include "storage/base/crc32c.h"

namespace cordwood {
namespace {

constexpr std::uint64_t kMagic = 0x434F524453594E43;  // "CORDSYNC"

}  // namespace

SyncedSlot EncodeSyncedSlot(std::uint64_t sequence) {
  SyncedSlot slot{};
  StoreBigEndian(slot.data(), kMagic);
  StoreBigEndian(slot.data() + 8, sequence);
  StoreBigEndian(slot.data() + 16, Crc32c({slot.data(), 16}));
  return slot;
}

std::optional<std::uint64_t> DecodeSyncedSlot(std::string_view bytes) {
  ByteReader reader(bytes);
  const auto magic = reader.Read<std::uint64_t>();
  const auto sequence = reader.Read<std::uint64_t>();
  const auto crc = reader.Read<std::uint32_t>();
  if (!reader.ok() || magic != kMagic || crc != Crc32c(bytes.substr(0, 16))) return std::nullopt;
  return sequence;
}

}  // namespace cordwood
