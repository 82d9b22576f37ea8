// SPDX-License-Identifier: Apache-2.0
// Why a group does not go on: what is so, and what to try. Page: docs/reference/group-findings.md.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "broker/groups/lag/group_snapshot.h"

namespace cordwood::broker {

enum class FindingKind : std::uint8_t {  // their names are stable, the numbers are not; in this order they are told
  kNoMember,
  kReplayPaused,
  kMemberFenced,
  kStreamLost,
  kUnknownTopic,
  kNothingToRead,
  kLogUnavailable,
  kBelowLogStart,
  kBeyondLogEnd,
  kAwaitingRevocation,
  kAwaitingPosition,
  kNotFetching,
  kNotCommitting,
  kPaused,
  kIdleMember,
};
inline constexpr std::size_t kFindingKinds = static_cast<std::size_t>(FindingKind::kIdleMember) + 1;

enum class FindingSeverity : std::uint8_t { kProblem, kNote };

// "no_member", …
std::string_view FindingName(FindingKind kind);
std::string_view SeverityName(FindingSeverity severity);

struct GroupFinding {
  FindingKind kind = FindingKind::kNoMember;
  FindingSeverity severity = FindingSeverity::kProblem;
  std::string text;    // what is so
  std::string advice;  // what to try
  std::string member;  // whom it is about; empty: nobody in particular
  std::string topic;   // what it is about; empty: none in particular
  std::vector<PartitionIndex> partitions;  // of the topic, ascending
};

struct FindingLimits {
  std::int64_t still_ms = 30'000;         // a position that stands still for so long while records wait
  std::int64_t uncommitted_ms = 60'000;   // a position that is ahead of the committed offset for so long
  std::int64_t fenced_ms = 600'000;       // a member fenced within so long is told of
};

// Problems first, each kind together; none: it goes on. One finding for all partitions of a topic that share it.
std::vector<GroupFinding> Explain(const GroupSnapshot& group, const FindingLimits& limits = {});

}  // namespace cordwood::broker
