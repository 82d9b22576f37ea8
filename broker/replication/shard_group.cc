// SPDX-License-Identifier: Apache-2.0
// What becomes of a group: one commit, one sync if it asked, publications, then answers; or poison.
#include <algorithm>
#include <chrono>
#include <memory>
#include <span>
#include <string>
#include <utility>

#include "broker/replication/shard_loop.h"
#include "storage/log/side_header.h"

namespace cordwood::broker {
namespace {

constexpr std::chrono::milliseconds kThrottlePauseMin(1);
constexpr std::chrono::milliseconds kThrottlePauseMax(10);
constexpr int kTicksAfterSync = 3;  // the first ones may find that the synced file was written too recently

// What is published for the first time has been written.
void CountProduced(const PartitionUpdate& update, std::span<const PublishedBatch> batches, ShardMeasures& measures) {
  std::uint64_t records = 0;
  std::uint64_t bytes = 0;
  for (const PublishedBatch& batch : batches) {
    records += static_cast<std::uint64_t>(batch.end - batch.base);
    bytes += batch.value.size() - kSideHeaderBytes;
  }
  measures.produced_records.Add(records);
  measures.produced_bytes.Add(bytes);
  update.partition->measures.produced_records.Add(records);
  update.partition->measures.produced_bytes.Add(bytes);
}

}  // namespace

Status ShardLoop::FinishGroup() {
  const bool sync = group_.sync_asked();
  Status outcome = CommitGroup();
  if (outcome.ok()) {
    for (Replica* replica : touched_) replica->OnCommitted(actions_);
    Settle(absl::OkStatus());
  }
  if (outcome.ok() && sync) {
    // What the sync is not needed for does not wait for it.
    const bool somebody_waits = !due_.empty() || std::any_of(touched_.begin(), touched_.end(), [](const Replica* replica) {
      return replica->high_watermark_moved();
    });
    if (somebody_waits) PublishAndAnswer();
    const absl::Duration began = clock_.Monotonic();
    outcome = store_->Sync();
    measures_.sync.Record(clock_.Monotonic() - began);
    ticks_owed_ = kTicksAfterSync;
    if (outcome.ok()) {
      for (Replica* replica : touched_) replica->OnSynced(actions_);
      Settle(absl::OkStatus());
    }
  }
  if (outcome.ok()) {
    for (const Closing& closing : closing_) Forget(*closing.replica, closing.snapshot);
    drops_.insert(drops_.end(), new_drops_.begin(), new_drops_.end());
  } else {
    Poison(outcome);
  }
  closing_.clear();
  new_drops_.clear();
  PublishAndAnswer();
  ForgetTouched();
  std::vector<ShardTask*> tasks;
  tasks.swap(tasks_);
  for (ShardTask* task : tasks) {
    if (!task->only_looks) task->outcome.Update(outcome);
    task->Run();
  }
  return outcome;
}

// The group stays as it is until RocksDB has room.
Status ShardLoop::CommitGroup() {
  if (store_->poisoned()) return store_->poison_status();
  const bool empty = group_.empty();
  const absl::Duration began = clock_.Monotonic();
  auto pause = kThrottlePauseMin;
  while (true) {
    Status outcome = store_->Commit(group_);
    if (ReasonOf(outcome) != Reason::kThrottled) {
      if (!empty) measures_.write.Record(clock_.Monotonic() - began);
      return outcome;
    }
    measures_.stalls.Add();
    std::this_thread::sleep_for(pause);
    pause = std::min(2 * pause, kThrottlePauseMax);
  }
}

// Nothing goes into this shard any more. What was not acknowledged may or may not be in the log.
void ShardLoop::Poison(const Status& cause) {
  const Status poisoned = ReasonOf(cause) == Reason::kPoisoned ? cause : Error(Reason::kPoisoned, MessageOf(cause));
  group_.Clear();
  for (const auto& replica : replicas_) {
    replica->Resign(actions_);
    Touch(*replica);
  }
  Settle(poisoned);
}

void ShardLoop::Settle(const Status& abandoned_because) {
  auto settle = [&](const AckToken& token) {
    if (--token.op->unacknowledged == 0) due_.push_back(token.op);
  };
  for (const AckToken& token : actions_.acknowledged) settle(token);
  for (const AckToken& token : actions_.abandoned) {
    AppendEntry& entry = token.op->entries[token.entry];
    entry.base_offsets.clear();
    entry.status = Annotate(abandoned_because, "append " + entry.topic->name + "-" + ToString(entry.partition->index));
    settle(token);
  }
  actions_.Clear();
}

std::unique_ptr<GroupNews> ShardLoop::TakeNews() {
  if (std::unique_ptr<GroupNews> news = news_pool_->Take()) return news;
  auto news = std::make_unique<GroupNews>();
  for (const NetworkThread& thread : network_threads_) news->AddThread(*thread.outbox, *thread.listener);
  return news;
}

// First what every network thread is to see, then the answers: an acknowledged record is visible to whoever sees the acknowledgement.
void ShardLoop::PublishAndAnswer() {
  std::unique_ptr<GroupNews> news = TakeNews();
  Publication& publication = news->publication;
  for (PartitionUpdate& farewell : farewells_) publication.updates.push_back(std::move(farewell));
  farewells_.clear();
  for (Replica* replica : touched_) {
    if (!replica->has_news()) continue;
    const PartitionUpdate& update = replica->TakeUpdate(publication);
    CountProduced(update, publication.BatchesOf(update), measures_);
  }
  measures_.open_partitions.Set(static_cast<std::int64_t>(replicas_.size()));
  const absl::Duration now = clock_.Monotonic();
  for (AppendOp* op : due_) op->answered_at = now;
  std::erase_if(due_, [&](AppendOp* op) { return news->AddAnswer(*op); });
  GroupNews::Send(std::move(news), news_pool_);
  for (AppendOp* op : due_) op->outbox->Push(op);  // of no network thread
  due_.clear();
}

void ShardLoop::ForgetTouched() {
  for (Replica* replica : touched_) replica->touched = false;
  touched_.clear();
}

}  // namespace cordwood::broker
