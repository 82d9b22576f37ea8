// SPDX-License-Identifier: Apache-2.0
// Committed offsets of a group, for readers that are no members.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/connection.h"
#include "cordwood/group.h"

namespace cordwood::client {

// Threading: none of its own.
class GroupOffsets {
 public:
  GroupOffsets(SharedConnection& connection, std::string group) : connection_(connection), group_(std::move(group)) {}

  // One for each, nullopt: none. Tries again within request_timeout. UNKNOWN_TOPIC_OR_PARTITION.
  StatusOr<std::vector<std::optional<CommittedOffset>>> Fetch(const std::vector<TopicPartition>& partitions);
  // The first that is refused; the others are committed. UNKNOWN_MEMBER_ID: the group has members. STALE_POSITION_EPOCH: the group was reset since the last
  // Fetch() of that partition, or since the first commit.
  Status Commit(const std::map<TopicPartition, CommittedOffset>& offsets);

 private:
  using Offsets = std::map<TopicPartition, CommittedOffset>;
  using Found = std::map<TopicPartition, std::optional<CommittedOffset>>;
  // Of what one message may have.
  Status FetchSome(const std::vector<TopicPartition>& asked, Found* found);
  Status CommitSome(Offsets::const_iterator first, Offsets::const_iterator end, Status* refused);

  SharedConnection& connection_;
  const std::string group_;
  std::map<TopicPartition, std::uint32_t> position_epochs_;  // as they were last fetched
};

}  // namespace cordwood::client
