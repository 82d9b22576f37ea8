// SPDX-License-Identifier: Apache-2.0
// The shard's thread: sleeps, takes the inbox, turns it into groups, ticks, and closes everything at the end.
#include "broker/replication/shard_loop.h"

#include <algorithm>
#include <chrono>
#include <string>

#include "broker/replication/shard_turn.h"
#include "storage/base/thread_name.h"
#include "storage/shard/compaction/log_cleaner.h"

namespace cordwood::broker {
namespace {

constexpr absl::Duration kTickEvery = absl::Milliseconds(100);
constexpr absl::Duration kIdleScanEvery = absl::Seconds(10);
constexpr std::chrono::milliseconds kTickSleep(100);
constexpr std::chrono::seconds kIdleSleep(10);

}  // namespace

ShardLoop::ShardLoop(std::unique_ptr<ShardStore> store, const ShardDriverOptions& options, Clock& clock)
    : options_(options), clock_(clock), store_(std::move(store)) {
  measures_.inbox_max = options_.inbox_appends_max;
  now_ = clock_.Monotonic();
  next_idle_scan_ = now_ + std::min(kIdleScanEvery, options_.idle_close);
}

ShardLoop::~ShardLoop() {
  for (const auto& replica : replicas_) replica->handle()->replica = nullptr;
}

void ShardLoop::Start() {
  thread_ = std::thread([this] {
    SetThreadName("shard-" + std::to_string(store_->options().shard.value()));
    Run();
  });
}

// Several threads may look at the same time, and then there are as many too many.
Status ShardLoop::Take(AppendOp* op) {
  if (measures_.inbox_depth() >= static_cast<std::int64_t>(options_.inbox_appends_max)) {
    return Error(Reason::kThrottled, std::to_string(options_.inbox_appends_max) + " appends wait for the shard");
  }
  measures_.pushed.Add();
  Push(op);
  return absl::OkStatus();
}

void ShardLoop::Push(ShardMessage* message) {
  if (!inbox_.Push(message)) return;
  // Taking the lock closes the gap between the receiver's last look at the inbox and its falling asleep.
  MutexLock lock(mu_);
  wake_.Signal();
}

Status ShardLoop::Join(bool close) {
  {
    MutexLock lock(mu_);
    close_at_end_ = close;
    finish_ = true;
    wake_.Signal();
  }
  if (thread_.joinable()) {
    thread_.join();
  } else {
    Run();
  }
  return close_outcome_;
}

void ShardLoop::Run() {
  while (true) {
    if (backlog_ == nullptr) backlog_ = inbox_.TakeAll();
    if (backlog_ == nullptr) {
      Tick();
      MutexLock lock(mu_);
      if (inbox_.empty()) {
        if (finish_) break;
        Sleep();
      }
      continue;
    }
    Turn();
    Tick();
  }
  bool close;
  {
    MutexLock lock(mu_);
    close = close_at_end_;
  }
  if (close) close_outcome_ = CloseAll();
}

// An idle shard looks up every ten seconds; after a sync, until the synced file has caught up, ten times a second.
void ShardLoop::Sleep() {
  if (ticks_owed_ > 0) {
    wake_.WaitFor(mu_, kTickSleep);
  } else {
    wake_.WaitFor(mu_, kIdleSleep);
  }
}

void ShardLoop::Turn() {
  now_ = clock_.Monotonic();
  wall_ms_ = clock_.WallMs();
  while (backlog_ != nullptr && group_.bytes() < options_.group_bytes_max) {
    ShardMessage* message = backlog_;
    backlog_ = Mailbox<ShardMessage>::Next(message);
    if (message->kind == ShardMessage::Kind::kAppend) {
      measures_.handled.Add();
      Handle(static_cast<AppendOp&>(*message));
    } else {
      Handle(static_cast<ShardTask&>(*message));
    }
  }
  (void)FinishGroup();  // everybody concerned has been told
}

void ShardLoop::Handle(AppendOp& op) {
  if (!op.Claim()) {
    measures_.expired.Add();
    due_.push_back(&op);
    return;
  }
  op.unacknowledged = static_cast<std::uint32_t>(op.entries.size());
  measures_.queue.Record(now_ - op.pushed_at);
  for (std::uint32_t i = 0; i < op.entries.size(); ++i) {
    AppendEntry& entry = op.entries[i];
    StatusOr<Replica*> replica = Use(entry.partition);
    Status status = replica.ok() ? (*replica)->Append(entry, AckToken{&op, i}, wall_ms_, group_, actions_) : replica.status();
    if (status.ok()) continue;
    entry.status = Annotate(status, "append " + entry.topic->name + "-" + ToString(entry.partition->index));
    --op.unacknowledged;
  }
  if (op.unacknowledged == 0) due_.push_back(&op);
}

void ShardLoop::Handle(ShardTask& task) {
  if (store_->poisoned() && !task.only_looks) {
    task.outcome = store_->poison_status();
  } else {
    ShardTurn turn(*this);
    task.outcome = task.task(turn);
    if (turn.sync_asked()) group_.AskSync();
  }
  tasks_.push_back(&task);
}

void ShardLoop::Tick() {
  now_ = clock_.Monotonic();
  if (store_->poisoned()) {
    ticks_owed_ = 0;
    return;
  }
  if (ticks_owed_ > 0 && now_ >= next_tick_) {
    next_tick_ = now_ + kTickEvery;
    --ticks_owed_;
    if (const Status status = store_->Tick(); !status.ok()) {
      Poison(status);
      PublishAndAnswer();
      ForgetTouched();
      return;
    }
  }
  if (now_ >= next_idle_scan_) CloseIdle();
}

void ShardLoop::CloseIdle() {
  next_idle_scan_ = now_ + std::min(kIdleScanEvery, options_.idle_close);
  for (const auto& replica : replicas_) {
    if (group_.bytes() >= options_.group_bytes_max) {
      next_idle_scan_ = now_;  // the rest at the next tick
      break;
    }
    const bool idle = now_ - replica->last_used >= options_.idle_close;
    if (idle && replica->core().waiting() == 0 && !replica->drop_pending) StageClose(*replica);
  }
  if (!closing_.empty()) (void)FinishGroup();
}

Status ShardLoop::CloseAll() {
  while (!replicas_.empty() && !store_->poisoned()) {
    for (const auto& replica : replicas_) {
      if (group_.bytes() >= options_.group_bytes_max) break;
      StageClose(*replica);
    }
    CORDWOOD_RETURN_IF_ERROR(FinishGroup());
  }
  if (store_->poisoned()) return store_->poison_status();
  return store_->Close();
}

// A task's view of the loop.

StatusOr<const PartitionLog*> ShardTurn::Open(const ReplicaHandlePtr& partition) {
  CORDWOOD_ASSIGN_OR_RETURN(Replica* const replica, loop_.UseToLook(partition));
  return &replica->log();
}

Status ShardTurn::StageLogStart(const ReplicaHandlePtr& partition, Offset start) { return loop_.StageLogStart(partition, start); }

int ShardTurn::StageDrops(int partitions_max) { return loop_.StageDrops(partitions_max); }

Status ShardTurn::StageRetentionMark(const ReplicaHandlePtr& partition) {
  CORDWOOD_ASSIGN_OR_RETURN(Replica* const replica, loop_.Use(partition));
  replica->log().StageRetentionMark(loop_.group());
  return absl::OkStatus();
}

StatusOr<Offset> ShardTurn::StageCleaningStart(const ReplicaHandlePtr& partition) {
  CORDWOOD_ASSIGN_OR_RETURN(Replica* const replica, loop_.Use(partition));
  return replica->log().StageCleaningStart(loop_.group());
}

Status ShardTurn::StageCleaned(const ReplicaHandlePtr& partition, std::span<const CleanedValue> values, const CleaningState& state,
                               std::uint64_t removed_bytes) {
  CORDWOOD_ASSIGN_OR_RETURN(Replica* const replica, loop_.Use(partition));
  CORDWOOD_RETURN_IF_ERROR(replica->log().StageCleaned(loop_.group(), values, state));
  loop_.AddReclaimable(removed_bytes);
  return absl::OkStatus();
}

StatusOr<Offset> ShardTurn::StageTruncate(const ReplicaHandlePtr& partition, Offset end, LeaderEpoch epoch) {
  return loop_.StageTruncate(partition, end, epoch);
}

StatusOr<PartitionId> ShardTurn::ReservePartitionIds(int count) { return loop_.store().ReservePartitionIds(count); }

void ShardTurn::StageCreate(PartitionId id, const PartitionIdentity& identity) { PartitionLog::StageCreate(loop_.group(), id, identity); }

Status ShardTurn::StageDelete(const ReplicaHandlePtr& partition) { return loop_.StageDelete(partition); }

}  // namespace cordwood::broker
