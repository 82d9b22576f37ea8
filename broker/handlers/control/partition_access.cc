// SPDX-License-Identifier: Apache-2.0
// Opening in chunks, so that appends of other partitions get their turns in between.
#include "broker/handlers/control/partition_access.h"

#include <algorithm>
#include <map>
#include <vector>

#include "broker/replication/shard_driver.h"
#include "broker/replication/shard_turn.h"

namespace cordwood::broker {
namespace {

constexpr std::size_t kOpensPerTask = 64;

bool IsAboutOffsets(Reason reason) { return reason == Reason::kOffsetOutOfRange || reason == Reason::kExpectedOffsetMismatch; }

}  // namespace

StatusOr<BoundPartition> FindPartition(const cordwood::v1::PartitionName& name, const ClusterImage& image, const PartitionTable& table) {
  PartitionRef ref;
  ref.topic = name.topic();
  ref.topic_id = name.topic_id();
  ref.partition = name.partition();
  PartitionBindings bindings(/*is_stream=*/false);
  return bindings.Resolve(ref, image, table, [](const TopicImage&) -> StatusOr<PartitionIndex> { return PartitionIndex(0); });
}

void OpenUnopened(std::span<const ReplicaHandlePtr> replicas) {
  std::map<ShardDriver*, std::vector<ReplicaHandlePtr>> by_shard;
  for (const ReplicaHandlePtr& replica : replicas) {
    if (replica != nullptr && replica->snapshot().phase == ReplicaPhase::kUnopened) by_shard[&replica->driver].push_back(replica);
  }
  for (const auto& [shard, unopened] : by_shard) {
    for (std::size_t first = 0; first < unopened.size(); first += kOpensPerTask) {
      const std::span chunk(unopened.data() + first, std::min(kOpensPerTask, unopened.size() - first));
      // What fails says so in the replica's phase.
      (void)shard->LookAndWait([chunk](ShardTurn& turn) {
        for (const ReplicaHandlePtr& replica : chunk) (void)turn.Open(replica);
        return absl::OkStatus();
      });
    }
  }
}

StatusOr<ReplicaSnapshot> ReadableSnapshot(const ReplicaHandle& replica) {
  const ReplicaSnapshot snapshot = replica.snapshot();
  switch (snapshot.phase) {
    case ReplicaPhase::kClosed:
    case ReplicaPhase::kOpen: return snapshot;
    case ReplicaPhase::kUnopened: return Error(Reason::kLeaderNotAvailable, "the partition's log is not open yet; try again");
    case ReplicaPhase::kOffline: return replica.offline_why();
    case ReplicaPhase::kDeleted: break;
  }
  return Error(Reason::kUnknownTopicOrPartition, "the topic was deleted");
}

void FillEntryError(std::size_t entry, const Status& status, const ReplicaHandle* replica, cordwood::v1::EntryError& error) {
  error.set_entry(static_cast<std::uint32_t>(entry));
  error.set_reason(static_cast<cordwood::v1::Reason>(ReasonOf(status)));
  error.set_message(MessageOf(status));
  if (replica == nullptr || !IsAboutOffsets(ReasonOf(status))) return;
  const ReplicaSnapshot snapshot = replica->snapshot();
  error.set_log_start(snapshot.log_start.value());
  error.set_log_end(snapshot.high_watermark.value());
}

Status CheckLeaderEpoch(LeaderEpoch asked, LeaderEpoch present) {
  const std::string epochs = "leader epoch " + ToString(asked) + " was asked for, the partition is in " + ToString(present);
  if (asked < present) return Error(Reason::kFencedLeaderEpoch, epochs);
  if (asked > present) return Error(Reason::kUnknownLeaderEpoch, epochs);
  return absl::OkStatus();
}

}  // namespace cordwood::broker
