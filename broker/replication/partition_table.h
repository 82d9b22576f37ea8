// SPDX-License-Identifier: Apache-2.0
// The replicas that this broker holds, by topic id and partition index.
#pragma once

#include <vector>

#include "absl/container/flat_hash_map.h"
#include "broker/replication/replica_handle.h"
#include "storage/base/mutex.h"

namespace cordwood::broker {

// Threading: safe from any thread.
class PartitionTable {
 public:
  ReplicaHandlePtr Find(const TopicId& topic, PartitionIndex index) const;  // nullptr if not here
  std::vector<ReplicaHandlePtr> FindAll(const TopicId& topic) const;        // in order of index; nullptr where not here
  std::vector<ReplicaHandlePtr> All() const;
  std::size_t size() const;

  void Insert(ReplicaHandlePtr handle);
  void Remove(const TopicId& topic, PartitionIndex index);

 private:
  mutable Mutex mu_;
  absl::flat_hash_map<TopicId, std::vector<ReplicaHandlePtr>> by_topic_ ABSL_GUARDED_BY(mu_);
  std::size_t size_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace cordwood::broker
