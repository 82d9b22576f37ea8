// SPDX-License-Identifier: Apache-2.0
// The records of __consumer_offsets, as structs and bytes. Format: docs/reference/consumer-offsets-format.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "broker/groups/assignor.h"
#include "broker/groups/group_types.h"
#include "broker/groups/replay_job.h"
#include "storage/base/ids.h"
#include "storage/base/reason.h"

namespace cordwood::broker {

// One record: a value, or nullopt for a tombstone. One transition of a group is one batch of them.
struct GroupRecord {
  std::string key;
  std::optional<std::string> value;
  friend bool operator==(const GroupRecord&, const GroupRecord&) = default;
};

enum class GroupRecordKind : std::uint8_t {  // persisted: never renumber
  kOffset = 1,
  kGroup = 2,
  kMember = 3,
  kTarget = 4,
  kCurrent = 5,
  kReplay = 6,
};
inline constexpr std::uint8_t kGroupRecordKindLast = 6;

struct GroupRecordKey {
  GroupRecordKind kind = GroupRecordKind::kGroup;
  std::string group;         // 1 to kGroupIdBytesMax bytes
  TopicPartition partition;  // of kOffset
  std::string member;        // of kMember, kTarget and kCurrent: 1 to kMemberIdBytesMax bytes
  friend bool operator==(const GroupRecordKey&, const GroupRecordKey&) = default;
};

struct CommittedOffset {
  Offset offset;                              // of the next record to read, >= 0
  LeaderEpoch leader_epoch = kNoLeaderEpoch;  // of the last record read, or kNoLeaderEpoch
  std::int64_t commit_ms = 0;                 // by the coordinator's clock
  PositionEpoch position_epoch;
  std::string topic;                          // its name when it was committed; the id in the key is what counts
  std::string metadata;                       // the client's own, up to kCommitMetadataBytesMax bytes
  friend bool operator==(const CommittedOffset&, const CommittedOffset&) = default;
};

struct GroupHeader {
  MemberEpoch group_epoch;       // of the last change that a member may be told of
  MemberEpoch assignment_epoch;  // of the last one that the target takes in; <= group_epoch
  AssignorKind assignor = AssignorKind::kUniform;
  std::int64_t empty_since_ms = -1;  // when the last member went; -1 while there are members
  friend bool operator==(const GroupHeader&, const GroupHeader&) = default;
};

struct GroupMember {
  std::string instance_id;  // empty: a dynamic member
  std::string client;       // a name for people, empty if unknown
  AssignorKind assignor = AssignorKind::kUniform;  // its wish
  std::int64_t rebalance_timeout_ms = 0;           // > 0
  MemberEpoch joined_epoch;                        // of this incarnation; anything older is a zombie
  std::string pattern;                             // empty: none
  std::vector<std::string> topics;                 // ascending, each once
  friend bool operator==(const GroupMember&, const GroupMember&) = default;
};

using MemberTarget = std::vector<TopicPartition>;  // ascending, each once

struct HeldPartition {
  MemberEpoch since;      // the epoch under which the member was told that it has it
  bool revoking = false;  // told to give it up, and has not yet
  friend bool operator==(const HeldPartition&, const HeldPartition&) = default;
};

struct MemberCurrent {
  MemberEpoch epoch;  // of the last target that the member was told
  std::map<TopicPartition, HeldPartition> held;
  friend bool operator==(const MemberCurrent&, const MemberCurrent&) = default;
};

std::string Encode(const GroupRecordKey& key);
std::string Encode(const CommittedOffset& offset);
std::string Encode(const GroupHeader& header);
std::string Encode(const GroupMember& member);
std::string Encode(const MemberTarget& target);
std::string Encode(const MemberCurrent& current);
std::string Encode(const ReplayJob& job);

// Each refuses what is short, long, out of range or not in its one order with KAFKA_STORAGE_ERROR, a newer version with FORMAT_TOO_NEW; none crashes.
// What is decoded encodes to the same bytes.
StatusOr<GroupRecordKey> DecodeGroupRecordKey(std::string_view key);
StatusOr<CommittedOffset> DecodeCommittedOffset(std::string_view value);
StatusOr<GroupHeader> DecodeGroupHeader(std::string_view value);
StatusOr<GroupMember> DecodeGroupMember(std::string_view value);
StatusOr<MemberTarget> DecodeMemberTarget(std::string_view value);
StatusOr<MemberCurrent> DecodeMemberCurrent(std::string_view value);
StatusOr<ReplayJob> DecodeReplayJob(std::string_view value);

}  // namespace cordwood::broker
