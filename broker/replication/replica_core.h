// SPDX-License-Identifier: Apache-2.0
// Decides, for one replica, who may append, how far the high watermark is, and which appends are acknowledged: pure. Source: KIP-101, KIP-279, KIP-359.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <variant>
#include <vector>

#include "broker/metadata/topic_config.h"
#include "broker/replication/append_op.h"
#include "storage/base/ids.h"
#include "storage/base/reason.h"

namespace cordwood::broker {

// Names one entry of one AppendOp; the core only keeps it and gives it back.
struct AckToken {
  AppendOp* op = nullptr;
  std::uint32_t entry = 0;
  friend bool operator==(const AckToken&, const AckToken&) = default;
};

struct BecomeLeader {
  LeaderEpoch epoch;
  Offset log_start;
  Offset durable_end;  // the log end; all of it is on stable storage
};
struct Resign {  // another broker leads, or the shard takes no writes: what was not acknowledged never will be, here
};
struct Configure {
  Durability durability = Durability::kFsync;
  std::int32_t min_insync_replicas = 1;
};
struct Appended {  // staged at the log's end, or found there (a duplicate)
  Offset end;      // exclusive, of the entry
  bool duplicate = false;
  Acks acks = Acks::kAll;
  AckToken token;
};
struct Written {  // committed: survives the process
  Offset end;
};
struct Synced {  // on stable storage
  Offset end;
};
struct LogStartMoved {
  Offset log_start;
};
struct Truncated {
  Offset end;
  LeaderEpoch epoch;
};
using ReplicaEvent = std::variant<BecomeLeader, Resign, Configure, Appended, Written, Synced, LogStartMoved, Truncated>;

// What the driver owes after a step; steps of many cores add to one.
struct ReplicaActions {
  std::vector<AckToken> acknowledged;  // of one partition: in order of append
  std::vector<AckToken> abandoned;     // may be in the log, but will not be acknowledged by this leader
  void Clear() {
    acknowledged.clear();
    abandoned.clear();
  }
};

//     log_start        high_watermark     synced_end  written_end   log_end
//        |---- visible ----|-- waits for the ISR --|------|-- staged --|      all ends exclusive
//
// An append with acks=all is acknowledged when the high watermark has passed its end, one with leader or none once it is written; a duplicate always
// waits for the high watermark, whatever it asks for: its original must have been acknowledged. The high watermark is the least acked end over the ISR,
// where acked is written (durability=os) or synced (fsync); it stands still while the ISR is smaller than min.insync.replicas, and never goes back.
// While one broker is all there is, the ISR is this replica.
//
// Invariants: log_start <= high_watermark <= log_end; synced_end <= written_end <= log_end; leader_epoch never decreases; whoever waits is not yet due.
// Threading: owned by its driver; no clock, no I/O.
class ReplicaCore {
 public:
  void Step(const ReplicaEvent& event, ReplicaActions& actions);

  // May an append enter? NOT_LEADER_OR_FOLLOWER, FENCED_LEADER_EPOCH, UNKNOWN_LEADER_EPOCH, NOT_ENOUGH_REPLICAS (acks=all), in this order. Definite:
  // nothing was appended.
  Status CheckAppend(std::optional<LeaderEpoch> current_leader_epoch, Acks acks) const;
  // EXPECTED_OFFSET_MISMATCH unless the log ends at `expected`.
  Status CheckExpectedOffset(Offset expected) const;

  bool is_leader() const { return is_leader_; }
  LeaderEpoch leader_epoch() const { return leader_epoch_; }
  Offset log_start() const { return log_start_; }
  Offset high_watermark() const { return high_watermark_; }
  Offset log_end() const { return log_end_; }
  Durability durability() const { return config_.durability; }
  // Whether the high watermark can only move when what is written is synced.
  bool needs_sync() const { return config_.durability == Durability::kFsync && synced_end_ < log_end_; }
  std::size_t waiting() const { return waiting_.size(); }
  Status Invariants() const;

 private:
  struct Waiting {
    Offset end;
    bool for_high_watermark = true;  // else until written
    AckToken token;
  };
  void On(const BecomeLeader& event, ReplicaActions& actions);
  void On(const Resign& event, ReplicaActions& actions);
  void On(const Configure& event, ReplicaActions& actions);
  void On(const Appended& event, ReplicaActions& actions);
  void On(const Written& event, ReplicaActions& actions);
  void On(const Synced& event, ReplicaActions& actions);
  void On(const LogStartMoved& event, ReplicaActions& actions);
  void On(const Truncated& event, ReplicaActions& actions);
  std::int32_t isr_size() const { return 1; }
  Offset acked_end() const { return config_.durability == Durability::kOs ? written_end_ : synced_end_; }
  bool Due(const Waiting& waiting) const { return waiting.end <= (waiting.for_high_watermark ? high_watermark_ : written_end_); }
  void AdvanceHighWatermark(ReplicaActions& actions);
  void Acknowledge(ReplicaActions& actions);
  void Abandon(ReplicaActions& actions);

  bool is_leader_ = false;
  LeaderEpoch leader_epoch_{kNoLeaderEpoch};
  Configure config_;
  Offset log_start_;
  Offset high_watermark_;
  Offset written_end_;
  Offset synced_end_;
  Offset log_end_;
  std::vector<Waiting> waiting_;  // in order of append
};

}  // namespace cordwood::broker
