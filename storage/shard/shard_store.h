// SPDX-License-Identifier: Apache-2.0
// One shard: a RocksDB that holds the batches and records of many partitions. See docs/explanation/durability.md.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "storage/base/clock.h"
#include "storage/base/ids.h"
#include "storage/base/reason.h"
#include "storage/log/log_cut.h"
#include "storage/log/partition_records.h"
#include "storage/shard/write_group.h"

namespace rocksdb {
class DB;
class Env;
class EventListener;
class Status;
}  // namespace rocksdb

namespace cordwood {

class SyncedFile;

struct ShardOptions {
  std::string directory;    // D/shard-NNN; created if absent
  std::string synced_file;  // D/shard-NNN.synced
  ShardId shard;
  ShardKind kind = ShardKind::kLog;  // kCompact: of compacted topics, with blob GC; must match what the shard was created with
  bool must_exist = false;  // it was whole once: what is not there was lost, and is not created again
  Uuid data_dir_id;         // must match what the shard was created with
  std::size_t write_buffer_bytes = 64 * 1024 * 1024;  // one segment
  int write_buffers = 3;
  int open_files_max = -1;  // -1: all kept open
  int background_jobs = 2;
  absl::Duration synced_file_interval = absl::Milliseconds(100);
  Clock* clock = &Clock::System();
  rocksdb::Env* env = nullptr;  // nullptr: the system's. Tests inject power loss here; the synced file goes through it as well
};

struct RecoveryReport {
  bool created = false;      // the shard was empty
  bool clean_stop = false;   // Close() ended the last run
  std::optional<LogCut> log_cut;  // recovery stopped at a hole in the unsynced tail of the write-ahead log, or before its torn end
  std::uint64_t flushed_sequence = 0;
  std::uint64_t recovered_sequence = 0;
  std::uint64_t synced_sequence = 0;  // by the synced file: what had to be there
};

// Threading: Commit, Sync, Tick and Close belong to the shard's one writer; everything else is safe from any thread.
class ShardStore {
 public:
  // Recovers. SHARD_DAMAGED (named, nothing changed) if less is there than was synced, or a file is damaged; STORAGE_ERROR otherwise.
  // After an unclean stop the epoch floor is raised by one, synced, before Open returns; all that was recovered is durable.
  static StatusOr<std::unique_ptr<ShardStore>> Open(const ShardOptions& options);
  ~ShardStore();  // without Close(): as a crash of the process would leave it

  // OK: all of the group is written (survives the process), the group is cleared. THROTTLED: RocksDB would stall, nothing was applied, the same
  // group may be committed again. Any other error poisons the shard.
  Status Commit(WriteGroup& group);
  // OK: everything committed is on stable storage, and the synced file says so to whoever opens after a kill of the process. An error poisons
  // the shard; it is never retried.
  Status Sync();
  // Makes the synced file itself durable if something was synced and synced_file_interval has passed. Call about every 100 ms.
  Status Tick();
  // Clean stop: syncs, marks, closes. The store can only be destroyed afterwards.
  Status Close();

  const RecoveryReport& recovery() const { return recovery_; }
  // No leader epoch below this may be used: a lost tail is never rewritten under the same epoch.
  LeaderEpoch epoch_floor() const { return LeaderEpoch(epoch_floor_.load(std::memory_order_relaxed)); }
  void StageEpochFloor(WriteGroup& group, LeaderEpoch floor);  // raises; by the writer

  bool poisoned() const { return poisoned_.load(std::memory_order_acquire); }
  Status poison_status() const;  // OK unless poisoned()

  // A block of partition ids, never handed out before, durable before it returns. Shard 0 only; by the writer.
  StatusOr<PartitionId> ReservePartitionIds(int count);

  // Gives back the space of deleted ranges: flush, then compaction of the index; with `force_blobs` also rewrites blob files that are
  // mostly garbage. Minutes long on a large shard; from a background thread, one at a time.
  Status Reclaim(bool force_blobs);
  // The running Reclaim() ends soon, later ones at once, with an error; nothing is lost by it. For the way down, from any thread.
  void CancelReclaims() { reclaims_cancelled_.store(true, std::memory_order_relaxed); }

  // What earlier runs owe: deleted ranges that wait in tables for a Reclaim(). Looks at every table.
  bool HasDeletedRanges() const;
  bool HasMuchGarbage() const;  // of the blob files' bytes more than a quarter belong to nothing

  std::uint64_t disk_bytes() const;  // of table, blob and log files; what was given up is not counted while its space comes back
  const ShardOptions& options() const { return options_; }
  rocksdb::DB& db() const { return *db_; }  // for the classes of this room

 private:
  class PoisonListener;
  struct PoisonCause;
  explicit ShardStore(const ShardOptions& options);
  Status Recover();
  Status Create();
  Status CheckIdentity();
  Status LoadShardRecords();
  Status MarkOpened();
  Status Write(WriteGroup& group, bool no_slowdown);
  Status WriteDurably(WriteGroup& group);
  Status WriteSyncedFile();
  Status Poison(std::string_view during, const rocksdb::Status& cause);
  Status PoisonBySyncedFile(const Status& cause);
  Status Poison(std::string_view first_step, const std::string& cause);
  rocksdb::Env& env() const;

  // Constant after Open.
  const ShardOptions options_;
  RecoveryReport recovery_;
  std::unique_ptr<PoisonCause> poison_cause_;  // locked inside
  std::shared_ptr<rocksdb::EventListener> poison_listener_;
  std::unique_ptr<SyncedFile> synced_file_;
  std::unique_ptr<rocksdb::DB> db_;
  // The writer's.
  std::uint64_t synced_sequence_ = 0;  // of the last successful Sync()
  absl::Duration synced_file_written_at_ = absl::ZeroDuration();
  std::uint64_t partition_ids_next_ = 1;      // to be handed out next
  std::uint64_t partition_ids_reserved_ = 1;  // durable: everything below may be handed out
  // Read from any thread.
  std::atomic<std::int32_t> epoch_floor_{0};
  std::atomic<bool> poisoned_{false};
  std::atomic<bool> reclaims_cancelled_{false};
};

}  // namespace cordwood
