// SPDX-License-Identifier: Apache-2.0
// One request's appends to one shard: travels to the shard's thread and comes back as the answer.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"
#include "broker/replication/outbox.h"
#include "broker/replication/replica_handle.h"
#include "storage/base/reason.h"
#include "storage/base/shared_bytes.h"

namespace cordwood::broker {

enum class Acks : std::uint8_t { kNone, kLeader, kAll };  // kLeader: written; kAll: the high watermark passed it

// Request fields are set by the handler, result fields by the shard.
struct AppendEntry {
  ReplicaHandlePtr partition;
  std::shared_ptr<const TopicImage> topic;  // durability, limits
  absl::InlinedVector<SharedBytes, 2> values;  // each: kSideHeaderBytes of room, then a batch that passed CheckAppend; unique
  std::optional<LeaderEpoch> current_leader_epoch;
  std::optional<Offset> expected_offset;
  std::uint32_t entry_index = 0;            // in the request

  Status status;                            // the entry as a whole
  absl::InlinedVector<Offset, 2> base_offsets;  // one per value; empty where refused
  std::int64_t append_ms = -1;
  Offset log_start;                         // at the time of the answer, for errors about offsets
  Offset log_end;
};

// What a shard's inbox holds, in one order.
struct ShardMessage : OutboxMessage {
  enum class Kind : std::uint8_t { kAppend, kTask };
  explicit ShardMessage(Kind kind) : kind(kind) {}
  const Kind kind;
};

// Comes back exactly once, by Run() on the thread of `outbox`, whatever happens: done, refused, timed out is the handler's own business. Entries that were refused are
// answered with those that were not, when the last of them is acknowledged (kNone: as kLeader; only the answer
// is not sent).
// Bound: the bytes are counted in the call's window and the thread's lease until it is back; the number by ShardDriverOptions::inbox_appends_max.
struct AppendOp : ShardMessage {
  AppendOp() : ShardMessage(Kind::kAppend) {}

  // True for whoever calls it first: the shard, which then appends, or the handler whose time is up, and then nothing is ever appended. Any thread.
  bool Claim() { return !claimed_.exchange(true, std::memory_order_acq_rel); }

  // For its next journey, once it is back.
  void Renew() { claimed_.store(false, std::memory_order_relaxed); }

  Outbox* outbox = nullptr;
  Acks acks = Acks::kAll;
  std::vector<AppendEntry> entries;

  absl::Duration pushed_at;    // into the inbox, monotonic
  absl::Duration answered_at;  // by the shard, monotonic
  std::uint32_t unacknowledged = 0;  // of the shard's thread: entries still waiting

 private:
  std::atomic<bool> claimed_{false};  // who gets it may read what the other wrote before
};

}  // namespace cordwood::broker
