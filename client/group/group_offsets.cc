// SPDX-License-Identifier: Apache-2.0
// The unary calls of Groups.
#include "client/group/group_offsets.h"

#include <set>

#include "client/consumer_offsets.h"
#include "client/internal/group/message_pieces.h"
#include "client/retry.h"
#include "cordwood/v1/groups.grpc.pb.h"
#include "cordwood/v1/log.pb.h"

namespace cordwood::client {
namespace {

Status ErrorOf(v1::Reason reason, const std::string& message) {
  v1::EntryError error;
  error.set_reason(reason);
  error.set_message(message);
  return FromEntryError(error);
}

std::int32_t EpochOf(const v1::OffsetEntry& entry) { return entry.has_leader_epoch() ? entry.leader_epoch() : kNoLeaderEpoch.value(); }

}  // namespace

StatusOr<std::vector<std::optional<CommittedOffset>>> GroupOffsets::Fetch(const std::vector<TopicPartition>& partitions) {
  const std::set<TopicPartition> asked(partitions.begin(), partitions.end());  // each once
  Found found;
  for (auto first = asked.begin(); first != asked.end();) {
    const auto end = EndOfMessage(first, asked.end(), [](const TopicPartition& partition) { return partition.topic.size(); });
    CORDWOOD_RETURN_IF_ERROR(FetchSome(std::vector(first, end), &found));
    first = end;
  }
  std::vector<std::optional<CommittedOffset>> offsets;
  for (const TopicPartition& partition : partitions) offsets.push_back(found.at(partition));
  return offsets;
}

Status GroupOffsets::FetchSome(const std::vector<TopicPartition>& asked, Found* found) {
  v1::FetchOffsetsRequest request;
  request.set_group(group_);
  for (const TopicPartition& partition : asked) {
    auto* topic = request.add_topics();
    topic->set_topic(partition.topic);
    topic->add_partitions(partition.partition);
  }
  v1::FetchOffsetsResponse response;
  CORDWOOD_RETURN_IF_ERROR(Retry(connection_, [&](absl::Duration left) {
    return CallUnary<v1::Groups>(connection_.broker, &v1::Groups::Stub::FetchOffsets, request, &response, left);
  }));
  if (response.answers_size() != static_cast<int>(asked.size())) return Error(Reason::kUnknownServerError, "FetchOffsets answered another number of partitions");
  auto answer = response.answers().begin();
  for (const TopicPartition& partition : asked) {
    CORDWOOD_RETURN_IF_ERROR(Annotate(ErrorOf(answer->reason(), answer->message()), NameOf(partition)));
    position_epochs_[partition] = answer->committed().position_epoch();
    const v1::OffsetEntry& committed = answer->committed();
    (*found)[partition] = answer->has_committed() ? std::optional(CommittedOffset{committed.offset(), committed.metadata(), EpochOf(committed)}) : std::nullopt;
    ++answer;
  }
  return absl::OkStatus();
}

Status GroupOffsets::Commit(const std::map<TopicPartition, CommittedOffset>& offsets) {
  std::vector<TopicPartition> unknown;
  for (const auto& [partition, offset] : offsets) {
    if (!position_epochs_.contains(partition)) unknown.push_back(partition);
  }
  CORDWOOD_RETURN_IF_ERROR(Fetch(unknown).status());
  Status refused;
  for (auto first = offsets.begin(); first != offsets.end();) {
    const auto end = EndOfMessage(first, offsets.end(), [](const auto& entry) { return entry.first.topic.size() + entry.second.metadata.size(); });
    CORDWOOD_RETURN_IF_ERROR(CommitSome(first, end, &refused));
    first = end;
  }
  return refused;
}

Status GroupOffsets::CommitSome(Offsets::const_iterator first, Offsets::const_iterator end, Status* refused) {
  v1::CommitOffsetsRequest request;
  request.set_group(group_);
  for (auto at = first; at != end; ++at) {
    const auto& [partition, offset] = *at;
    auto* entry = request.add_entries();
    entry->set_topic(partition.topic);
    entry->set_partition(partition.partition);
    entry->set_offset(offset.offset);
    entry->set_position_epoch(position_epochs_.at(partition));
    entry->set_metadata(offset.metadata);
    if (offset.leader_epoch != kNoLeaderEpoch.value()) entry->set_leader_epoch(offset.leader_epoch);
  }
  v1::CommitOffsetsResponse response;
  CORDWOOD_RETURN_IF_ERROR(Retry(connection_, [&](absl::Duration left) {
    return CallUnary<v1::Groups>(connection_.broker, &v1::Groups::Stub::CommitOffsets, request, &response, left);
  }));
  for (const auto& error : response.errors()) refused->Update(ErrorOf(error.reason(), error.message()));
  return absl::OkStatus();
}

}  // namespace cordwood::client
