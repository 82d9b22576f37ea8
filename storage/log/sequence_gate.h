// SPDX-License-Identifier: Apache-2.0
// Recovery's rule, pure: a write-ahead log may be replayed only as long as its sequence numbers leave no hole.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

namespace cordwood {

// RocksDB's point-in-time recovery goes on past a stretch that was lost at a record boundary, or past a missing tail of an older
// file; the gate stops there. Feed each record's first sequence number and operation count, in replay order.
class SequenceGate {
 public:
  // `flushed`: the last sequence number that is already in table files; records at or below it pass (they are replayed idempotently).
  explicit SequenceGate(std::uint64_t flushed) : flushed_(flushed), last_(flushed) {}

  // False: there is a hole before this record, or it goes back behind one that was admitted; stop, and ask no further.
  bool Admit(std::uint64_t sequence, std::uint64_t operations);

  std::uint64_t last() const { return last_; }  // the last sequence number without a hole before it
  bool stopped() const { return stopped_; }

 private:
  std::uint64_t flushed_;
  std::uint64_t last_;
  bool stopped_ = false;
};

// The sequence number that a RocksDB WriteBatch begins with, little-endian; RocksDB's public API has no other way to it. `bytes` is at least 8 long.
inline std::uint64_t SequenceOfWriteBatch(std::string_view bytes) {
  std::uint64_t sequence = 0;
  for (int i = 7; i >= 0; --i) sequence = sequence << 8 | static_cast<unsigned char>(bytes[static_cast<std::size_t>(i)]);
  return sequence;
}

}  // namespace cordwood
