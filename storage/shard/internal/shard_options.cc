// SPDX-License-Identifier: Apache-2.0
// RocksDB 7.8.3 as Debian builds it (asserts live, CRC in software unless ours is linked), tuned by measurement for a log.
#include "storage/shard/internal/shard_options.h"

#include <memory>

#include "rocksdb/env.h"
#include "rocksdb/filter_policy.h"
#include "rocksdb/slice_transform.h"
#include "rocksdb/table.h"
#include "storage/log/keys.h"
#include "storage/shard/internal/database_log.h"
#include "storage/shard/internal/deletion_pace.h"
#include "storage/shard/internal/flush_pace.h"
#include "storage/shard/internal/rocksdb_access.h"
#include "storage/shard/shard_store.h"

namespace cordwood {
namespace {

constexpr std::size_t kPartitionIdBytes = 8;

// The partition of a batch key. Metadata keys are out of its domain: the memtable's insert hint must never see the first key of a
// range tombstone (7.8.3 corrupts memory), and those are never batch keys.
class PartitionPrefixTransform final : public rocksdb::SliceTransform {
 public:
  const char* Name() const override { return "cordwood.PartitionPrefix"; }
  rocksdb::Slice Transform(const rocksdb::Slice& key) const override { return {key.data(), kPartitionIdBytes}; }
  bool InDomain(const rocksdb::Slice& key) const override { return key.size() == kBatchKeyBytes; }
  bool InRange(const rocksdb::Slice& prefix) const override { return prefix.size() == kPartitionIdBytes; }
  bool FullLengthEnabled(std::size_t* length) const override {
    *length = kPartitionIdBytes;
    return true;
  }
};

void SetTableOptions(rocksdb::Options& o) {
  rocksdb::BlockBasedTableOptions table;
  table.no_block_cache = true;  // the page cache does it; batches are read once or by many at the same time
  table.block_size = 64 * 1024;
  table.index_type = rocksdb::BlockBasedTableOptions::kBinarySearchWithFirstKey;  // a seek opens no block it will not use
  table.format_version = 5;
  table.checksum = rocksdb::kCRC32c;
  table.filter_policy.reset(rocksdb::NewRibbonFilterPolicy(10));
  table.whole_key_filtering = false;  // on the partition: which of many tables hold anything of it
  o.table_factory.reset(rocksdb::NewBlockBasedTableFactory(table));
}

void SetColumnFamilyOptions(rocksdb::Options& o, const ShardOptions& options) {
  const auto prefix = std::make_shared<PartitionPrefixTransform>();
  o.prefix_extractor = prefix;
  o.memtable_insert_with_hint_prefix_extractor = prefix;  // halves the cost of small appends
  o.compression = rocksdb::kNoCompression;                // batches come compressed
  o.write_buffer_size = options.write_buffer_bytes;
  o.max_write_buffer_number = options.write_buffers;
  o.compaction_style = rocksdb::kCompactionStyleLevel;
  o.level0_file_num_compaction_trigger = 4;
  o.level0_slowdown_writes_trigger = 40;  // with no_slowdown a stall is a refused group: keep it far away
  o.level0_stop_writes_trigger = 80;
  o.target_file_size_base = 256ULL << 20;
  o.max_bytes_for_level_base = 1ULL << 30;
  o.level_compaction_dynamic_level_bytes = true;
  o.soft_pending_compaction_bytes_limit = 0;
  o.hard_pending_compaction_bytes_limit = 0;
  o.enable_blob_files = true;
  o.min_blob_size = 4096;  // below it blobs lose on ingest and on replay
  o.blob_file_size = 256ULL << 20;
  // It rewrites without garbage; Reclaim() forces it where retention needs it. Where batches are rewritten garbage is everywhere and never whole files.
  o.enable_blob_garbage_collection = options.kind == ShardKind::kCompact;
}

}  // namespace

rocksdb::Options RocksDbOptions(const ShardOptions& options) {
  rocksdb::Options o;
  SetTableOptions(o);
  SetColumnFamilyOptions(o, options);
  o.create_if_missing = false;
  if (options.env != nullptr) o.env = options.env;
  o.max_background_jobs = options.background_jobs;
  o.max_open_files = options.open_files_max;
  o.advise_random_on_open = false;  // true, the default, costs a replay nine tenths of its speed
  o.enable_pipelined_write = false;
  o.unordered_write = false;
  o.allow_concurrent_memtable_write = false;  // one writer
  o.enable_write_thread_adaptive_yield = false;
  o.recycle_log_file_num = 0;
  o.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;  // the sequence gate makes it strict
  o.track_and_verify_wals_in_manifest = false;                           // false alarms with SyncWAL in 7.8
  o.avoid_flush_during_recovery = false;
  o.avoid_flush_during_shutdown = true;
  o.avoid_unnecessary_blocking_io = true;  // a reader's last reference must not unlink files
  o.max_bgerror_resume_count = 0;          // a failed flush poisons the shard; nothing is retried
  o.skip_stats_update_on_db_open = true;
  o.stats_persist_period_sec = 0;
  o.stats_dump_period_sec = 0;
  if (options.env == nullptr) {
    o.info_log = std::make_shared<DatabaseLog>(options.directory);
    FlushPace::AddTo(o, options.write_buffer_bytes, *options.clock);  // a simulated disk would sync where a real one only begins to write
    DeletionPace::AddTo(o);
  }
  o.keep_log_file_num = 3;  // of a simulated file system's own log
  o.max_log_file_size = 1024 * 1024;
  o.paranoid_checks = true;
  return o;
}

PartitionReadOptions::PartitionReadOptions(PartitionId partition) {
  std::memcpy(lower_, PartitionPrefix(partition).view().data(), sizeof lower_);
  std::memcpy(upper_, PartitionPrefix(partition + 1).view().data(), sizeof upper_);
  lower_slice_ = rocksdb::Slice(lower_, sizeof lower_);
  upper_slice_ = rocksdb::Slice(upper_, sizeof upper_);
  options_.iterate_lower_bound = &lower_slice_;
  options_.iterate_upper_bound = &upper_slice_;
  options_.prefix_same_as_start = true;
  options_.verify_checksums = true;
  options_.fill_cache = false;
  options_.readahead_size = 0;
  options_.background_purge_on_iterator_cleanup = true;
}

rocksdb::ReadOptions MetadataReadOptions() {
  rocksdb::ReadOptions options;
  options.total_order_seek = true;
  options.verify_checksums = true;
  options.fill_cache = false;
  options.background_purge_on_iterator_cleanup = true;
  return options;
}

}  // namespace cordwood
