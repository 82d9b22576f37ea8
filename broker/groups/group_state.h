// SPDX-License-Identifier: Apache-2.0
// What of a group is in its records: a value that is changed, written as records, and built again from them.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "broker/groups/group_records.h"
#include "broker/groups/group_types.h"

namespace cordwood::broker {

// Every change notes which records it touches; TakeRecords gives them. So the records written, folded by key, are the state at any time:
// a state built by Apply from them has the same Snapshot, byte for byte.
//
// Invariants: a partition is held by one member at most, and in the target of one at most; assignment_epoch <= group_epoch; for each member
// joined_epoch <= epoch <= group_epoch; what it holds it holds since an epoch in [joined_epoch, epoch].
// Threading: owned by its GroupCore.
class GroupState {
 public:
  struct Member {
    GroupMember record;
    MemberTarget target;
    MemberCurrent current;
  };

  explicit GroupState(std::string group) : group_(std::move(group)) {}

  const std::string& group() const { return group_; }
  const GroupHeader& header() const { return header_; }
  const std::map<std::string, Member>& members() const { return members_; }
  const std::map<TopicPartition, CommittedOffset>& offsets() const { return offsets_; }
  const std::optional<ReplayJob>& replay() const { return replay_; }  // nullopt: the group is no replay job
  const Member* Find(const std::string& member) const;
  const CommittedOffset* OffsetAt(const TopicPartition& at) const;
  // Empty if nobody.
  const std::string& HolderOf(const TopicPartition& at) const;
  const std::string& TargetOf(const TopicPartition& at) const;
  // The member with this instance id; empty if none.
  std::string HolderOfInstance(std::string_view instance_id) const;
  // Nothing is left, and no record of the group in the log.
  bool gone() const { return !has_header_ && members_.empty() && offsets_.empty() && !replay_.has_value(); }
  bool has_header() const { return has_header_; }

  void SetHeader(const GroupHeader& header);
  void EraseHeader();
  void SetMember(const std::string& member, const GroupMember& record);  // adds it, or replaces its record
  void EraseMember(const std::string& member);                           // with its target and all it holds
  void SetTarget(const std::string& member, MemberTarget target);        // no partition of another member's target
  void SetEpoch(const std::string& member, MemberEpoch epoch);
  void Hold(const std::string& member, const TopicPartition& at, HeldPartition held);  // not held by another member
  void Release(const std::string& member, const TopicPartition& at);
  void SetOffset(const TopicPartition& at, CommittedOffset offset);
  void EraseOffset(const TopicPartition& at);
  void SetReplay(ReplayJob job);
  void AddSkipped(const TopicPartition& at, std::int64_t records);  // of a replay job's range; all of it at most
  void EraseReplay();

  // What changed since the last call, one record per key, in order of keys.
  std::vector<GroupRecord> TakeRecords();

  // Replay: a record of this group's, in the log's order; compaction may have left out earlier ones of the same key. KAFKA_STORAGE_ERROR or
  // FORMAT_TOO_NEW as of the decoders: the group cannot be served.
  Status Apply(const GroupRecordKey& key, const std::optional<std::string_view>& value);
  // After the last record: KAFKA_STORAGE_ERROR if what was read cannot be a group's state.
  Status FinishReplay();

  // Every record of the state by key, in canonical form.
  std::map<std::string, std::string> Snapshot() const;
  Status Invariants() const;

 private:
  void Touch(GroupRecordKind kind, const std::string& member = {}, const TopicPartition& at = {});
  std::optional<std::string> ValueOf(const GroupRecordKey& key) const;
  Status ApplyMember(const GroupRecordKey& key, std::string_view value);
  void ForgetInstance(const std::string& instance_id, const std::string& member);
  void DropPart(const GroupRecordKey& key);

  std::string group_;
  bool has_header_ = false;
  GroupHeader header_;
  std::map<std::string, Member> members_;
  std::map<TopicPartition, CommittedOffset> offsets_;
  std::optional<ReplayJob> replay_;
  std::map<TopicPartition, std::string> holders_;  // from members_
  std::map<TopicPartition, std::string> targets_;  // from members_
  std::map<std::string, std::string, std::less<>> instances_;  // from members_: who has this instance id
  std::map<std::string, GroupRecordKey> touched_;  // by encoded key

  // While records are replayed: which of a member's three records were there.
  std::map<std::string, std::set<GroupRecordKind>> parts_;
};

}  // namespace cordwood::broker
