// SPDX-License-Identifier: Apache-2.0
// Sums of all shards where the broker matters, a series a shard where the shard does.
#include "broker/metrics/shard_families.h"

#include <algorithm>
#include <string>

#include "storage/shard/shard_vitals.h"

namespace cordwood::broker {
namespace {

MetricLabels LabelsOf(const ShardDriver& shard) { return {{"shard", std::to_string(shard.id().value())}}; }

void AddVitals(Families& families, const ShardDriver& shard) {
  const ShardVitals vitals = ReadShardVitals(shard.store());
  const auto gauge = [&](const char* name, const char* help, std::uint64_t value) {
    families.Gauge(name, help).Add(static_cast<double>(value), LabelsOf(shard));
  };
  gauge("cordwood_shard_poisoned", "1: a write or sync failed, the shard takes no writes until the broker is restarted", shard.store().poisoned() ? 1 : 0);
  gauge("cordwood_shard_memtable_bytes", "RocksDB's memtables, those that are being flushed included", vitals.memtable_bytes);
  gauge("cordwood_shard_immutable_memtables", "Full memtables that wait for a flush", vitals.memtables_immutable);
  gauge("cordwood_shard_level0_files", "Table files in level 0; writes are slowed at 40", vitals.level0_files);
  gauge("cordwood_shard_compaction_pending_bytes", "What compaction is behind by, as RocksDB estimates it", vitals.compaction_pending_bytes);
  gauge("cordwood_shard_flushes_running", "Flushes under way", vitals.flushes_running);
  gauge("cordwood_shard_compactions_running", "Compactions under way", vitals.compactions_running);
  gauge("cordwood_shard_writes_stopped", "1: RocksDB takes no writes until a flush or compaction ends", vitals.writes_stopped ? 1 : 0);
  gauge("cordwood_shard_wal_bytes", "Files of the write-ahead log", vitals.wal_bytes);
  gauge("cordwood_shard_table_bytes", "Table files", vitals.table_bytes);
  gauge("cordwood_shard_blob_bytes", "Blob files, which hold batches of 4 KiB and more", vitals.blob_bytes);
  families.Counter("cordwood_shard_background_errors_total", "Errors in RocksDB's background work since the shard was opened")
      .Add(static_cast<double>(vitals.background_errors), LabelsOf(shard));
}

void AddMeasures(Families& families, const ShardDriver& shard) {
  const ShardMeasures& measures = shard.measures();
  families.Counter("cordwood_shard_stalls_total", "Commits that RocksDB refused for want of room; each is tried again after 1 to 10 ms")
      .Add(static_cast<double>(measures.stalls.value()), LabelsOf(shard));
  families.Counter("cordwood_shard_expired_appends_total", "Appends that were refused, unwritten, because their time was up before the shard began with them")
      .Add(static_cast<double>(measures.expired.value()), LabelsOf(shard));
  families.Gauge("cordwood_shard_inbox_depth", "Appends that the shard's thread has not begun with")
      .Add(static_cast<double>(measures.inbox_depth()), LabelsOf(shard));
  families.Gauge("cordwood_shard_open_partitions", "Partitions whose state is in memory: written to in the last ten minutes")
      .Add(static_cast<double>(measures.open_partitions.value()), LabelsOf(shard));
}

}  // namespace

void AddCleanerFamilies(Families& families, const CleanerMeasures& measures) {
  families.Counter("cordwood_cleaner_runs_total", "Runs of the cleaner over a compacted partition that ended well").Add(static_cast<double>(measures.runs.value()));
  families.Counter("cordwood_cleaner_failures_total", "Runs that did not: the log could not be read, decoded or written; the broker's log says why").Add(static_cast<double>(measures.failures.value()));
  families.Counter("cordwood_cleaner_read_bytes_total", "Bytes of batches that the cleaner read, in both passes").Add(static_cast<double>(measures.read_bytes.value()));
  families.Counter("cordwood_cleaner_written_bytes_total", "Bytes of batches that it wrote anew").Add(static_cast<double>(measures.written_bytes.value()));
  families.Counter("cordwood_cleaner_removed_bytes_total", "Bytes of batches that it took away").Add(static_cast<double>(measures.removed_bytes.value()));
  families.Counter("cordwood_cleaner_removed_records_total", "Records that it took away").Add(static_cast<double>(measures.removed_records.value()));
  families.Gauge("cordwood_cleaner_partitions", "Compacted partitions that can be cleaned, at the cleaner's last look").Add(static_cast<double>(measures.partitions.value()));
  families.Gauge("cordwood_cleaner_dirty_bytes", "Bytes that are not cleaned yet, over all of them").Add(static_cast<double>(measures.dirty_bytes.value()));
  families.Gauge("cordwood_cleaner_dirtiest_ratio", "The highest dirty ratio among them, 0 to 1").Add(static_cast<double>(measures.dirtiest_permille.value()) / 1000);
}

void AddShardFamilies(Families& families, const ShardList& shards) {
  double records = 0;
  double bytes = 0;
  LatencyTotals queue;
  LatencyTotals write;
  LatencyTotals sync;
  std::int64_t inbox_deepest = 0;
  std::int64_t inbox_max = 0;
  for (const ShardDriver* shard : shards.All()) {
    const ShardMeasures& measures = shard->measures();
    inbox_deepest = std::max(inbox_deepest, measures.inbox_depth());
    inbox_max = static_cast<std::int64_t>(measures.inbox_max);
    records += static_cast<double>(measures.produced_records.value());
    bytes += static_cast<double>(measures.produced_bytes.value());
    queue.Add(measures.queue);
    write.Add(measures.write);
    sync.Add(measures.sync);
    AddMeasures(families, *shard);
    AddVitals(families, *shard);
  }
  families.AddLimit("appends_per_shard_inbox", inbox_deepest, inbox_max, "");
  families.Counter("cordwood_produce_records_total", "Records written to logs").Add(records);
  families.Counter("cordwood_produce_bytes_total", "Bytes of the batches written to logs, as they came").Add(bytes);
  families.Histogram("cordwood_produce_queue_seconds", "Wait of an append in its shard's inbox").Add(queue);
  families.Histogram("cordwood_produce_write_seconds", "One commit of a group of appends, waiting for room in RocksDB included").Add(write);
  families.Histogram("cordwood_produce_sync_seconds", "One sync of the write-ahead log").Add(sync);
}

}  // namespace cordwood::broker
