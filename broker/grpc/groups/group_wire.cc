// SPDX-License-Identifier: Apache-2.0
#include "broker/grpc/groups/group_wire.h"

#include <grpcpp/impl/codegen/proto_utils.h>
#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include <algorithm>
#include <map>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "storage/base/names.h"

namespace cordwood::broker {
namespace {

Status Invalid(std::string why) { return Error(Reason::kInvalidRequest, std::move(why)); }

StatusOr<TopicPartition> PartitionOf(const std::string& topic_id, std::int32_t partition) {
  TopicPartition at;
  if (!Uuid::FromBytes(topic_id, &at.topic)) return Invalid(absl::StrCat("a topic id has 16 bytes, this one ", topic_id.size()));
  if (partition < 0) return Invalid(absl::StrCat("there is no partition ", partition));
  at.partition = PartitionIndex(partition);
  return at;
}

Status CheckEntries(int entries) {
  if (entries <= kCommitEntriesMax) return absl::OkStatus();
  return Invalid(absl::StrCat("a commit of ", entries, " entries, at most ", kCommitEntriesMax));
}

CommitEntry EntryOf(const v1::OffsetEntry& entry, const TopicPartition& at) {
  CommitEntry out;
  out.at = at;
  out.offset = Offset(entry.offset());
  if (entry.has_leader_epoch()) out.leader_epoch = LeaderEpoch(entry.leader_epoch());
  out.position_epoch = PositionEpoch(entry.position_epoch());
  out.metadata = entry.metadata();
  return out;
}

std::string NameOf(const TopicId& topic, const TopicView& topics) {
  const auto name = topics.names.find(topic);
  return name == topics.names.end() ? std::string() : name->second;
}

void FillAssigned(const AssignedPartition& from, const TopicView& topics, v1::AssignedPartition& to) {
  to.set_topic_id(std::string(from.at.topic.raw()));
  to.set_topic(NameOf(from.at.topic, topics));
  to.set_partition(from.at.partition.value());
  if (from.offset.has_value()) {
    to.set_offset(from.offset->value());
    if (from.leader_epoch != kNoLeaderEpoch) to.set_leader_epoch(from.leader_epoch.value());
  }
  to.set_position_epoch(from.position_epoch.value());
  if (from.end.has_value()) to.set_end(from.end->value());
}

v1::ReplayState StateOf(const ToldReplay& replay) {
  if (replay.done) return v1::REPLAY_DONE;
  switch (replay.state) {
    case ReplayState::kRunning: return v1::REPLAY_RUNNING;
    case ReplayState::kPaused: return v1::REPLAY_PAUSED;
    case ReplayState::kCancelled: break;
  }
  return v1::REPLAY_CANCELLED;
}

void FillReplay(const ToldReplay& from, v1::Replay& to) {
  to.set_state(StateOf(from));
  to.set_bytes_per_second(from.bytes_per_second);
  if (from.clock_ms.has_value()) to.set_clock_ms(*from.clock_ms);
}

void FillPartitions(const std::vector<TopicPartition>& from, const TopicView& topics, v1::TopicPartitionList& to) {
  v1::TopicPartitions* last = nullptr;
  for (const TopicPartition& at : from) {
    if (last == nullptr || last->topic_id() != at.topic.raw()) {
      last = to.add_topics();
      last->set_topic_id(std::string(at.topic.raw()));
      last->set_topic(NameOf(at.topic, topics));
    }
    last->add_partitions(at.partition.value());
  }
}

}  // namespace

Status ParseMessage(grpc::ByteBuffer bytes, google::protobuf::MessageLite& message) {
  message.Clear();
  if (bytes.Length() == 0) return absl::OkStatus();
  grpc::ProtoBufferReader reader(&bytes);
  if (reader.status().ok() && message.ParseFromZeroCopyStream(&reader)) return absl::OkStatus();
  return Error(Reason::kMalformedRequest, absl::StrCat("the bytes are no ", message.GetTypeName()));
}

grpc::ByteBuffer SerializeMessage(const google::protobuf::MessageLite& message) {
  grpc::Slice slice(message.ByteSizeLong());
  message.SerializeWithCachedSizesToArray(const_cast<std::uint8_t*>(slice.begin()));
  return grpc::ByteBuffer(&slice, 1);
}

StatusOr<GroupSubscription> SubscriptionOf(const v1::Subscription& subscription) {
  for (const std::string& topic : subscription.topics()) CORDWOOD_RETURN_IF_ERROR(CheckTopicName(topic));
  GroupSubscription out;
  out.topics.assign(subscription.topics().begin(), subscription.topics().end());
  out.pattern = subscription.pattern();
  return out;
}

StatusOr<JoinGroup> JoinOf(const v1::JoinRequest& request, StreamId stream) {
  JoinGroup join;
  join.stream = stream;
  join.member = request.member_id();
  join.instance_id = request.instance_id();
  join.client = request.client();
  CORDWOOD_ASSIGN_OR_RETURN(join.subscription, SubscriptionOf(request.subscription()));
  join.assignor = request.assignor();
  join.rebalance_timeout_ms = request.rebalance_timeout_ms() == 0 ? kDefaultRebalanceTimeoutMs : request.rebalance_timeout_ms();
  join.epoch = MemberEpoch(request.member_epoch());
  CORDWOOD_ASSIGN_OR_RETURN(join.owned, PartitionsOf(request.owned()));
  return join;
}

StatusOr<std::vector<TopicPartition>> PartitionsOf(const v1::TopicPartitionList& list) {
  std::vector<TopicPartition> all;
  for (const v1::TopicPartitions& topic : list.topics()) {
    for (const std::int32_t partition : topic.partitions()) {
      CORDWOOD_ASSIGN_OR_RETURN(const TopicPartition at, PartitionOf(topic.topic_id(), partition));
      all.push_back(at);
    }
  }
  return all;
}

StatusOr<std::vector<std::pair<TopicPartition, MemberProgress>>> ProgressOf(const v1::Heartbeat& heartbeat) {
  std::vector<std::pair<TopicPartition, MemberProgress>> all;
  for (const v1::MemberProgress& progress : heartbeat.progress()) {
    CORDWOOD_ASSIGN_OR_RETURN(const TopicPartition at, PartitionOf(progress.topic_id(), progress.partition()));
    if (progress.position() < 0) return Invalid(absl::StrCat("a position of ", progress.position(), " is below 0"));
    all.emplace_back(at, MemberProgress{Offset(progress.position()), progress.paused()});
  }
  return all;
}

StatusOr<CommitOffsets> CommitOf(const v1::OffsetCommit& commit, StreamId stream) {
  CORDWOOD_RETURN_IF_ERROR(CheckEntries(commit.entries_size()));
  CommitOffsets event;
  event.request = commit.seq();
  event.stream = stream;
  event.epoch = MemberEpoch(commit.member_epoch());
  event.entries.reserve(static_cast<std::size_t>(commit.entries_size()));
  for (const v1::OffsetEntry& entry : commit.entries()) {
    CORDWOOD_ASSIGN_OR_RETURN(const TopicPartition at, PartitionOf(entry.topic_id(), entry.partition()));
    event.entries.push_back(EntryOf(entry, at));
  }
  return event;
}

StatusOr<ConfirmPositions> ConfirmationOf(const v1::PositionsTaken& taken, StreamId stream) {
  ConfirmPositions event{stream, {}};
  for (const v1::PositionTaken& position : taken.positions()) {
    CORDWOOD_ASSIGN_OR_RETURN(const TopicPartition at, PartitionOf(position.topic_id(), position.partition()));
    event.positions.emplace_back(at, PositionEpoch(position.position_epoch()));
  }
  return event;
}

void AddCommitError(std::uint32_t entry, const Status& status, google::protobuf::RepeatedPtrField<v1::CommitError>& errors) {
  v1::CommitError& error = *errors.Add();
  error.set_entry(entry);
  error.set_reason(static_cast<v1::Reason>(ReasonOf(status)));
  error.set_message(cordwood::MessageOf(status));
}

StatusOr<CommitOffsets> CommitOf(const v1::CommitOffsetsRequest& request, const ClusterImage& image, std::vector<std::uint32_t>& places,
                                 v1::CommitOffsetsResponse& response) {
  CORDWOOD_RETURN_IF_ERROR(CheckEntries(request.entries_size()));
  CommitOffsets event;
  event.member = request.member_id();
  event.instance_id = request.instance_id();
  event.epoch = MemberEpoch(request.member_epoch());
  for (int i = 0; i < request.entries_size(); ++i) {
    const v1::OffsetEntry& entry = request.entries(i);
    std::string id = entry.topic_id();
    if (id.empty()) {
      const ClusterImage::TopicPtr topic = image.FindTopic(std::string_view(entry.topic()));
      if (topic == nullptr) {
        AddCommitError(static_cast<std::uint32_t>(i), image.UnknownTopic(entry.topic()), *response.mutable_errors());
        continue;
      }
      id = std::string(topic->id.raw());
    }
    const StatusOr<TopicPartition> at = PartitionOf(id, entry.partition());
    if (!at.ok()) {
      AddCommitError(static_cast<std::uint32_t>(i), at.status(), *response.mutable_errors());
      continue;
    }
    places.push_back(static_cast<std::uint32_t>(i));
    event.entries.push_back(EntryOf(entry, *at));
  }
  return event;
}

namespace {

using FetchAnswerMessage = v1::FetchOffsetsResponse::Answer;

void FillCommitted(const FetchedOffset& from, FetchAnswerMessage& to) {
  v1::OffsetEntry& entry = *to.mutable_committed();
  entry.set_topic_id(std::string(from.at.topic.raw()));
  entry.set_topic(to.topic());
  entry.set_partition(from.at.partition.value());
  entry.set_offset(from.committed.offset.value());
  if (from.committed.leader_epoch != kNoLeaderEpoch) entry.set_leader_epoch(from.committed.leader_epoch.value());
  entry.set_position_epoch(from.committed.position_epoch.value());
  entry.set_metadata(from.committed.metadata);
  to.set_commit_ms(from.committed.commit_ms);
}

FetchAnswerMessage& AddAnswer(const TopicPartition& at, const std::string& topic, v1::FetchOffsetsResponse& response) {
  FetchAnswerMessage& answer = *response.add_answers();
  answer.set_topic_id(std::string(at.topic.raw()));
  answer.set_topic(topic);
  answer.set_partition(at.partition.value());
  return answer;
}

void AddRefusal(const v1::TopicPartitions& asked, const Status& why, v1::FetchOffsetsResponse& response) {
  const int answers = std::max(asked.partitions_size(), 1);
  for (int i = 0; i < answers; ++i) {
    FetchAnswerMessage& answer = *response.add_answers();
    answer.set_topic_id(asked.topic_id());
    answer.set_topic(asked.topic());
    if (i < asked.partitions_size()) answer.set_partition(asked.partitions(i));
    answer.set_reason(static_cast<v1::Reason>(ReasonOf(why)));
    answer.set_message(cordwood::MessageOf(why));
  }
}

StatusOr<ClusterImage::TopicPtr> TopicOf(const v1::TopicPartitions& asked, const ClusterImage& image) {
  ClusterImage::TopicPtr topic;
  if (asked.topic_id().empty()) {
    topic = image.FindTopic(std::string_view(asked.topic()));
    if (topic == nullptr) return image.UnknownTopic(asked.topic());
    return topic;
  }
  TopicId id;
  if (!Uuid::FromBytes(asked.topic_id(), &id)) return Invalid(absl::StrCat("a topic id has 16 bytes, this one ", asked.topic_id().size()));
  topic = image.FindTopic(id);
  if (topic == nullptr) return Error(Reason::kUnknownTopicId, absl::StrCat("there is no topic with the id ", id.ToString()));
  return topic;
}

void AnswerTopic(const v1::TopicPartitions& asked, const TopicImage& topic, const std::map<TopicPartition, const FetchedOffset*>& by_place,
                 v1::FetchOffsetsResponse& response) {
  if (asked.partitions().empty()) {
    for (auto at = by_place.lower_bound({topic.id, PartitionIndex(0)}); at != by_place.end() && at->first.topic == topic.id; ++at) {
      FillCommitted(*at->second, AddAnswer(at->first, topic.name, response));
    }
  }
  for (const std::int32_t partition : asked.partitions()) {
    const TopicPartition at{topic.id, PartitionIndex(partition)};
    FetchAnswerMessage& answer = AddAnswer(at, topic.name, response);
    if (const auto found = by_place.find(at); found != by_place.end()) {
      FillCommitted(*found->second, answer);
    } else if (partition < 0 || partition >= topic.partition_count) {
      answer.set_reason(v1::UNKNOWN_TOPIC_OR_PARTITION);
      answer.set_message(absl::StrCat(topic.name, " has ", topic.partition_count, " partitions"));
    }
  }
}

}  // namespace

Status CheckAsked(const v1::FetchOffsetsRequest& request) {
  constexpr std::int32_t kWhole = -1;
  std::size_t named = 0;
  for (const v1::TopicPartitions& topic : request.topics()) named += static_cast<std::size_t>(std::max(topic.partitions_size(), 1));
  if (named > kFetchOffsetsMax) return Error(Reason::kRecordListTooLarge, absl::StrCat(named, " partitions in one request, at most ", kFetchOffsetsMax));
  absl::flat_hash_set<std::pair<std::string_view, std::int32_t>> seen;
  for (const v1::TopicPartitions& topic : request.topics()) {
    const std::string_view key = topic.topic_id().empty() ? topic.topic() : topic.topic_id();
    const auto is_new = [&](std::int32_t partition) { return seen.emplace(key, partition).second; };
    if (topic.partitions().empty() ? is_new(kWhole) : std::all_of(topic.partitions().begin(), topic.partitions().end(), is_new)) continue;
    return Invalid("a topic or partition is named twice");
  }
  return absl::OkStatus();
}

AskedOffsets AskedOf(const v1::FetchOffsetsRequest& request, const ClusterImage& image) {
  AskedOffsets asked;
  asked.all = request.topics().empty();
  for (const v1::TopicPartitions& named : request.topics()) {
    const StatusOr<ClusterImage::TopicPtr> topic = TopicOf(named, image);
    if (!topic.ok()) continue;
    if (named.partitions().empty()) asked.topics.push_back((*topic)->id);
    for (const std::int32_t partition : named.partitions()) asked.partitions.push_back({(*topic)->id, PartitionIndex(partition)});
  }
  return asked;
}

v1::FetchOffsetsResponse AnswerOf(const v1::FetchOffsetsRequest& request, const FetchedOffsets& offsets, const ClusterImage& image) {
  v1::FetchOffsetsResponse response;
  std::map<TopicPartition, const FetchedOffset*> by_place;
  for (const FetchedOffset& offset : offsets) by_place[offset.at] = &offset;
  for (const v1::TopicPartitions& asked : request.topics()) {
    const StatusOr<ClusterImage::TopicPtr> topic = TopicOf(asked, image);
    if (topic.ok()) {
      AnswerTopic(asked, **topic, by_place, response);
    } else {
      AddRefusal(asked, topic.status(), response);
    }
  }
  if (!request.topics().empty()) return response;
  std::map<std::pair<std::string, PartitionIndex>, const FetchedOffset*> by_name;
  for (const FetchedOffset& offset : offsets) {
    const ClusterImage::TopicPtr topic = image.FindTopic(offset.at.topic);
    by_name[{topic == nullptr ? offset.committed.topic : topic->name, offset.at.partition}] = &offset;
  }
  for (const auto& [place, offset] : by_name) FillCommitted(*offset, AddAnswer(offset->at, place.first, response));
  return response;
}

v1::CoordinatorMessage MessageOf(const StreamTell& tell, const TopicView& topics, std::int64_t interval_ms, std::int64_t session_ms) {
  v1::CoordinatorMessage message;
  if (const auto* welcome = std::get_if<TellWelcome>(&tell.what)) {
    message.mutable_welcome()->set_member_epoch(welcome->epoch.value());
    message.mutable_welcome()->set_heartbeat_interval_ms(interval_ms);
    message.mutable_welcome()->set_session_timeout_ms(session_ms);
  } else if (const auto* target = std::get_if<TellTarget>(&tell.what)) {
    message.mutable_target()->set_member_epoch(target->epoch.value());
    for (const AssignedPartition& assigned : target->assigned) FillAssigned(assigned, topics, *message.mutable_target()->add_assigned());
    if (!target->revoke.empty()) FillPartitions(target->revoke, topics, *message.mutable_target()->mutable_revoke());
    message.mutable_target()->set_reason(target->reason);
    if (target->replay.has_value()) FillReplay(*target->replay, *message.mutable_target()->mutable_replay());
  } else if (const auto* replay = std::get_if<TellReplay>(&tell.what)) {
    FillReplay(replay->replay, *message.mutable_replay());
  } else if (const auto* positions = std::get_if<TellPositions>(&tell.what)) {
    for (const AssignedPartition& position : positions->positions) FillAssigned(position, topics, *message.mutable_positions()->add_positions());
    message.mutable_positions()->set_reason("the group was reset");
  } else if (const auto* done = std::get_if<CommitDone>(&tell.what)) {
    message.mutable_commit_done()->set_seq(done->request);
    for (std::size_t i = 0; i < done->entries.size(); ++i) {
      if (!done->entries[i].ok()) AddCommitError(static_cast<std::uint32_t>(i), done->entries[i], *message.mutable_commit_done()->mutable_errors());
    }
  }
  return message;
}

}  // namespace cordwood::broker
