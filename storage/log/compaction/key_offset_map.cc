// SPDX-License-Identifier: Apache-2.0
// Linear probing; nothing is ever taken out.
#include "storage/log/compaction/key_offset_map.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "storage/base/check.h"

namespace cordwood {
namespace {

std::size_t SlotsFor(std::size_t keys) { return keys + keys / 9 + 1; }

KeyHashSecret RandomSecret() {
  const Uuid random[2] = {Uuid::Random(), Uuid::Random()};
  KeyHashSecret secret;
  std::memcpy(&secret[0], random[0].bytes.data() + 8, sizeof secret[0]);
  std::memcpy(&secret[1], random[1].bytes.data() + 8, sizeof secret[1]);
  return secret;
}

}  // namespace

KeyOffsetMap::KeyOffsetMap(std::size_t keys_max)
    : secret_(RandomSecret()), keys_max_(std::max<std::size_t>(keys_max, 1)), slots_(SlotsFor(keys_max_)) {}

std::size_t KeyOffsetMap::KeysWithin(std::size_t bytes) {
  const std::size_t slots = bytes / sizeof(Slot);
  return std::max<std::size_t>(slots - slots / 10, 2) - 1;
}

void KeyOffsetMap::Reserve(std::size_t more) {
  if (more <= room()) return;
  keys_max_ = keys_ + more;
  std::vector<Slot> old(SlotsFor(keys_max_));
  old.swap(slots_);
  for (const Slot& slot : old) {
    if (slot.offset >= Offset(0)) slots_[SlotOf(slot.hash)] = slot;
  }
}

std::size_t KeyOffsetMap::SlotOf(const KeyHash& hash) const {
  std::size_t at = FirstSlotOf(hash);
  while (slots_[at].offset >= Offset(0) && slots_[at].hash != hash) at = at + 1 == slots_.size() ? 0 : at + 1;
  return at;
}

KeyHash KeyOffsetMap::Prepare(std::string_view key) const {
  const KeyHash hash = HashKey(secret_, key);
  __builtin_prefetch(&slots_[FirstSlotOf(hash)]);
  return hash;
}

void KeyOffsetMap::Put(const KeyHash& key, Offset offset) {
  Slot& slot = slots_[SlotOf(key)];
  if (slot.offset < Offset(0)) {
    CORDWOOD_CHECK(keys_ < keys_max_);
    ++keys_;
    slot.hash = key;
  }
  slot.offset = std::max(slot.offset, offset);
}

std::optional<Offset> KeyOffsetMap::Find(const KeyHash& key) const {
  const Slot& slot = slots_[SlotOf(key)];
  return slot.offset < Offset(0) ? std::nullopt : std::optional(slot.offset);
}

}  // namespace cordwood
