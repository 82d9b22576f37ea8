// SPDX-License-Identifier: Apache-2.0
// Encodes and checks the keys and values of __consumer_offsets.
#include "broker/groups/group_records.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "storage/base/check.h"
#include "storage/base/coding.h"
#include "storage/base/names.h"

namespace cordwood::broker {
namespace {

constexpr std::uint8_t kVersion = 1;  // of keys and of values

Status Damaged(const char* what, std::string_view bytes, const char* why) {
  return Error(Reason::kStorageError, absl::StrCat(what, " (", bytes.size(), " bytes): ", why));
}

void AppendString(std::string* to, std::string_view text) {
  CORDWOOD_CHECK(text.size() <= 0xFFFF);
  AppendBigEndian(to, static_cast<std::uint16_t>(text.size()));
  to->append(text);
}

std::string_view ReadString(ByteReader& reader) {
  const auto size = reader.Read<std::uint16_t>();
  return reader.ReadBytes(size);
}

Uuid ReadUuid(ByteReader& reader) {
  Uuid id;
  Uuid::FromBytes(reader.ReadBytes(16), &id);  // stays nil if the bytes end, which done() will tell
  return id;
}

std::string NewValue() {
  std::string value;
  AppendBigEndian(&value, kVersion);
  return value;
}

// Asked first: a newer version may have another length.
Status CheckVersion(ByteReader& reader, const char* what, std::string_view bytes) {
  const auto version = reader.Read<std::uint8_t>();
  if (version > kVersion) {
    return Error(Reason::kFormatTooNew, absl::StrCat(what, " has version ", version, ", this release knows ", kVersion));
  }
  if (version == 0) return Damaged(what, bytes, bytes.empty() ? "empty" : "version 0");
  return absl::OkStatus();
}

// Partitions in runs of one topic: id, count, then each partition with what `each` writes or reads for it.
template <class Partitions, class PartitionOf, class Each>
void AppendPartitions(std::string* to, const Partitions& partitions, PartitionOf partition_of, Each each) {
  std::uint32_t topics = 0;
  for (auto it = partitions.begin(); it != partitions.end();) {
    const TopicId topic = partition_of(*it).topic;
    while (it != partitions.end() && partition_of(*it).topic == topic) ++it;
    ++topics;
  }
  AppendBigEndian(to, topics);
  for (auto it = partitions.begin(); it != partitions.end();) {
    const TopicId topic = partition_of(*it).topic;
    auto end = it;
    std::uint32_t count = 0;
    for (; end != partitions.end() && partition_of(*end).topic == topic; ++end) ++count;
    to->append(topic.raw());
    AppendBigEndian(to, count);
    for (; it != end; ++it) {
      AppendBigEndian(to, partition_of(*it).partition.value());
      each(*it);
    }
  }
}

// False at bytes that end, an empty run, or partitions that do not ascend. `each` stops the reading by false.
template <class Each>
bool ReadPartitions(ByteReader& reader, Each each) {
  std::optional<TopicPartition> last;
  const auto topics = reader.Read<std::uint32_t>();
  for (std::uint32_t t = 0; t < topics && reader.ok(); ++t) {
    const TopicId topic = ReadUuid(reader);
    const auto count = reader.Read<std::uint32_t>();
    if (count == 0 || (last.has_value() && topic <= last->topic)) return false;
    for (std::uint32_t i = 0; i < count && reader.ok(); ++i) {
      const TopicPartition at{topic, PartitionIndex(reader.Read<std::int32_t>())};
      if (!reader.ok() || at.partition < PartitionIndex(0) || (last.has_value() && at <= *last) || !each(at)) return false;
      last = at;
    }
  }
  return reader.ok();
}

bool OfMember(GroupRecordKind kind) { return kind == GroupRecordKind::kMember || kind == GroupRecordKind::kTarget || kind == GroupRecordKind::kCurrent; }

}  // namespace

std::string Encode(const GroupRecordKey& key) {
  std::string bytes;
  AppendBigEndian(&bytes, kVersion);
  AppendBigEndian(&bytes, static_cast<std::uint8_t>(key.kind));
  AppendString(&bytes, key.group);
  if (key.kind == GroupRecordKind::kOffset) {
    bytes.append(key.partition.topic.raw());
    AppendBigEndian(&bytes, key.partition.partition.value());
  } else if (OfMember(key.kind)) {
    bytes.append(key.member);
  }
  return bytes;
}

StatusOr<GroupRecordKey> DecodeGroupRecordKey(std::string_view bytes) {
  ByteReader reader(bytes);
  CORDWOOD_RETURN_IF_ERROR(CheckVersion(reader, "key of a group record", bytes));
  const auto kind = reader.Read<std::uint8_t>();
  if (kind > kGroupRecordKindLast) return Error(Reason::kFormatTooNew, absl::StrCat("group record of unknown kind ", kind));
  GroupRecordKey key;
  key.kind = static_cast<GroupRecordKind>(kind);
  key.group = ReadString(reader);
  if (!reader.ok() || kind == 0) return Damaged("key of a group record", bytes, reader.ok() ? "kind 0" : "too short");
  if (key.group.empty() || key.group.size() > kGroupIdBytesMax) return Damaged("key of a group record", bytes, "group id of a wrong length");
  if (key.kind == GroupRecordKind::kOffset) {
    key.partition.topic = ReadUuid(reader);
    key.partition.partition = PartitionIndex(reader.Read<std::int32_t>());
    if (reader.ok() && key.partition.partition < PartitionIndex(0)) return Damaged("key of an offset", bytes, "negative partition");
  } else if (OfMember(key.kind)) {
    key.member = reader.ReadBytes(reader.rest().size());
    if (key.member.empty() || key.member.size() > kMemberIdBytesMax) return Damaged("key of a member", bytes, "member id of a wrong length");
  }
  if (!reader.done()) return Damaged("key of a group record", bytes, "wrong length");
  return key;
}

std::string Encode(const CommittedOffset& offset) {
  std::string value = NewValue();
  AppendBigEndian(&value, offset.offset.value());
  AppendBigEndian(&value, offset.leader_epoch.value());
  AppendBigEndian(&value, offset.commit_ms);
  AppendBigEndian(&value, offset.position_epoch.value());
  AppendString(&value, offset.topic);
  AppendString(&value, offset.metadata);
  return value;
}

StatusOr<CommittedOffset> DecodeCommittedOffset(std::string_view value) {
  ByteReader reader(value);
  CORDWOOD_RETURN_IF_ERROR(CheckVersion(reader, "committed offset", value));
  CommittedOffset offset;
  offset.offset = Offset(reader.Read<std::int64_t>());
  offset.leader_epoch = LeaderEpoch(reader.Read<std::int32_t>());
  offset.commit_ms = reader.Read<std::int64_t>();
  offset.position_epoch = PositionEpoch(reader.Read<std::uint32_t>());
  offset.topic = ReadString(reader);
  offset.metadata = ReadString(reader);
  if (!reader.done()) return Damaged("committed offset", value, "wrong length");
  if (offset.offset < Offset(0)) return Damaged("committed offset", value, "negative offset");
  if (offset.leader_epoch < kNoLeaderEpoch) return Damaged("committed offset", value, "leader epoch below -1");
  if (offset.commit_ms > kWallMsMax) return Damaged("committed offset", value, "commit time out of range");
  if (offset.topic.size() > kTopicNameMax) return Damaged("committed offset", value, "topic name too long");
  if (offset.metadata.size() > kCommitMetadataBytesMax) return Damaged("committed offset", value, "metadata too long");
  return offset;
}

std::string Encode(const GroupHeader& header) {
  std::string value = NewValue();
  AppendBigEndian(&value, header.group_epoch.value());
  AppendBigEndian(&value, header.assignment_epoch.value());
  AppendBigEndian(&value, static_cast<std::uint8_t>(header.assignor));
  AppendBigEndian(&value, header.empty_since_ms);
  return value;
}

StatusOr<GroupHeader> DecodeGroupHeader(std::string_view value) {
  ByteReader reader(value);
  CORDWOOD_RETURN_IF_ERROR(CheckVersion(reader, "group", value));
  GroupHeader header;
  header.group_epoch = MemberEpoch(reader.Read<std::int32_t>());
  header.assignment_epoch = MemberEpoch(reader.Read<std::int32_t>());
  const auto assignor = reader.Read<std::uint8_t>();
  header.assignor = static_cast<AssignorKind>(assignor);
  header.empty_since_ms = reader.Read<std::int64_t>();
  if (!reader.done()) return Damaged("group", value, "wrong length");
  if (header.assignment_epoch < MemberEpoch(0) || header.assignment_epoch > header.group_epoch) return Damaged("group", value, "epochs out of order");
  if (assignor > kAssignorKindLast) return Damaged("group", value, "unknown assignor");
  if (header.group_epoch > kMemberEpochMax) return Damaged("group", value, "epochs used up");
  if (header.empty_since_ms < -1 || header.empty_since_ms > kWallMsMax) return Damaged("group", value, "time out of range");
  return header;
}

std::string Encode(const GroupMember& member) {
  std::string value = NewValue();
  AppendString(&value, member.instance_id);
  AppendString(&value, member.client);
  AppendBigEndian(&value, static_cast<std::uint8_t>(member.assignor));
  AppendBigEndian(&value, member.rebalance_timeout_ms);
  AppendBigEndian(&value, member.joined_epoch.value());
  AppendString(&value, member.pattern);
  AppendBigEndian(&value, static_cast<std::uint32_t>(member.topics.size()));
  for (const std::string& topic : member.topics) AppendString(&value, topic);
  return value;
}

StatusOr<GroupMember> DecodeGroupMember(std::string_view value) {
  ByteReader reader(value);
  CORDWOOD_RETURN_IF_ERROR(CheckVersion(reader, "member", value));
  GroupMember member;
  member.instance_id = ReadString(reader);
  member.client = ReadString(reader);
  const auto assignor = reader.Read<std::uint8_t>();
  member.assignor = static_cast<AssignorKind>(assignor);
  member.rebalance_timeout_ms = reader.Read<std::int64_t>();
  member.joined_epoch = MemberEpoch(reader.Read<std::int32_t>());
  member.pattern = ReadString(reader);
  const auto topics = reader.Read<std::uint32_t>();
  for (std::uint32_t i = 0; i < topics && reader.ok(); ++i) {
    const std::string_view topic = ReadString(reader);
    if (reader.ok() && !member.topics.empty() && topic <= member.topics.back()) return Damaged("member", value, "topics out of order");
    member.topics.emplace_back(topic);
  }
  if (!reader.done()) return Damaged("member", value, "wrong length");
  if (member.instance_id.size() > kMemberIdBytesMax || member.client.size() > kMemberIdBytesMax) return Damaged("member", value, "name too long");
  if (member.pattern.size() > kPatternBytesMax) return Damaged("member", value, "pattern too long");
  if (assignor > kAssignorKindLast) return Damaged("member", value, "unknown assignor");
  if (member.rebalance_timeout_ms <= 0 || member.joined_epoch <= MemberEpoch(0)) return Damaged("member", value, "not above zero");
  return member;
}

std::string Encode(const MemberTarget& target) {
  std::string value = NewValue();
  AppendPartitions(&value, target, [](const TopicPartition& at) { return at; }, [](const TopicPartition&) {});
  return value;
}

StatusOr<MemberTarget> DecodeMemberTarget(std::string_view value) {
  ByteReader reader(value);
  CORDWOOD_RETURN_IF_ERROR(CheckVersion(reader, "target", value));
  MemberTarget target;
  const bool read = ReadPartitions(reader, [&](const TopicPartition& at) {
    target.push_back(at);
    return true;
  });
  if (!read || !reader.done()) return Damaged("target", value, "wrong length or order");
  return target;
}

std::string Encode(const MemberCurrent& current) {
  std::string value = NewValue();
  AppendBigEndian(&value, current.epoch.value());
  AppendPartitions(&value, current.held, [](const auto& held) { return held.first; }, [&](const auto& held) {
    AppendBigEndian(&value, held.second.since.value());
    AppendBigEndian(&value, static_cast<std::uint8_t>(held.second.revoking));
  });
  return value;
}

StatusOr<MemberCurrent> DecodeMemberCurrent(std::string_view value) {
  ByteReader reader(value);
  CORDWOOD_RETURN_IF_ERROR(CheckVersion(reader, "current assignment", value));
  MemberCurrent current;
  current.epoch = MemberEpoch(reader.Read<std::int32_t>());
  const bool read = ReadPartitions(reader, [&](const TopicPartition& at) {
    const auto since = MemberEpoch(reader.Read<std::int32_t>());
    const auto revoking = reader.Read<std::uint8_t>();
    current.held.emplace_hint(current.held.end(), at, HeldPartition{since, revoking == 1});
    return since > MemberEpoch(0) && since <= current.epoch && revoking <= 1;
  });
  if (!read || !reader.done()) return Damaged("current assignment", value, "wrong length, order or epoch");
  if (current.epoch <= MemberEpoch(0)) return Damaged("current assignment", value, "epoch not above zero");
  return current;
}

std::string Encode(const ReplayJob& job) {
  std::string value = NewValue();
  AppendBigEndian(&value, static_cast<std::uint8_t>(job.state));
  AppendString(&value, job.source);
  AppendBigEndian(&value, job.created_ms);
  AppendBigEndian(&value, job.bytes_per_second);
  AppendBigEndian(&value, static_cast<std::uint8_t>(job.clock.has_value()));
  if (job.clock.has_value()) {
    AppendBigEndian(&value, job.clock->first_ms);
    AppendBigEndian(&value, job.clock->elapsed_ms);
    AppendBigEndian(&value, job.clock->since_ms);
  }
  AppendPartitions(&value, job.ranges, [](const auto& range) { return range.first; }, [&](const auto& range) {
    AppendBigEndian(&value, range.second.from.value());
    AppendBigEndian(&value, range.second.to.value());
    AppendBigEndian(&value, range.second.skipped);
  });
  return value;
}

StatusOr<ReplayJob> DecodeReplayJob(std::string_view value) {
  ByteReader reader(value);
  CORDWOOD_RETURN_IF_ERROR(CheckVersion(reader, "replay job", value));
  ReplayJob job;
  const auto state = reader.Read<std::uint8_t>();
  job.state = static_cast<ReplayState>(state);
  job.source = ReadString(reader);
  job.created_ms = reader.Read<std::int64_t>();
  job.bytes_per_second = reader.Read<std::int64_t>();
  const auto has_clock = reader.Read<std::uint8_t>();
  if (has_clock == 1) {
    const auto first_ms = reader.Read<std::int64_t>();
    const auto elapsed_ms = reader.Read<std::int64_t>();
    job.clock = ReplayClock{first_ms, elapsed_ms, reader.Read<std::int64_t>()};
  }
  const bool read = ReadPartitions(reader, [&](const TopicPartition& at) {
    const Offset from(reader.Read<std::int64_t>());
    const Offset to(reader.Read<std::int64_t>());
    const auto skipped = reader.Read<std::int64_t>();
    job.ranges.emplace_hint(job.ranges.end(), at, ReplayRange{from, to, skipped});
    return from >= Offset(0) && to >= from && skipped >= 0 && skipped <= to - from;
  });
  if (!read || !reader.done()) return Damaged("replay job", value, "wrong length, order or range");
  if (job.source.empty() || job.source.size() > kGroupIdBytesMax) return Damaged("replay job", value, "group id of a wrong length");
  if (state > kReplayStateLast || has_clock > 1) return Damaged("replay job", value, "unknown state or pace");
  if (job.ranges.empty() && job.state != ReplayState::kCancelled) return Damaged("replay job", value, "without a range");
  if (job.created_ms < 0 || job.bytes_per_second < 0 || (has_clock == 1 && job.bytes_per_second > 0)) return Damaged("replay job", value, "time or rate out of range");
  if (has_clock == 0) return job;
  const bool stands = job.clock->since_ms == -1;
  if (job.clock->first_ms < 0 || job.clock->elapsed_ms < 0 || job.clock->since_ms < -1) return Damaged("replay job", value, "negative time");
  if (std::max({job.clock->first_ms, job.clock->elapsed_ms, job.clock->since_ms}) > kWallMsMax) return Damaged("replay job", value, "time out of range");
  if (!stands && job.state != ReplayState::kRunning) return Damaged("replay job", value, "a clock that runs without the job");
  return job;
}

}  // namespace cordwood::broker
