// SPDX-License-Identifier: Apache-2.0
// Changes, records, replay and invariants of a group's state.
#include "broker/groups/group_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/check.h"

namespace cordwood::broker {
namespace {

const std::string kNobody;

const std::string& Lookup(const std::map<TopicPartition, std::string>& index, const TopicPartition& at) {
  const auto it = index.find(at);
  return it == index.end() ? kNobody : it->second;
}

}  // namespace

const GroupState::Member* GroupState::Find(const std::string& member) const {
  const auto it = members_.find(member);
  return it == members_.end() ? nullptr : &it->second;
}

const CommittedOffset* GroupState::OffsetAt(const TopicPartition& at) const {
  const auto it = offsets_.find(at);
  return it == offsets_.end() ? nullptr : &it->second;
}

const std::string& GroupState::HolderOf(const TopicPartition& at) const { return Lookup(holders_, at); }
const std::string& GroupState::TargetOf(const TopicPartition& at) const { return Lookup(targets_, at); }

std::string GroupState::HolderOfInstance(std::string_view instance_id) const {
  const auto holder = instances_.find(instance_id);
  return holder == instances_.end() ? std::string() : holder->second;
}

void GroupState::Touch(GroupRecordKind kind, const std::string& member, const TopicPartition& at) {
  GroupRecordKey key{kind, group_, at, member};
  std::string bytes = Encode(key);
  touched_.insert_or_assign(std::move(bytes), std::move(key));
}

void GroupState::SetHeader(const GroupHeader& header) {
  if (has_header_ && header == header_) return;
  has_header_ = true;
  header_ = header;
  Touch(GroupRecordKind::kGroup);
}

void GroupState::EraseHeader() {
  if (!has_header_) return;
  has_header_ = false;
  header_ = {};
  Touch(GroupRecordKind::kGroup);
}

void GroupState::SetMember(const std::string& member, const GroupMember& record) {
  const auto [it, added] = members_.try_emplace(member);
  if (!added && it->second.record == record) return;
  if (it->second.record.instance_id != record.instance_id) ForgetInstance(it->second.record.instance_id, member);
  if (!record.instance_id.empty()) instances_.try_emplace(record.instance_id, member);
  it->second.record = record;
  Touch(GroupRecordKind::kMember, member);
  if (!added) return;
  Touch(GroupRecordKind::kTarget, member);
  Touch(GroupRecordKind::kCurrent, member);
}

void GroupState::ForgetInstance(const std::string& instance_id, const std::string& member) {
  const auto holder = instances_.find(instance_id);
  if (holder != instances_.end() && holder->second == member) instances_.erase(holder);
}

void GroupState::EraseMember(const std::string& member) {
  const auto it = members_.find(member);
  CORDWOOD_CHECK(it != members_.end());
  for (const auto& [at, held] : it->second.current.held) holders_.erase(at);
  for (const TopicPartition& at : it->second.target) targets_.erase(at);
  ForgetInstance(it->second.record.instance_id, member);
  members_.erase(it);
  for (const auto kind : {GroupRecordKind::kMember, GroupRecordKind::kTarget, GroupRecordKind::kCurrent}) Touch(kind, member);
}

void GroupState::SetTarget(const std::string& member, MemberTarget target) {
  Member& at = members_.at(member);
  if (at.target == target) return;
  for (const TopicPartition& partition : at.target) {
    const auto it = targets_.find(partition);
    if (it != targets_.end() && it->second == member) targets_.erase(it);
  }
  for (const TopicPartition& partition : target) targets_[partition] = member;
  at.target = std::move(target);
  Touch(GroupRecordKind::kTarget, member);
}

void GroupState::SetEpoch(const std::string& member, MemberEpoch epoch) {
  MemberCurrent& current = members_.at(member).current;
  CORDWOOD_CHECK(epoch >= current.epoch);
  if (epoch == current.epoch) return;
  current.epoch = epoch;
  Touch(GroupRecordKind::kCurrent, member);
}

void GroupState::Hold(const std::string& member, const TopicPartition& at, HeldPartition held) {
  const auto [holder, free] = holders_.try_emplace(at, member);
  CORDWOOD_CHECK(free || holder->second == member);
  members_.at(member).current.held[at] = held;
  Touch(GroupRecordKind::kCurrent, member);
}

void GroupState::Release(const std::string& member, const TopicPartition& at) {
  CORDWOOD_CHECK(members_.at(member).current.held.erase(at) == 1);
  holders_.erase(at);
  Touch(GroupRecordKind::kCurrent, member);
}

void GroupState::SetOffset(const TopicPartition& at, CommittedOffset offset) {
  offsets_.insert_or_assign(at, std::move(offset));
  Touch(GroupRecordKind::kOffset, {}, at);
}

void GroupState::EraseOffset(const TopicPartition& at) {
  if (offsets_.erase(at) == 1) Touch(GroupRecordKind::kOffset, {}, at);
}

void GroupState::SetReplay(ReplayJob job) {
  if (replay_ == job) return;
  replay_ = std::move(job);
  Touch(GroupRecordKind::kReplay);
}

void GroupState::AddSkipped(const TopicPartition& at, std::int64_t records) {
  ReplayRange& range = replay_->ranges.at(at);
  range.skipped = std::min(range.skipped + records, range.to - range.from);
  Touch(GroupRecordKind::kReplay);
}

void GroupState::EraseReplay() {
  if (!replay_.has_value()) return;
  replay_.reset();
  Touch(GroupRecordKind::kReplay);
}

std::optional<std::string> GroupState::ValueOf(const GroupRecordKey& key) const {
  if (key.kind == GroupRecordKind::kReplay) return replay_.has_value() ? std::optional(Encode(*replay_)) : std::nullopt;
  if (key.kind == GroupRecordKind::kGroup) return has_header_ ? std::optional(Encode(header_)) : std::nullopt;
  if (key.kind == GroupRecordKind::kOffset) {
    const CommittedOffset* offset = OffsetAt(key.partition);
    return offset != nullptr ? std::optional(Encode(*offset)) : std::nullopt;
  }
  const Member* member = Find(key.member);
  if (member == nullptr) return std::nullopt;
  if (key.kind == GroupRecordKind::kMember) return Encode(member->record);
  return key.kind == GroupRecordKind::kTarget ? Encode(member->target) : Encode(member->current);
}

std::vector<GroupRecord> GroupState::TakeRecords() {
  std::vector<GroupRecord> records;
  for (const auto& [bytes, key] : touched_) records.push_back({bytes, ValueOf(key)});
  touched_.clear();
  return records;
}

Status GroupState::Apply(const GroupRecordKey& key, const std::optional<std::string_view>& value) {
  CORDWOOD_CHECK(key.group == group_);
  if (!value.has_value()) {
    DropPart(key);
    return absl::OkStatus();
  }
  if (key.kind == GroupRecordKind::kGroup) {
    CORDWOOD_ASSIGN_OR_RETURN(header_, DecodeGroupHeader(*value));
    has_header_ = true;
    return absl::OkStatus();
  }
  if (key.kind == GroupRecordKind::kOffset) {
    CORDWOOD_ASSIGN_OR_RETURN(offsets_[key.partition], DecodeCommittedOffset(*value));
    return absl::OkStatus();
  }
  if (key.kind == GroupRecordKind::kReplay) {
    CORDWOOD_ASSIGN_OR_RETURN(replay_, DecodeReplayJob(*value));
    return absl::OkStatus();
  }
  return ApplyMember(key, *value);
}

Status GroupState::ApplyMember(const GroupRecordKey& key, std::string_view value) {
  Member& member = members_[key.member];
  if (key.kind == GroupRecordKind::kMember) {
    CORDWOOD_ASSIGN_OR_RETURN(member.record, DecodeGroupMember(value));
  } else if (key.kind == GroupRecordKind::kTarget) {
    CORDWOOD_ASSIGN_OR_RETURN(member.target, DecodeMemberTarget(value));
  } else {
    CORDWOOD_ASSIGN_OR_RETURN(member.current, DecodeMemberCurrent(value));
  }
  parts_[key.member].insert(key.kind);
  return absl::OkStatus();
}

void GroupState::DropPart(const GroupRecordKey& key) {
  if (key.kind == GroupRecordKind::kGroup) {
    has_header_ = false;
    header_ = {};
  } else if (key.kind == GroupRecordKind::kOffset) {
    offsets_.erase(key.partition);
  } else if (key.kind == GroupRecordKind::kReplay) {
    replay_.reset();
  } else if (const auto parts = parts_.find(key.member); parts != parts_.end()) {
    parts->second.erase(key.kind);
    if (!parts->second.empty()) return;
    parts_.erase(parts);
    members_.erase(key.member);
  }
}

Status GroupState::FinishReplay() {
  for (const auto& [id, kinds] : parts_) {
    if (kinds.size() != 3) return Error(Reason::kStorageError, absl::StrCat("group ", group_, ": member ", id, " lacks a record"));
  }
  parts_.clear();
  if (!members_.empty() && !has_header_) return Error(Reason::kStorageError, absl::StrCat("group ", group_, ": members without a group"));
  for (const auto& [id, member] : members_) {
    if (!member.record.instance_id.empty()) instances_.try_emplace(member.record.instance_id, id);
    for (const TopicPartition& at : member.target) {
      if (!targets_.try_emplace(at, id).second) return Error(Reason::kStorageError, absl::StrCat("group ", group_, ": a partition in two targets"));
    }
    for (const auto& [at, held] : member.current.held) {
      if (!holders_.try_emplace(at, id).second) return Error(Reason::kStorageError, absl::StrCat("group ", group_, ": a partition with two owners"));
    }
  }
  const Status sound = Invariants();
  return sound.ok() ? sound : Error(Reason::kStorageError, MessageOf(sound));
}

std::map<std::string, std::string> GroupState::Snapshot() const {
  std::map<std::string, std::string> records;
  if (has_header_) records[Encode(GroupRecordKey{GroupRecordKind::kGroup, group_, {}, {}})] = Encode(header_);
  for (const auto& [id, member] : members_) {
    records[Encode(GroupRecordKey{GroupRecordKind::kMember, group_, {}, id})] = Encode(member.record);
    records[Encode(GroupRecordKey{GroupRecordKind::kTarget, group_, {}, id})] = Encode(member.target);
    records[Encode(GroupRecordKey{GroupRecordKind::kCurrent, group_, {}, id})] = Encode(member.current);
  }
  if (replay_.has_value()) records[Encode(GroupRecordKey{GroupRecordKind::kReplay, group_, {}, {}})] = Encode(*replay_);
  for (const auto& [at, offset] : offsets_) records[Encode(GroupRecordKey{GroupRecordKind::kOffset, group_, at, {}})] = Encode(offset);
  return records;
}

Status GroupState::Invariants() const {
  auto broken = [&](const char* rule) { return absl::InternalError(absl::StrCat("group ", group_, ": not ", rule)); };
  if (header_.assignment_epoch > header_.group_epoch) return broken("assignment_epoch <= group_epoch");
  std::size_t held = 0, targeted = 0;
  std::set<std::string_view> instances;
  for (const auto& [id, member] : members_) {
    const MemberCurrent& current = member.current;
    if (member.record.joined_epoch > current.epoch || current.epoch > header_.group_epoch) return broken("joined_epoch <= epoch <= group_epoch");
    const std::string& instance = member.record.instance_id;
    if (!instance.empty() && !instances.insert(instance).second) return broken("one member for each instance id");
    if (!instance.empty() && HolderOfInstance(instance) != id) return broken("each instance id found");
    held += current.held.size();
    targeted += member.target.size();
    for (const auto& [at, partition] : current.held) {
      if (HolderOf(at) != id) return broken("one owner for each partition");
      if (partition.since < member.record.joined_epoch || partition.since > current.epoch) return broken("held since an epoch of the member's");
    }
    for (const TopicPartition& at : member.target) {
      if (TargetOf(at) != id) return broken("one target for each partition");
    }
  }
  if (held != holders_.size() || targeted != targets_.size()) return broken("indices that agree");
  return absl::OkStatus();
}

}  // namespace cordwood::broker
