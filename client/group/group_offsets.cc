// SPDX-License-Identifier: Apache-2.0
// The unary calls of Groups.
#include "client/group/group_offsets.h"

#include <algorithm>

#include "client/consumer_offsets.h"
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

}  // namespace

StatusOr<std::vector<std::optional<CommittedOffset>>> GroupOffsets::Fetch(const std::vector<TopicPartition>& partitions) {
  std::vector<std::optional<CommittedOffset>> offsets;
  if (partitions.empty()) return offsets;
  v1::FetchOffsetsRequest request;
  request.set_group(group_);
  for (const TopicPartition& partition : partitions) {
    auto* topic = request.add_topics();
    topic->set_topic(partition.topic);
    topic->add_partitions(partition.partition);
  }
  v1::FetchOffsetsResponse response;
  CORDWOOD_RETURN_IF_ERROR(Retry(connection_, [&](absl::Duration left) {
    return CallUnary<v1::Groups>(connection_.broker, &v1::Groups::Stub::FetchOffsets, request, &response, left);
  }));
  if (response.answers_size() != static_cast<int>(partitions.size())) return Error(Reason::kUnknownServerError, "FetchOffsets answered another number of partitions");
  for (std::size_t i = 0; i < partitions.size(); ++i) {
    const auto& answer = response.answers(static_cast<int>(i));
    CORDWOOD_RETURN_IF_ERROR(Annotate(ErrorOf(answer.reason(), answer.message()), NameOf(partitions[i])));
    position_epochs_[partitions[i]] = answer.committed().position_epoch();
    offsets.emplace_back(answer.has_committed() ? std::optional(CommittedOffset{answer.committed().offset(), answer.committed().metadata()}) : std::nullopt);
  }
  return offsets;
}

Status GroupOffsets::Commit(const std::map<TopicPartition, CommittedOffset>& offsets) {
  if (offsets.empty()) return absl::OkStatus();
  std::vector<TopicPartition> unknown;
  for (const auto& [partition, offset] : offsets) {
    if (!position_epochs_.contains(partition)) unknown.push_back(partition);
  }
  CORDWOOD_RETURN_IF_ERROR(Fetch(unknown).status());
  v1::CommitOffsetsRequest request;
  request.set_group(group_);
  for (const auto& [partition, offset] : offsets) {
    auto* entry = request.add_entries();
    entry->set_topic(partition.topic);
    entry->set_partition(partition.partition);
    entry->set_offset(offset.offset);
    entry->set_position_epoch(position_epochs_.at(partition));
    entry->set_metadata(offset.metadata);
  }
  v1::CommitOffsetsResponse response;
  CORDWOOD_RETURN_IF_ERROR(Retry(connection_, [&](absl::Duration left) {
    return CallUnary<v1::Groups>(connection_.broker, &v1::Groups::Stub::CommitOffsets, request, &response, left);
  }));
  for (const auto& error : response.errors()) CORDWOOD_RETURN_IF_ERROR(ErrorOf(error.reason(), error.message()));
  return absl::OkStatus();
}

}  // namespace cordwood::client
