// SPDX-License-Identifier: Apache-2.0
// One seeded run: the storage rooms and the model under the same operations, through power losses, kills, errors and damage.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "storage/shard/partition_log.h"
#include "storage/shard/shard_store.h"
#include "tests/fault/batch_source.h"
#include "tests/fault/power_loss_fs.h"
#include "tests/fault/run_counts.h"

namespace cordwood::testing {

struct RunOptions {
  std::uint64_t seed = 1;
  int power_losses = 25;
  bool errors = true;   // some rounds with EIO and ENOSPC
  bool many_errors = false;  // half of the rounds
  bool damage = true;   // ends with a damaged file, which must be refused or harmless
  bool trace = false;   // one line per event on stderr
  std::string ignored_syncs;  // a mutant of the disk: syncs of paths that end so are answered and not done
};

// Everything follows from the seed. One thread, and RocksDB's one background thread when it is let.
class StorageRun {
 public:
  StorageRun(const RunOptions& options, RunCounts& counts);
  ~StorageRun();

  // The first thing that is not as promised.
  Status Run();

 private:
  enum class StopKind { kPowerLoss, kKill };
  struct Acknowledged {
    std::uint64_t serial;
    bool durable;
  };
  struct ObservedPartition {
    Uuid log_id;
    Offset log_start;
    Offset log_end;
    std::vector<EpochStart> epochs;
    std::string bytes;  // of all batches that end above log_start
  };
  using Observed = std::map<PartitionId, ObservedPartition>;

  // Rounds: storage_run.cc.
  Status Round();
  Status OpenStore();
  Status Work();
  Status Stop(StopKind kind);
  Status StopCleanly();
  Status ExpectPoisoned();
  Status Damage();
  std::string DamageSomePage();
  void DropStore();
  void ArmError();
  void Trace(const std::string& what) const;
  Status Violation(const std::string& what) const;
  bool off() const { return disk_.power_is_off(); }
  bool error_seen() const { return disk_.failures() > failures_before_; }

  // Operations: storage_run_operations.cc. Each stages into group_ and next_.
  Status Turn();
  Status StageOne();
  Status CreatePartition();
  Status AppendEntry(PartitionId id);
  BatchPlan NextPlan(const PartitionModel& partition);
  Status MoveLogStart(PartitionId id);
  Status Retain(PartitionId id);
  Status Truncate(PartitionId id);
  Status ClosePartition(PartitionId id);
  Status DeletePartition(PartitionId id);
  StatusOr<PartitionLog*> Log(PartitionId id);
  Status CommitTurn();
  Status AfterCommit();
  Status SyncTurn();
  void PadLogToBlock();
  std::optional<PartitionId> AnyPartition();

  // Comparison: storage_run_check.cc.
  Status CheckReads();
  Status CheckRead(PartitionId id, const PartitionModel& model);
  Status CheckTimestamps(PartitionId id, const PartitionModel& model);
  Status CheckLog(const PartitionLog& log, const PartitionModel& model) const;
  Status MatchAndAdopt();
  StatusOr<Observed> Observe();
  static bool Equal(const ShardModel& model, const Observed& observed);
  Status Mismatch(const Observed& observed, std::size_t floor);
  void Settle(const ShardModel& adopted);

  const RunOptions options_;
  RunCounts& counts_;
  Dice dice_;
  SimulatedClock clock_;
  SimulatedDisk disk_;
  PowerLossEnv env_{disk_};
  ShardOptions shard_options_;
  ProducerLimits producer_limits_;

  std::unique_ptr<ShardStore> store_;
  std::map<PartitionId, std::unique_ptr<PartitionLog>> logs_;
  WriteGroup group_;
  ShardModel next_;                 // states_.back() and what is staged
  std::set<PartitionId> touched_;   // by the group
  std::set<PartitionId> closing_;   // staged their closing
  bool sync_wanted_ = false;
  bool long_tails_ = false;         // this round is to leave much unsynced, over several logs
  bool only_os_ = false;            // for a while nobody asks for a sync

  // Every state that a recovery may find: [0] was adopted at the last one, each commit added one, the last may be in flight.
  std::vector<ShardModel> states_{1};
  std::size_t stable_ = 0;      // the last state that a Sync() has covered
  std::size_t committed_ = 0;   // the last state whose Commit() has returned OK
  bool power_was_lost_ = false;  // since the last adoption
  std::vector<Acknowledged> acknowledged_;
  std::vector<Acknowledged> written_;  // appended since the last sync, not yet acknowledged
  std::map<std::uint64_t, BatchPlan> plans_;

  std::uint64_t serial_ = 0;
  LeaderEpoch epoch_{0};
  LeaderEpoch floor_seen_{0};
  bool stopped_cleanly_ = false;
  PartitionId last_id_{0};
  std::int64_t next_producer_ = 1;
  std::uint64_t failures_before_ = 0;
  std::uint64_t stops_ = 0;
};

}  // namespace cordwood::testing
