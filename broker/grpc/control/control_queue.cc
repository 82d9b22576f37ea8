// SPDX-License-Identifier: Apache-2.0
// Each connection is served once a round; all steps take constant time, but for the search for who has most when the queue is full.
#include "broker/grpc/control/control_queue.h"

#include <algorithm>

namespace cordwood::broker {

ControlJob* ControlQueue::Push(ControlJob& job) {
  auto known = by_peer_.find(job.context.peer);
  ControlJob* refused = nullptr;
  if (size_ == max_) {
    const auto most = std::max_element(turn_.begin(), turn_.end(), [](const auto& a, const auto& b) { return a.jobs.size() < b.jobs.size(); });
    const std::size_t own = known == by_peer_.end() ? 0 : known->second->jobs.size();
    if (most == turn_.end() || most->jobs.size() <= own + 1) return &job;
    refused = most->jobs.back();
    Unlink(*refused);
  }
  if (known == by_peer_.end()) {
    turn_.push_back({job.context.peer, {}});
    known = by_peer_.emplace(job.context.peer, std::prev(turn_.end())).first;
  }
  job.connection_ = known->second;
  job.place_ = job.connection_->jobs.insert(job.connection_->jobs.end(), &job);
  job.queued_ = true;
  ++size_;
  return refused;
}

ControlJob* ControlQueue::Pop() {
  if (turn_.empty()) return nullptr;
  ControlJob* job = turn_.front().jobs.front();
  turn_.splice(turn_.end(), turn_, turn_.begin());
  Unlink(*job);
  return job;
}

bool ControlQueue::Remove(ControlJob& job) {
  if (!job.queued_) return false;
  Unlink(job);
  return true;
}

void ControlQueue::Unlink(ControlJob& job) {
  const auto connection = job.connection_;
  connection->jobs.erase(job.place_);
  job.queued_ = false;
  --size_;
  if (!connection->jobs.empty()) return;
  by_peer_.erase(connection->peer);
  turn_.erase(connection);
}

}  // namespace cordwood::broker
