// SPDX-License-Identifier: Apache-2.0
// The door of a shard: who may still enter, and how Stop() makes sure that nothing is left behind.
#include "broker/replication/shard_driver.h"

#include <utility>

#include "broker/replication/shard_loop.h"
#include "storage/base/threads/awaited.h"

namespace cordwood::broker {
namespace {

Status ShuttingDown() { return Error(Reason::kShuttingDown, "the broker is shutting down"); }

}  // namespace

ShardDriver::ShardDriver(std::unique_ptr<ShardStore> store, const ShardDriverOptions& options, Clock& clock)
    : loop_(std::make_unique<ShardLoop>(std::move(store), options, clock)) {}

ShardDriver::~ShardDriver() {
  if (!gate_.closed()) (void)Finish(/*close=*/false);
}

void ShardDriver::AddNetworkThread(Outbox* outbox, PublicationListener* listener) { loop_->AddNetworkThread(outbox, listener); }

void ShardDriver::Start() { loop_->Start(); }

Status ShardDriver::Stop() {
  if (gate_.closed()) return absl::OkStatus();
  return Finish(/*close=*/true);
}

// Behind a closed gate the thread finds all that was pushed.
Status ShardDriver::Finish(bool close) {
  gate_.Close();
  return loop_->Join(close);
}

void ShardDriver::Append(AppendOp* op) {
  Status refused;
  if (gate_.Enter()) {
    refused = loop_->Take(op);
    gate_.Leave();
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
  if (!gate_.Enter()) {
    task->done(ShuttingDown());
    return;
  }
  loop_->Push(task.release());
  gate_.Leave();
}

Status ShardDriver::RunAndWait(std::function<Status(ShardTurn&)> task) {
  const Awaited<Status> outcome;
  Run(std::move(task), [outcome](Status status) { outcome.Set(std::move(status)); });
  return outcome.Wait();
}

Status ShardDriver::LookAndWait(std::function<Status(ShardTurn&)> task) {
  const Awaited<Status> outcome;
  Look(std::move(task), [outcome](Status status) { outcome.Set(std::move(status)); });
  return outcome.Wait();
}

std::uint64_t ShardDriver::TakeReclaimableBytes() { return loop_->TakeReclaimableBytes(); }

const ShardStore& ShardDriver::store() const { return loop_->store(); }

ShardStore& ShardDriver::store_for_reclaim() { return loop_->store(); }

const ShardMeasures& ShardDriver::measures() const { return loop_->measures(); }

ShardId ShardDriver::id() const { return loop_->store().options().shard; }

}  // namespace cordwood::broker
