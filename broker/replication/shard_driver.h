// SPDX-License-Identifier: Apache-2.0
// The thread of one shard: the only writer of its RocksDB.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "broker/replication/append_op.h"
#include "broker/replication/publication.h"
#include "storage/base/clock.h"
#include "storage/base/measures.h"
#include "storage/base/threads/gate.h"
#include "storage/log/producer_state.h"
#include "storage/shard/shard_store.h"

namespace cordwood::broker {

class ShardLoop;
struct ShardTask;
class ShardTurn;  // what a task may do on the shard's thread: shard_turn.h

struct ShardDriverOptions {
  std::size_t group_bytes_max = 1024 * 1024;            // a turn stages at most about this much before it commits
  absl::Duration idle_close = absl::Minutes(10);        // a partition without appends is closed after this
  // Appends in the inbox; what comes beyond is refused. The request budget bounds their bytes (by default 128 MiB, at 512 bytes a message or more), and
  // so holds tiny ones to about twice this, with several times their bytes in memory: at the 60 000 a second of the worst load two seconds of work.
  std::size_t inbox_appends_max = 128 * 1024;
  ProducerLimits producers;
};

// The shard's thread writes, but for `pushed`.
struct ShardMeasures {
  Counter produced_records;  // written; a group that failed to be is not counted
  Counter produced_bytes;    // of their batches
  Counter stalls;            // commits that RocksDB refused for want of room, to be tried again
  Counter handled;           // appends of the inbox
  Counter expired;           // of these not appended, because their time was up before
  Gauge open_partitions;
  LatencyHistogram queue;    // an append's wait in the inbox
  LatencyHistogram write;    // a commit, with its stalls
  LatencyHistogram sync;
  std::size_t inbox_max = 0;  // constant
  alignas(64) SharedCounter pushed;  // appends into the inbox, by any thread: on a cache line of its own

  std::int64_t inbox_depth() const {
    const std::uint64_t done = handled.value();  // first: what is handled was pushed
    const std::uint64_t all = pushed.value();
    return all > done ? static_cast<std::int64_t>(all - done) : 0;
  }
};

// Each turn: takes the inbox, steps cores, stages, commits once, publishes and answers `os` appends, syncs if asked, publishes and answers the rest.
// Threading: Append and Run from any thread; Start and Stop from the owner.
class ShardDriver {
 public:
  ShardDriver(std::unique_ptr<ShardStore> store, const ShardDriverOptions& options, Clock& clock);
  ~ShardDriver();  // without Stop(): finishes the inbox, then leaves the store as a crash of the process would

  // Before Start(): every network thread's outbox and listener.
  void AddNetworkThread(Outbox* outbox, PublicationListener* listener);
  void Start();
  // Answers everything in the inbox, closes partitions and store cleanly, joins. Appends after this come back with SHUTTING_DOWN.
  Status Stop();

  // Takes the op until it comes back through op->outbox. With THROTTLED, if the inbox is full: nothing was appended.
  void Append(AppendOp* op);
  // Runs `task` on the shard's thread, in order with appends. What it stages is committed (and synced if it asks) before `done` runs, on the shard's
  // thread, with the outcome. After Stop() has begun `done` runs at once with SHUTTING_DOWN, on the caller's thread.
  void Run(std::function<Status(ShardTurn&)> task, std::function<void(Status)> done);
  // The same for a task that stages nothing but only looks at logs: its outcome is its own whatever becomes of the commit, and it runs on a poisoned shard too.
  void Look(std::function<Status(ShardTurn&)> task, std::function<void(Status)> done);
  // The same, waiting for the outcome. Never from the shard's own thread or a network thread.
  Status RunAndWait(std::function<Status(ShardTurn&)> task);
  Status LookAndWait(std::function<Status(ShardTurn&)> task);

  // Bytes of batches that log starts and deletions have left behind since the last call: what a Reclaim() may give back. Any thread.
  std::uint64_t TakeReclaimableBytes();

  const ShardStore& store() const;   // for readers
  ShardStore& store_for_reclaim();   // for the one background thread
  ShardId id() const;
  const ShardMeasures& measures() const;

 private:
  void Push(std::unique_ptr<ShardTask> task);
  Status Finish(bool close);

  const std::unique_ptr<ShardLoop> loop_;
  Gate gate_;  // to the inbox
};

}  // namespace cordwood::broker
