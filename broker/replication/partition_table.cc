// SPDX-License-Identifier: Apache-2.0
// Replicas by topic id, each topic's in a vector by partition index.
#include "broker/replication/partition_table.h"

#include <utility>

namespace cordwood::broker {

ReplicaHandlePtr PartitionTable::Find(const TopicId& topic, PartitionIndex index) const {
  MutexLock lock(mu_);
  const auto it = by_topic_.find(topic);
  if (it == by_topic_.end() || index.value() < 0) return nullptr;
  const auto at = static_cast<std::size_t>(index.value());
  return at < it->second.size() ? it->second[at] : nullptr;
}

std::vector<ReplicaHandlePtr> PartitionTable::FindAll(const TopicId& topic) const {
  MutexLock lock(mu_);
  const auto it = by_topic_.find(topic);
  return it == by_topic_.end() ? std::vector<ReplicaHandlePtr>() : it->second;
}

std::vector<ReplicaHandlePtr> PartitionTable::All() const {
  MutexLock lock(mu_);
  std::vector<ReplicaHandlePtr> all;
  all.reserve(size_);
  for (const auto& [topic, replicas] : by_topic_) {
    for (const ReplicaHandlePtr& replica : replicas) {
      if (replica != nullptr) all.push_back(replica);
    }
  }
  return all;
}

std::size_t PartitionTable::size() const {
  MutexLock lock(mu_);
  return size_;
}

void PartitionTable::Insert(ReplicaHandlePtr handle) {
  MutexLock lock(mu_);
  std::vector<ReplicaHandlePtr>& replicas = by_topic_[handle->topic_id];
  const auto at = static_cast<std::size_t>(handle->index.value());
  if (at >= replicas.size()) replicas.resize(at + 1);
  if (replicas[at] == nullptr) ++size_;
  replicas[at] = std::move(handle);
}

void PartitionTable::Remove(const TopicId& topic, PartitionIndex index) {
  MutexLock lock(mu_);
  const auto it = by_topic_.find(topic);
  const auto at = static_cast<std::size_t>(index.value());
  if (it == by_topic_.end() || at >= it->second.size() || it->second[at] == nullptr) return;
  it->second[at] = nullptr;
  --size_;
  while (!it->second.empty() && it->second.back() == nullptr) it->second.pop_back();
  if (it->second.empty()) by_topic_.erase(it);
}

}  // namespace cordwood::broker
