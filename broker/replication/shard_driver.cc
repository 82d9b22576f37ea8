// SPDX-License-Identifier: Apache-2.0
// The door of a shard: who may still enter, and how Stop() makes sure that nothing is left behind.
#include "broker/replication/shard_driver.h"

#include <optional>
#include <thread>
#include <utility>

#include "broker/replication/shard_loop.h"

namespace cordwood::broker {
namespace {

Status ShuttingDown() { return Error(Reason::kShuttingDown, "the broker is shutting down"); }

// Set by one thread, waited for by another, that destroys it.
class Outcome {
 public:
  void Set(Status status) {
    MutexLock lock(mu_);
    status_ = std::move(status);
    set_.SignalAll();
  }
  Status Wait() {
    MutexLock lock(mu_);
    while (!status_.has_value()) set_.Wait(mu_);
    return *std::move(status_);
  }

 private:
  Mutex mu_;
  CondVar set_;
  std::optional<Status> status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace

ShardDriver::ShardDriver(std::unique_ptr<ShardStore> store, const ShardDriverOptions& options, Clock& clock)
    : loop_(std::make_unique<ShardLoop>(std::move(store), options, clock)) {}

ShardDriver::~ShardDriver() {
  if (!stopping_.load()) (void)Finish(/*close=*/false);
}

void ShardDriver::AddNetworkThread(Outbox* outbox, PublicationListener* listener) { loop_->AddNetworkThread(outbox, listener); }

void ShardDriver::Start() { loop_->Start(); }

Status ShardDriver::Stop() {
  if (stopping_.load()) return absl::OkStatus();
  return Finish(/*close=*/true);
}

// Whoever entered before `stopping_` was set has pushed when `entering_` is zero, so that the thread finds it.
Status ShardDriver::Finish(bool close) {
  stopping_.store(true);
  while (entering_.load() != 0) std::this_thread::yield();
  return loop_->Join(close);
}

bool ShardDriver::Enter() {
  entering_.fetch_add(1);
  if (!stopping_.load()) return true;
  Leave();
  return false;
}

void ShardDriver::Leave() { entering_.fetch_sub(1); }

void ShardDriver::Append(AppendOp* op) {
  Status refused;
  if (Enter()) {
    refused = loop_->Take(op);
    Leave();
  } else {
    refused = ShuttingDown();
  }
  if (refused.ok()) return;
  for (AppendEntry& entry : op->entries) entry.status = refused;
  op->unacknowledged = 0;
  op->answered_at = op->pushed_at;
  op->outbox->Push(op);
}

void ShardDriver::Run(std::function<Status(ShardTurn&)> task, std::function<void(Status)> done) {
  Push(std::make_unique<ShardTask>(std::move(task), std::move(done)));
}

void ShardDriver::Look(std::function<Status(ShardTurn&)> task, std::function<void(Status)> done) {
  auto look = std::make_unique<ShardTask>(std::move(task), std::move(done));
  look->only_looks = true;
  Push(std::move(look));
}

void ShardDriver::Push(std::unique_ptr<ShardTask> task) {
  if (!Enter()) {
    task->done(ShuttingDown());
    return;
  }
  loop_->Push(task.release());
  Leave();
}

Status ShardDriver::RunAndWait(std::function<Status(ShardTurn&)> task) {
  Outcome outcome;
  Run(std::move(task), [&](Status status) { outcome.Set(std::move(status)); });
  return outcome.Wait();
}

Status ShardDriver::LookAndWait(std::function<Status(ShardTurn&)> task) {
  Outcome outcome;
  Look(std::move(task), [&](Status status) { outcome.Set(std::move(status)); });
  return outcome.Wait();
}

std::uint64_t ShardDriver::TakeReclaimableBytes() { return loop_->TakeReclaimableBytes(); }

const ShardStore& ShardDriver::store() const { return loop_->store(); }

ShardStore& ShardDriver::store_for_reclaim() { return loop_->store(); }

const ShardMeasures& ShardDriver::measures() const { return loop_->measures(); }

ShardId ShardDriver::id() const { return loop_->store().options().shard; }

}  // namespace cordwood::broker
