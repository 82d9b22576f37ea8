// SPDX-License-Identifier: Apache-2.0
// Where each key of a stretch of a log stands last, within a bound of memory.
#pragma once

#include <cstddef>
#include <optional>
#include <string_view>
#include <vector>

#include "storage/base/ids.h"
#include "storage/log/compaction/key_hash.h"

namespace cordwood {

// Open addressing, 24 bytes a slot, at most nine tenths full. Not thread-safe.
class KeyOffsetMap {
 public:
  // For up to `keys_max` keys. The secret is this map's own.
  explicit KeyOffsetMap(std::size_t keys_max);

  // As many keys as a map of `bytes` takes, at least 1.
  static std::size_t KeysWithin(std::size_t bytes);

  std::size_t room() const { return keys_max_ - keys_; }  // keys that still fit
  std::size_t keys() const { return keys_; }
  // For `more` keys beside those in it.
  void Reserve(std::size_t more);

  // What stands for the key below. Begins to fetch the memory that is looked at there: who asks for many keys first waits for that once, not for each.
  KeyHash Prepare(std::string_view key) const;
  // The key's last offset is `offset`, at or above the one it had. There is room() for it.
  void Put(const KeyHash& key, Offset offset);
  std::optional<Offset> Find(const KeyHash& key) const;

 private:
  struct Slot {
    KeyHash hash;
    Offset offset{-1};  // -1: empty
  };
  std::size_t FirstSlotOf(const KeyHash& hash) const { return static_cast<std::size_t>(static_cast<unsigned __int128>(hash.low) * slots_.size() >> 64); }
  std::size_t SlotOf(const KeyHash& hash) const;  // its own, or the empty one that it would get

  KeyHashSecret secret_;
  std::size_t keys_max_;
  std::size_t keys_ = 0;
  std::vector<Slot> slots_;
};

}  // namespace cordwood
