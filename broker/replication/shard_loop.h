// SPDX-License-Identifier: Apache-2.0
// The inside of a ShardDriver: its inbox, its open replicas, and the turn that goes round on the shard's thread.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>
#include <thread>
#include <utility>
#include <vector>

#include "broker/replication/publication.h"
#include "broker/replication/replica.h"
#include "broker/replication/shard_driver.h"
#include "storage/base/mailbox.h"
#include "storage/base/mutex.h"

namespace cordwood::broker {

// A task in the inbox. Its Run() tells `done` the outcome and disposes of it.
struct ShardTask final : ShardMessage {
  ShardTask(std::function<Status(ShardTurn&)> task, std::function<void(Status)> done)
      : ShardMessage(Kind::kTask), task(std::move(task)), done(std::move(done)) {}
  void Run() override {
    done(std::move(outcome));
    delete this;
  }
  std::function<Status(ShardTurn&)> task;
  std::function<void(Status)> done;
  bool only_looks = false;
  Status outcome;
};

// A group is what one turn commits together. While it waits for room in RocksDB, the inbox waits, and with it the windows of the calls.
// Threading: Push and TakeReclaimableBytes from any thread; AddNetworkThread, Start and Join from the owner; the rest is of the shard's
// thread.
class ShardLoop {
 public:
  ShardLoop(std::unique_ptr<ShardStore> store, const ShardDriverOptions& options, Clock& clock);
  ~ShardLoop();

  void AddNetworkThread(Outbox* outbox, PublicationListener* listener) { network_threads_.push_back({outbox, listener}); }
  void Start();
  void Push(ShardMessage* message);
  Status Take(AppendOp* op);  // THROTTLED, and it is not taken, if there are too many
  // The thread finishes the inbox; with `close` it then closes partitions and store. Returns when it has ended; the outcome of closing.
  Status Join(bool close);
  std::uint64_t TakeReclaimableBytes() { return reclaimable_bytes_.exchange(0, std::memory_order_relaxed); }

  ShardStore& store() { return *store_; }
  const ShardStore& store() const { return *store_; }
  const ShardMeasures& measures() const { return measures_; }

  // For ShardTurn.
  WriteGroup& group() { return group_; }
  // The open replica, opened if need be, and part of the present group; not on a poisoned shard.
  StatusOr<Replica*> Use(const ReplicaHandlePtr& partition);
  // The same to look at, on a poisoned shard too: a replica opened there never leads.
  StatusOr<Replica*> UseToLook(const ReplicaHandlePtr& partition);
  Status StageLogStart(const ReplicaHandlePtr& partition, Offset start);
  int StageDrops(int partitions_max);
  void AddReclaimable(std::uint64_t bytes) { reclaimable_bytes_.fetch_add(bytes, std::memory_order_relaxed); }
  StatusOr<Offset> StageTruncate(const ReplicaHandlePtr& partition, Offset end, LeaderEpoch epoch);
  Status StageDelete(const ReplicaHandlePtr& partition);

 private:
  struct NetworkThread {
    Outbox* outbox;
    PublicationListener* listener;
  };

  struct Closing {
    Replica* replica;
    ReplicaSnapshot snapshot;  // what it will have been
  };

  // shard_loop.cc: the thread.
  void Run();
  void Sleep() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Turn();
  void Handle(AppendOp& op);
  void Handle(ShardTask& task);
  void Tick();
  void CloseIdle();
  Status CloseAll();

  // shard_group.cc: what becomes of a group.
  Status FinishGroup();
  Status CommitGroup();
  void Poison(const Status& cause);
  void Settle(const Status& abandoned_because);
  std::unique_ptr<GroupNews> TakeNews();
  void PublishAndAnswer();
  void ForgetTouched();

  // shard_replicas.cc: the open replicas.
  Status OpenReplica(const ReplicaHandlePtr& partition);
  void Touch(Replica& replica);
  void StageClose(Replica& replica);  // nothing else of it is in the group
  void Forget(Replica& replica, const ReplicaSnapshot& farewell);

  const ShardDriverOptions options_;
  Clock& clock_;
  const std::unique_ptr<ShardStore> store_;
  std::vector<NetworkThread> network_threads_;
  std::thread thread_;

  // Bound: inbox_appends_max; one task of each thread that waits for it; FetchOptions::openings_max of each network thread.
  Mailbox<ShardMessage> inbox_;
  ShardMeasures measures_;
  Mutex mu_;
  CondVar wake_;
  bool finish_ ABSL_GUARDED_BY(mu_) = false;
  bool close_at_end_ ABSL_GUARDED_BY(mu_) = false;
  std::atomic<std::uint64_t> reclaimable_bytes_{0};

  // Of the shard's thread.
  Status close_outcome_;                    // read after the thread has ended
  ShardMessage* backlog_ = nullptr;         // taken from the inbox, not handled yet
  std::vector<std::unique_ptr<Replica>> replicas_;
  WriteGroup group_;
  ReplicaActions actions_;                  // of the present group
  std::vector<Replica*> touched_;           // by the present group
  std::vector<Closing> closing_;            // in the present group
  std::vector<PartitionUpdate> farewells_;  // last updates of replicas that are no longer open
  std::vector<AppendOp*> due_;              // to be answered after the next publication
  std::vector<ShardTask*> tasks_;           // of the present group
  const std::shared_ptr<GroupNewsPool> news_pool_ = std::make_shared<GroupNewsPool>();
  std::vector<ReplicaHandlePtr> new_drops_;  // log starts moved in the present group
  std::vector<ReplicaHandlePtr> drops_;      // log starts moved before, logs not cut yet; each once
  std::uint64_t drop_bytes_ = 0;             // of both
  int ticks_owed_ = 0;                       // after the last sync
  absl::Duration now_;                       // at the start of the turn, monotonic
  std::int64_t wall_ms_ = 0;                 // the same, wall clock
  absl::Duration next_tick_;
  absl::Duration next_idle_scan_;
};

}  // namespace cordwood::broker
