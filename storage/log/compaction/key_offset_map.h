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

  // The key's last offset is `offset`, at or above the one it had. There is room() for it.
  void Put(std::string_view key, Offset offset);
  std::optional<Offset> Find(std::string_view key) const;

 private:
  struct Slot {
    KeyHash hash;
    Offset offset{-1};  // -1: empty
  };
  std::size_t SlotOf(const KeyHash& hash) const;  // its own, or the empty one that it would get

  KeyHashSecret secret_;
  std::size_t keys_max_;
  std::size_t keys_ = 0;
  std::vector<Slot> slots_;
};

}  // namespace cordwood
