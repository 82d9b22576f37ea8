// SPDX-License-Identifier: Apache-2.0
// Writing, syncing, poisoning and closing a shard. How it opens: shard_open.cc.
#include "storage/shard/shard_store.h"

#include <algorithm>
#include <utility>

#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/write_batch.h"
#include "storage/base/check.h"
#include "storage/base/coding.h"
#include "storage/log/keys.h"
#include "storage/shard/internal/deletion_pace.h"
#include "storage/shard/internal/flush_pace.h"
#include "storage/shard/internal/rocksdb_access.h"
#include "storage/shard/internal/shard_poison.h"
#include "storage/shard/internal/synced_file.h"

namespace cordwood {
namespace {

constexpr std::uint64_t kPartitionIdBlock = 1024;

// One big-endian integer as a value.
template <class T>
FixedKey<sizeof(T)> Fixed(T value) {
  FixedKey<sizeof(T)> bytes;
  StoreBigEndian(bytes.bytes.data(), value);
  return bytes;
}

// A flush or compaction that meets a full disk poisons the shard, so none is begun without room for the memtables, once flushed, once compacted.
Status CheckRoomToReclaim(rocksdb::DB& db, rocksdb::Env& env, const std::string& directory, std::uint64_t rewritten) {
  constexpr std::uint64_t kManifestsAndLogs = 8 << 20;
  std::uint64_t free = 0, memtables = 0;
  if (!env.GetFreeSpace(directory, &free).ok()) return absl::OkStatus();  // a file system that cannot tell
  db.GetIntProperty(rocksdb::DB::Properties::kCurSizeAllMemTables, &memtables);
  const std::uint64_t needed = 2 * memtables + kManifestsAndLogs + rewritten;
  if (free >= needed) return absl::OkStatus();
  return Error(Reason::kDiskFull, directory + ": " + std::to_string(free) + " bytes are free, giving space back needs " + std::to_string(needed));
}

}  // namespace

ShardStore::~ShardStore() { db_.reset(); }  // its listener touches the members after it

rocksdb::Env& ShardStore::env() const { return options_.env != nullptr ? *options_.env : *rocksdb::Env::Default(); }

Status ShardStore::Commit(WriteGroup& group) {
  if (poisoned()) return poison_status();
  if (group.empty()) {
    group.Clear();
    return absl::OkStatus();
  }
  return Write(group, /*no_slowdown=*/true);
}

Status ShardStore::Write(WriteGroup& group, bool no_slowdown) {
  rocksdb::WriteOptions write;
  write.no_slowdown = no_slowdown;
  const rocksdb::Status written = db_->Write(write, group.batch_.get());
  if (written.IsIncomplete()) return Error(Reason::kThrottled, options_.directory + ": the disk does not keep up");
  if (!written.ok()) return Poison("write", written);
  group.Clear();
  return absl::OkStatus();
}

Status ShardStore::Sync() {
  if (poisoned()) return poison_status();
  const std::uint64_t last = db_->GetLatestSequenceNumber();
  const rocksdb::Status synced = db_->SyncWAL();
  if (!synced.ok()) return Poison("sync", synced);
  synced_sequence_ = last;
  const Status marked = synced_file_->Mark(last);
  return marked.ok() ? marked : PoisonBySyncedFile(marked);
}

Status ShardStore::Tick() {
  if (poisoned()) return poison_status();
  if (synced_sequence_ == synced_file_->sequence()) return absl::OkStatus();
  const absl::Duration now = options_.clock->Monotonic();
  if (now - synced_file_written_at_ < options_.synced_file_interval) return absl::OkStatus();
  synced_file_written_at_ = now;
  return WriteSyncedFile();
}

Status ShardStore::WriteSyncedFile() {
  const Status written = synced_file_->Write(synced_sequence_);
  return written.ok() ? written : PoisonBySyncedFile(written);
}

Status ShardStore::WriteDurably(WriteGroup& group) {
  CORDWOOD_RETURN_IF_ERROR(Write(group, /*no_slowdown=*/false));
  return Sync();
}

// The memtables go to table files first, so that the next start has nothing to replay.
Status ShardStore::Close() {
  CORDWOOD_RETURN_IF_ERROR(Sync());
  FlushPace::Lift(db_->GetOptions());
  rocksdb::FlushOptions flush;
  flush.allow_write_stall = true;
  const rocksdb::Status flushed = db_->Flush(flush);
  if (!flushed.ok()) return Poison("flush", flushed);
  WriteGroup group;
  group.Put(ShardKey(MetadataKind::kCleanStop).view(), "");
  CORDWOOD_RETURN_IF_ERROR(WriteDurably(group));
  CORDWOOD_RETURN_IF_ERROR(WriteSyncedFile());
  return FromRocksDb(db_->Close(), options_.directory);
}

void ShardStore::StageEpochFloor(WriteGroup& group, LeaderEpoch floor) {
  if (floor <= epoch_floor()) return;
  epoch_floor_.store(floor.value(), std::memory_order_relaxed);
  group.Put(ShardKey(MetadataKind::kEpochFloor).view(), Fixed(floor.value()).view());
}

Status ShardStore::poison_status() const { return poison_cause_->status(); }

Status ShardStore::Poison(std::string_view during, const rocksdb::Status& cause) {
  return Poison(cause.IsNoSpace() ? "free space on its disk" : "see to its disk", std::string(during) + ": " + TextWithin(cause, options_.directory));
}

// Its path stands beside the directory and begins alike.
Status ShardStore::PoisonBySyncedFile(const Status& cause) {
  const std::string folder = options_.synced_file.substr(0, options_.synced_file.rfind('/') + 1);
  const std::string message = MessageOf(cause);
  return Poison("see to its disk", message.starts_with(folder) ? message.substr(folder.size()) : message);
}

// The first cause stays. Why nothing less than a restart: docs/decisions/0009.
Status ShardStore::Poison(std::string_view first_step, const std::string& cause) {
  poison_cause_->Set(Error(Reason::kPoisoned, options_.directory + ": takes no more writes; " + std::string(first_step) + ", then restart the broker: " + cause));
  poisoned_.store(true, std::memory_order_release);
  return poison_status();
}

StatusOr<PartitionId> ShardStore::ReservePartitionIds(int count) {
  CORDWOOD_CHECK(options_.shard == ShardId(0) && count > 0);
  if (poisoned()) return poison_status();
  const std::uint64_t end = partition_ids_next_ + static_cast<std::uint64_t>(count);
  if (end - 1 > kPartitionIdMax.value()) return Error(Reason::kLimitExceeded, "no partition ids are left in this data directory");
  if (end > partition_ids_reserved_) {
    const std::uint64_t reserved = end - 1 + kPartitionIdBlock;
    WriteGroup group;
    group.Put(ShardKey(MetadataKind::kNextPartitionId).view(), Fixed(reserved).view());
    CORDWOOD_RETURN_IF_ERROR(WriteDurably(group));
    CORDWOOD_RETURN_IF_ERROR(WriteSyncedFile());  // a lost tail must not take the reservation with it unseen
    partition_ids_reserved_ = reserved;
  }
  return PartitionId(std::exchange(partition_ids_next_, end));
}

Status ShardStore::Reclaim(bool force_blobs) {
  const bool rewrites_all = force_blobs && options_.kind == ShardKind::kCompact;
  CORDWOOD_RETURN_IF_ERROR(CheckRoomToReclaim(*db_, env(), options_.directory, rewrites_all ? disk_bytes() : 0));
  const rocksdb::Status flushed = db_->Flush(rocksdb::FlushOptions());
  if (!flushed.ok()) return FromRocksDb(flushed, options_.directory);
  rocksdb::CompactRangeOptions compact;
  compact.exclusive_manual_compaction = false;
  compact.canceled = &reclaims_cancelled_;
  compact.bottommost_level_compaction = rocksdb::BottommostLevelCompaction::kForceOptimized;
  if (force_blobs) {
    compact.blob_garbage_collection_policy = rocksdb::BlobGarbageCollectionPolicy::kForce;
    // Garbage is in old files; where batches are rewritten, in all.
    compact.blob_garbage_collection_age_cutoff = rewrites_all ? 1.0 : 0.5;
  }
  rocksdb::Status done = db_->CompactRange(compact, nullptr, nullptr);
  // If a compaction of RocksDB's own had all tables just then, nothing was left to rewrite, and its output still pins the old blob files.
  if (done.ok() && rewrites_all && HasMuchGarbage()) done = db_->CompactRange(compact, nullptr, nullptr);
  return FromRocksDb(done, options_.directory);
}

bool ShardStore::HasDeletedRanges() const {
  rocksdb::TablePropertiesCollection tables;
  if (!db_->GetPropertiesOfAllTables(&tables).ok()) return false;
  return std::any_of(tables.begin(), tables.end(), [](const auto& table) { return table.second->num_range_deletions > 0; });
}

bool ShardStore::HasMuchGarbage() const {
  std::uint64_t garbage = 0, all = 0;
  db_->GetIntProperty(rocksdb::DB::Properties::kLiveBlobFileGarbageSize, &garbage);
  db_->GetIntProperty(rocksdb::DB::Properties::kLiveBlobFileSize, &all);
  return garbage > all / 4;
}

std::uint64_t ShardStore::disk_bytes() const {
  std::vector<rocksdb::Env::FileAttributes> files;
  if (!env().GetChildrenFileAttributes(options_.directory, &files).ok()) return 0;
  std::uint64_t bytes = 0;
  for (const auto& file : files) bytes += IsTrash(file.name) ? 0 : file.size_bytes;
  return bytes;
}

}  // namespace cordwood
