// SPDX-License-Identifier: Apache-2.0
// What passes between a member's core and the application: values.
#pragma once

#include <compare>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "storage/base/ids.h"
#include "storage/base/reason.h"

namespace cordwood::client {

struct GroupPartition {
  TopicId topic;
  PartitionIndex partition;
  friend auto operator<=>(const GroupPartition&, const GroupPartition&) = default;
};

// A partition as long as this member has it without interruption, from 1. What was read under one tenure is not committed under another.
using Tenure = std::uint64_t;

// Where a partition begins, or goes on after a reset of the group.
struct MemberPlace {
  GroupPartition at;
  std::string topic;
  Tenure tenure = 0;
  std::optional<Offset> offset;  // committed: the next record to read
  LeaderEpoch leader_epoch = kNoLeaderEpoch;  // of the record before it
  std::uint32_t position_epoch = 0;
  std::optional<Offset> end;     // replay jobs: exclusive
};

// How a replay job goes on, for this member.
struct MemberReplay {
  enum class State { kRunning, kPaused, kCancelled, kDone };
  State state = State::kRunning;
  std::int64_t bytes_per_second = 0;     // its share of the rate; 0: no limit
  std::optional<std::int64_t> clock_ms;  // original pace: records up to this timestamp were due when it was told
  absl::Duration told;                   // monotonic
};

// What the application is to learn, in this order.
struct MemberChanges {
  std::vector<MemberPlace> lost;     // gone already: commits come too late
  std::vector<MemberPlace> revoked;  // to be given up: GaveUp() after callbacks and commits
  std::vector<MemberPlace> moved;    // go on from here: Taken() when what was not handed out is dropped
  std::vector<MemberPlace> assigned;
};

struct MemberCommitEntry {
  GroupPartition at;
  Tenure tenure = 0;
  Offset offset;  // of the next record to read
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  std::uint32_t position_epoch = 0;
  std::string metadata;
};
inline constexpr std::size_t kCommitMetadataBytesMax = 4096;

struct MemberCommitAnswer {
  std::uint64_t seq = 0;
  std::vector<Status> entries;  // as they were given to Commit()
};

}  // namespace cordwood::client
