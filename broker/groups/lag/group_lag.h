// SPDX-License-Identifier: Apache-2.0
// How far behind a group is: in records, in seconds, and until when.
#pragma once

#include <cstdint>
#include <optional>

#include "broker/groups/lag/group_snapshot.h"

namespace cordwood::broker {

// Records from the committed offset, or from the log start if that is above it, to the high watermark; >= 0. Absent: nothing committed, or the log's ends are not known.
std::optional<std::int64_t> LagOf(const PartitionSnapshot& partition);

// How old the first record is that is not committed, >= 0; 0: none waits. Absent: there is no LagOf(), or the record's time is not known. A
// record from the future is 0 ms old.
std::optional<std::int64_t> LagMsOf(const PartitionSnapshot& partition, std::int64_t wall_ms);

// Until the lag is gone if all goes on as in the last minute, >= 0; 0: it is gone. Absent: never, or unknown.
std::optional<std::int64_t> DrainMsOf(const PartitionSnapshot& partition);

// Until the first record that is not committed is due to a replay job at the original pace, >= 0. Absent: there is no such pace, none waits, or its time is not known.
std::optional<std::int64_t> NextDueMsOf(const GroupSnapshot& group, const PartitionSnapshot& partition);

// Over the partitions for which there is one: the sum, and the longest. Absent: there is none.
struct LagTotals {
  std::optional<std::int64_t> records;
  std::optional<std::int64_t> ms;
  void Add(const PartitionSnapshot& partition, std::int64_t wall_ms);
};

}  // namespace cordwood::broker
