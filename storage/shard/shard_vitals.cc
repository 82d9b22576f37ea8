// SPDX-License-Identifier: Apache-2.0
// RocksDB's properties, and the sizes of its files by kind.
#include "storage/shard/shard_vitals.h"

#include <string_view>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "storage/shard/shard_store.h"

namespace cordwood {
namespace {

std::uint64_t Property(rocksdb::DB& db, const std::string& name) {
  std::uint64_t value = 0;
  return db.GetIntProperty(name, &value) ? value : 0;
}

void AddFiles(const ShardOptions& options, ShardVitals& vitals) {
  rocksdb::Env& env = options.env != nullptr ? *options.env : *rocksdb::Env::Default();
  std::vector<rocksdb::Env::FileAttributes> files;
  if (!env.GetChildrenFileAttributes(options.directory, &files).ok()) return;
  for (const auto& file : files) {
    const std::string_view name = file.name;
    if (name.ends_with(".log")) vitals.wal_bytes += file.size_bytes;
    if (name.ends_with(".sst")) vitals.table_bytes += file.size_bytes;
    if (name.ends_with(".blob")) vitals.blob_bytes += file.size_bytes;
  }
}

}  // namespace

ShardVitals ReadShardVitals(const ShardStore& store) {
  using Properties = rocksdb::DB::Properties;
  rocksdb::DB& db = store.db();
  ShardVitals vitals;
  vitals.memtable_bytes = Property(db, Properties::kSizeAllMemTables);
  vitals.memtables_immutable = Property(db, Properties::kNumImmutableMemTable);
  std::string level0;
  if (db.GetProperty(Properties::kNumFilesAtLevelPrefix + "0", &level0)) vitals.level0_files = std::stoull(level0);
  vitals.compaction_pending_bytes = Property(db, Properties::kEstimatePendingCompactionBytes);
  vitals.flushes_running = Property(db, Properties::kNumRunningFlushes);
  vitals.compactions_running = Property(db, Properties::kNumRunningCompactions);
  vitals.background_errors = Property(db, Properties::kBackgroundErrors);
  vitals.writes_stopped = Property(db, Properties::kIsWriteStopped) != 0;
  AddFiles(store.options(), vitals);
  return vitals;
}

}  // namespace cordwood
