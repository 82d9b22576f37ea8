// SPDX-License-Identifier: Apache-2.0
// The leader's rules for acknowledgements and the high watermark.
#include "broker/replication/replica_core.h"

#include <algorithm>
#include <string>

#include "storage/base/check.h"

namespace cordwood::broker {

void ReplicaCore::Step(const ReplicaEvent& event, ReplicaActions& actions) {
  std::visit([&](const auto& e) { On(e, actions); }, event);
}

Status ReplicaCore::CheckAppend(std::optional<LeaderEpoch> current_leader_epoch, Acks acks) const {
  if (!is_leader_) return Error(Reason::kNotLeaderOrFollower, "this broker does not lead the partition");
  if (current_leader_epoch.has_value() && *current_leader_epoch != leader_epoch_) {
    const bool old = *current_leader_epoch < leader_epoch_;
    return Error(old ? Reason::kFencedLeaderEpoch : Reason::kUnknownLeaderEpoch,
                 "the leader epoch is " + ToString(leader_epoch_) + ", the request is of " + ToString(*current_leader_epoch));
  }
  if (acks == Acks::kAll && isr_size() < config_.min_insync_replicas) {
    return Error(Reason::kNotEnoughReplicas, std::to_string(isr_size()) + " replicas are in sync, min.insync.replicas is " +
                                                 std::to_string(config_.min_insync_replicas));
  }
  return absl::OkStatus();
}

Status ReplicaCore::CheckExpectedOffset(Offset expected) const {
  if (expected == log_end_) return absl::OkStatus();
  return Error(Reason::kExpectedOffsetMismatch, "the log ends at " + ToString(log_end_) + ", not at the expected " + ToString(expected));
}

void ReplicaCore::On(const BecomeLeader& event, ReplicaActions& actions) {
  CORDWOOD_CHECK(event.epoch >= leader_epoch_);
  Abandon(actions);
  is_leader_ = true;
  leader_epoch_ = event.epoch;
  log_start_ = event.log_start;
  written_end_ = synced_end_ = log_end_ = event.durable_end;
  high_watermark_ = std::max(high_watermark_, log_start_);
  AdvanceHighWatermark(actions);
}

void ReplicaCore::On(const Resign&, ReplicaActions& actions) {
  is_leader_ = false;
  Abandon(actions);
}

void ReplicaCore::On(const Configure& event, ReplicaActions& actions) {
  config_ = event;
  AdvanceHighWatermark(actions);
}

void ReplicaCore::On(const Appended& event, ReplicaActions& actions) {
  log_end_ = std::max(log_end_, event.end);
  const Waiting waiting{event.end, event.duplicate || event.acks == Acks::kAll, event.token};
  if (Due(waiting)) {
    actions.acknowledged.push_back(waiting.token);
  } else {
    waiting_.push_back(waiting);
  }
}

void ReplicaCore::On(const Written& event, ReplicaActions& actions) {
  written_end_ = std::max(written_end_, event.end);
  AdvanceHighWatermark(actions);
}

void ReplicaCore::On(const Synced& event, ReplicaActions& actions) {
  synced_end_ = std::max(synced_end_, event.end);
  AdvanceHighWatermark(actions);
}

void ReplicaCore::On(const LogStartMoved& event, ReplicaActions&) {
  CORDWOOD_CHECK(event.log_start <= high_watermark_);
  log_start_ = std::max(log_start_, event.log_start);
}

void ReplicaCore::On(const Truncated& event, ReplicaActions& actions) {
  CORDWOOD_CHECK(event.end >= high_watermark_ && event.epoch >= leader_epoch_);
  Abandon(actions);
  leader_epoch_ = event.epoch;
  log_end_ = event.end;
  written_end_ = std::min(written_end_, event.end);
  synced_end_ = std::min(synced_end_, event.end);
}

// Followers join here: the least acked end over the maximal ISR, each validated in this epoch.
void ReplicaCore::AdvanceHighWatermark(ReplicaActions& actions) {
  if (is_leader_ && isr_size() >= config_.min_insync_replicas) high_watermark_ = std::max(high_watermark_, acked_end());
  Acknowledge(actions);
}

// Whoever is due behind one that is not (acks=leader behind all) does not wait for it.
void ReplicaCore::Acknowledge(ReplicaActions& actions) {
  std::size_t kept = 0;
  for (std::size_t i = 0; i < waiting_.size(); ++i) {
    if (Due(waiting_[i])) {
      actions.acknowledged.push_back(waiting_[i].token);
    } else {
      waiting_[kept++] = waiting_[i];
    }
  }
  waiting_.resize(kept);
}

void ReplicaCore::Abandon(ReplicaActions& actions) {
  for (const Waiting& waiting : waiting_) actions.abandoned.push_back(waiting.token);
  waiting_.clear();
}

Status ReplicaCore::Invariants() const {
  auto broken = [&](const char* rule) {
    return absl::InternalError("replica core: not " + std::string(rule) + ": start " + ToString(log_start_) + " hw " +
                               ToString(high_watermark_) + " synced " + ToString(synced_end_) + " written " + ToString(written_end_) +
                               " end " + ToString(log_end_));
  };
  if (log_start_ > high_watermark_) return broken("log_start <= high_watermark");
  if (high_watermark_ > log_end_) return broken("high_watermark <= log_end");
  if (synced_end_ > written_end_) return broken("synced_end <= written_end");
  if (written_end_ > log_end_) return broken("written_end <= log_end");
  if (!is_leader_ && waiting() != 0) return broken("waiting only at a leader");
  for (const Waiting& waiting : waiting_) {
    if (Due(waiting)) return broken("waiting only until due");
    if (waiting.end > log_end_) return broken("waiting only for what is in the log");
  }
  return absl::OkStatus();
}

}  // namespace cordwood::broker
