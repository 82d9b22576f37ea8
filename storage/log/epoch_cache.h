// SPDX-License-Identifier: Apache-2.0
// Which leader epoch wrote which offsets: a pure value, shared by broker, recovery and simulator. Source: KIP-101, KIP-279.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/ids.h"
#include "storage/base/reason.h"

namespace cordwood {

struct EpochStart {
  LeaderEpoch epoch;
  Offset start;  // first offset of the epoch, inclusive
  friend bool operator==(const EpochStart&, const EpochStart&) = default;
};

struct EpochEnd {
  LeaderEpoch epoch;  // the largest known epoch <= the asked one; -1 if none
  Offset end;         // exclusive; -1 if none
  friend bool operator==(const EpochEnd&, const EpochEnd&) = default;
};

// Invariants: epochs and starts strictly increase. Not thread-safe.
class EpochCache {
 public:
  // True if the entry is new and must be persisted. An epoch at or below the latest is ignored. If the latest epoch began at `start`
  // without writing anything, it is replaced. A new leader assigns at its log end before it serves, even if it never writes (KIP-279).
  bool Assign(LeaderEpoch epoch, Offset start);
  std::optional<EpochStart> latest() const;
  // OffsetForLeaderEpoch: where the largest epoch <= `epoch` ends, given the log end. Unlike Kafka, an epoch above the latest gets the
  // latest one and the log end, and one below the first gets {-1, -1}.
  EpochEnd EndOf(LeaderEpoch epoch, Offset log_end) const;
  // The epoch of the record at `offset`; -1 if below the first entry.
  LeaderEpoch EpochAt(Offset offset) const;

  bool TruncateTo(Offset log_end);       // drops entries that start at or above; true if anything changed
  bool TruncateFrom(Offset log_start);   // drops entries that end at or below; the one that contains log_start is moved to start there
                                         // (the latest has no end and always stays)

  const std::vector<EpochStart>& entries() const { return entries_; }
  std::string Encode() const;  // FF 12: n x {epoch i32, start i64}
  static StatusOr<EpochCache> Decode(std::string_view value);
  Status Invariants() const;

 private:
  std::vector<EpochStart> entries_;
};

}  // namespace cordwood
