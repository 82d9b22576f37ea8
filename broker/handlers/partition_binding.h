// SPDX-License-Identifier: Apache-2.0
// From the names in a request to the partition: by handle, topic or topic id.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"
#include "broker/handlers/request_context.h"
#include "broker/metadata/cluster_image.h"
#include "broker/replication/partition_table.h"
#include "storage/record/key_partition.h"

namespace cordwood::broker {

// The four fields that name a partition on the wire.
struct PartitionRef {
  std::uint32_t handle = 0;  // 0: none
  std::string topic;
  std::string topic_id;      // 16 bytes, or empty; wins over topic
  std::optional<std::int32_t> partition;
};

inline constexpr std::uint32_t kHandleMax = 65'535;

struct BoundPartition {
  ClusterImage::TopicPtr topic;
  PartitionIndex index;
  ReplicaHandlePtr replica;
};

// Who leads the partition, for NOT_LEADER_OR_FOLLOWER.
LeaderHint LeaderOf(const ClusterImage& image, const TopicImage& topic, PartitionIndex index);

// The handles of one stream; of a unary call without any. Of one thread.
// Errors: INVALID_REQUEST (fields missing or out of bounds), UNKNOWN_HANDLE, UNKNOWN_TOPIC_OR_PARTITION (with the nearest name for the first few, where topics
// are few: that is a comparison with each; or with the number of partitions), UNKNOWN_TOPIC_ID, LEADER_NOT_AVAILABLE (the replica is not here yet).
class PartitionBindings {
 public:
  explicit PartitionBindings(bool is_stream) : is_stream_(is_stream) {}

  // What `ref` names. Where it names no partition, `choose` gives one. Names together with a handle bind it, once they are known to exist: from then on
  // it stands for them, whatever it stood for before.
  template <class Choose>
  StatusOr<BoundPartition> Resolve(const PartitionRef& ref, const ClusterImage& image, const PartitionTable& table, Choose choose) {
    CORDWOOD_ASSIGN_OR_RETURN(const Binding* binding, Find(ref, image));
    PartitionIndex index;
    if (ref.partition.has_value()) {
      index = PartitionIndex(*ref.partition);
    } else if (binding->index.has_value()) {
      index = *binding->index;
    } else {
      CORDWOOD_ASSIGN_OR_RETURN(index, choose(*binding->topic));
    }
    return Locate(*binding, index, table);
  }

  // Names the same partition by its topic's id, whether the topic is still there or not; `ref` itself if it names one, or its handle was never bound.
  PartitionRef WithoutHandle(const PartitionRef& ref) const;

  // What `handle` stands for; nullptr: for nothing that is here.
  ReplicaHandlePtr Bound(std::uint32_t handle, const PartitionTable& table) const;

  std::size_t size() const { return by_handle_.size(); }

 private:
  struct Binding {
    ClusterImage::TopicPtr topic;
    std::optional<PartitionIndex> index;
  };
  StatusOr<const Binding*> Find(const PartitionRef& ref, const ClusterImage& image);
  StatusOr<ClusterImage::TopicPtr> FindTopic(const PartitionRef& ref, const ClusterImage& image);
  static StatusOr<BoundPartition> Locate(const Binding& binding, PartitionIndex index, const PartitionTable& table);

  static constexpr int kSuggestionsMax = 16;
  static constexpr std::size_t kSuggestedFromMax = 256;  // topics

  const bool is_stream_;
  int suggestions_ = 0;
  absl::flat_hash_map<std::uint32_t, Binding> by_handle_;  // at most kHandleMax
  Binding unbound_;
};

}  // namespace cordwood::broker
