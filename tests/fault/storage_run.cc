// SPDX-License-Identifier: Apache-2.0
// Rounds: open, work, stop in some way, open again.
#include "tests/fault/storage_run.h"

#include <algorithm>
#include <cstdio>
#include <utility>

#include "tests/fault/page_fates.h"

namespace cordwood::testing {
namespace {

constexpr char kDirectory[] = "/d/shard-000";

std::uint64_t BufferBytes(std::uint64_t choice) { return (choice % 3 == 0 ? 64 : choice % 3 == 1 ? 128 : 512) * 1024; }

}  // namespace

StorageRun::StorageRun(const RunOptions& options, RunCounts& counts)
    : options_(options), counts_(counts), dice_(Mix(options.seed, "run")) {
  disk_.CreateDirectory("/d");
  disk_.SyncDirectory("/");
  if (!options.ignored_syncs.empty()) disk_.IgnoreSyncs(options.ignored_syncs);
  shard_options_.directory = kDirectory;
  shard_options_.synced_file = std::string(kDirectory) + ".synced";
  shard_options_.shard = ShardId(0);
  shard_options_.data_dir_id.bytes[0] = 7;
  shard_options_.write_buffer_bytes = BufferBytes(options.seed);
  shard_options_.write_buffers = 3 + static_cast<int>(options.seed % 2);
  shard_options_.clock = &clock_;
  shard_options_.env = &env_;
  producer_limits_.expiration_ms = 3'600'000;
}

StorageRun::~StorageRun() { DropStore(); }

// Destroying a database waits for its jobs. What they still write counts for nothing.
void StorageRun::DropStore() {
  disk_.CutPower();
  logs_.clear();
  group_.Clear();
  const BackgroundAllowed allowed(env_);
  store_.reset();
}

void StorageRun::Trace(const std::string& what) const {
  if (options_.trace) std::fprintf(stderr, "[%llu] %s\n", static_cast<unsigned long long>(disk_.changing_calls()), what.c_str());
}

Status StorageRun::Violation(const std::string& what) const {
  return Error(Reason::kUnknownServerError, "seed " + std::to_string(options_.seed) + ", write buffer " +
                                                std::to_string(shard_options_.write_buffer_bytes >> 10) + " KiB: " + what);
}

Status StorageRun::Run() {
  const std::uint64_t goal = counts_.power_losses + static_cast<std::uint64_t>(options_.power_losses);
  while (counts_.power_losses < goal) CORDWOOD_RETURN_IF_ERROR(Round());
  ++counts_.episodes;
  return options_.damage ? Damage() : absl::OkStatus();
}

// A round ends when the power is off, the process is killed or the store is closed; the next one opens what is left.
Status StorageRun::Round() {
  if (dice_.OneIn(6)) disk_.ArmPowerCut(static_cast<std::uint64_t>(dice_.Between(1, 40)));
  CORDWOOD_RETURN_IF_ERROR(OpenStore());
  if (off()) {
    ++counts_.losses_while_opening;
    return Stop(dice_.OneIn(5) ? StopKind::kKill : StopKind::kPowerLoss);
  }
  const std::uint64_t kind = dice_.Below(20);
  long_tails_ = kind < 18 && dice_.OneIn(2);
  if (kind < 15 && (!long_tails_ || dice_.OneIn(3))) {
    disk_.ArmPowerCut(static_cast<std::uint64_t>(dice_.OneIn(3) ? dice_.Between(1, 30) : dice_.Between(1, 250)));
  }
  if (options_.errors && (kind == 15 || (options_.many_errors && kind % 2 == 1))) ArmError();
  CORDWOOD_RETURN_IF_ERROR(Work());
  if (kind == 18 && dice_.OneIn(2)) disk_.ArmPowerCut(static_cast<std::uint64_t>(dice_.Between(1, 40)));  // power may go while closing
  if (kind >= 18 && !off() && !store_->poisoned()) CORDWOOD_RETURN_IF_ERROR(StopCleanly());
  if (store_ == nullptr) return absl::OkStatus();
  return Stop(kind == 14 || kind == 17 ? StopKind::kKill : StopKind::kPowerLoss);
}

Status StorageRun::OpenStore() {
  failures_before_ = disk_.failures();
  if (options_.errors && dice_.OneIn(25)) ArmError();
  StatusOr<std::unique_ptr<ShardStore>> opened = [&] {
    const BackgroundAllowed allowed(env_);
    return ShardStore::Open(shard_options_);
  }();
  if (off()) {
    Trace("power went while opening");
    if (opened.ok()) store_ = *std::move(opened);
    return absl::OkStatus();
  }
  if (!opened.ok() && error_seen()) {
    if (ReasonOf(opened.status()) == Reason::kShardDamaged) {
      return Violation("an injected error is taken for damage: " + MessageOf(opened.status()));
    }
    Trace("open failed as injected: " + MessageOf(opened.status()));
    ++counts_.errors_injected;
    disk_.ClearFailure();
    disk_.ProcessKill();
    stopped_cleanly_ = false;
    return OpenStore();
  }
  disk_.ClearFailure();
  if (!opened.ok()) return Violation("open: " + MessageOf(opened.status()));
  store_ = *std::move(opened);
  const RecoveryReport& recovery = store_->recovery();
  Trace("opened: flushed " + std::to_string(recovery.flushed_sequence) + ", recovered " + std::to_string(recovery.recovered_sequence) +
        ", synced " + std::to_string(recovery.synced_sequence) + (recovery.log_cut.has_value() ? ", cut at " + Describe(*recovery.log_cut) : ""));
  if (recovery.log_cut.has_value() && recovery.log_cut->next_sequence > 0) ++counts_.tails_cut;
  failures_before_ = disk_.failures();
  return MatchAndAdopt();
}

void StorageRun::ArmError() {
  static constexpr DiskCall kCalls[] = {DiskCall::kCreate, DiskCall::kAppend,        DiskCall::kAppend, DiskCall::kWriteAt, DiskCall::kSync,
                                        DiskCall::kSync,   DiskCall::kSyncDirectory, DiskCall::kRename, DiskCall::kDelete,  DiskCall::kRead};
  const DiskCall call = kCalls[dice_.Below(std::size(kCalls))];
  const DiskResult result = call != DiskCall::kRead && dice_.OneIn(2) ? DiskResult::kNoSpace : DiskResult::kIoError;
  const std::uint64_t nth = 1 + dice_.Below(call == DiskCall::kAppend || call == DiskCall::kRead ? 60 : 8);
  const bool and_after = dice_.OneIn(3);
  disk_.FailCall(call, nth, result, and_after);
  Trace("armed error: call " + std::to_string(static_cast<int>(call)) + " number " + std::to_string(nth) +
        (result == DiskResult::kNoSpace ? " ENOSPC" : " EIO") + (and_after ? " from then on" : ""));
}

Status StorageRun::Work() {
  const std::int64_t turns = dice_.Between(5, long_tails_ ? 80 : 60);
  for (std::int64_t i = 0; i < turns && !off() && !store_->poisoned(); ++i) {
    clock_.Advance(absl::Milliseconds(dice_.OneIn(200) ? 2 * 3'600'000 : dice_.Between(0, 60)));
    only_os_ = long_tails_ && i >= turns / 8;
    CORDWOOD_RETURN_IF_ERROR(Turn());
    if (off() || store_->poisoned()) break;
    if (dice_.OneIn(only_os_ ? 40 : 4)) env_.RunBackground();
    if (dice_.OneIn(3)) {
      const Status ticked = store_->Tick();
      if (!ticked.ok() && !off() && !error_seen()) return Violation("tick: " + MessageOf(ticked));
    }
    if (dice_.OneIn(60)) {
      const BackgroundAllowed allowed(env_);
      const Status reclaimed = store_->Reclaim(dice_.OneIn(2));
      if (!reclaimed.ok() && !off() && !error_seen()) return Violation("reclaim: " + MessageOf(reclaimed));
    }
    if (off() || store_->poisoned()) break;
    if (dice_.OneIn(2)) CORDWOOD_RETURN_IF_ERROR(CheckReads());
  }
  if (store_->poisoned() && !off()) CORDWOOD_RETURN_IF_ERROR(ExpectPoisoned());
  return absl::OkStatus();
}

Status StorageRun::ExpectPoisoned() {
  if (!error_seen()) return Violation("poisoned, but nothing failed: " + MessageOf(store_->poison_status()));
  Trace("poisoned: " + MessageOf(store_->poison_status()));
  ++counts_.poisoned;
  WriteGroup group;
  group.Put("\xFF\xFF", "never");
  if (ReasonOf(store_->Commit(group)) != Reason::kPoisoned) return Violation("a poisoned shard takes a commit");
  if (ReasonOf(store_->Sync()) != Reason::kPoisoned) return Violation("a poisoned shard takes a sync");
  return absl::OkStatus();
}

Status StorageRun::Stop(StopKind kind) {
  only_os_ = false;
  if (error_seen()) ++counts_.errors_injected;
  DropStore();
  touched_.clear();
  closing_.clear();
  written_.clear();
  sync_wanted_ = false;
  stopped_cleanly_ = false;
  if (kind == StopKind::kKill) {
    Trace("process killed");
    ++counts_.process_kills;
    disk_.ProcessKill();
    return absl::OkStatus();
  }
  const std::uint64_t seed = Mix(options_.seed, ++stops_);
  // Long tails are there for the two cases that RocksDB alone does not notice.
  const PowerLossCase power_loss = !long_tails_ || seed % 2 == 0 ? CaseOf(seed)
                                   : seed % 4 == 1              ? PowerLossCase::kOlderTailMissing
                                                                : PowerLossCase::kRecordHoles;
  long_tails_ = false;
  Trace(std::string("power lost: ") + CaseName(power_loss));
  ++counts_.power_losses;
  ++counts_.OfCase(power_loss);
  power_was_lost_ = true;
  disk_.PowerLoss(seed, power_loss);
  return absl::OkStatus();
}

Status StorageRun::StopCleanly() {
  next_ = states_.back();
  for (auto& [id, log] : logs_) {
    if (log != nullptr) log->StageClose(group_, log->log_end());
  }
  CORDWOOD_RETURN_IF_ERROR(CommitTurn());
  if (off() || store_->poisoned()) return Stop(StopKind::kPowerLoss);
  logs_.clear();
  const Status closed = [&] {
    const BackgroundAllowed allowed(env_);
    return store_->Close();
  }();
  if (off()) return absl::OkStatus();
  if (!closed.ok() && !error_seen()) return Violation("close: " + MessageOf(closed));
  DropStore();
  if (closed.ok()) stable_ = committed_;
  stopped_cleanly_ = closed.ok();
  ++counts_.clean_stops;
  Trace("closed");
  disk_.ProcessKill();  // locks and armed cuts go
  if (!dice_.OneIn(2)) return absl::OkStatus();
  power_was_lost_ = true;
  ++counts_.power_losses;
  ++counts_.OfCase(PowerLossCase::kMixed);
  disk_.PowerLoss(Mix(options_.seed, ++stops_), PowerLossCase::kMixed);
  return absl::OkStatus();
}

}  // namespace cordwood::testing
