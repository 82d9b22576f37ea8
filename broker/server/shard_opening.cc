// SPDX-License-Identifier: Apache-2.0
// A shard that exists is opened whatever the configuration says: partitions belong to one for life.
#include "broker/server/shard_opening.h"

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <thread>
#include <utility>

#include "broker/server/event_log.h"

namespace cordwood::broker {
namespace {

int Cores() { return static_cast<int>(std::max(1u, std::thread::hardware_concurrency())); }

ShardOptions ShardOptionsOf(const DataDir& data_dir, const BrokerConfig& config, ShardId id, Clock& clock) {
  ShardOptions options;
  options.directory = data_dir.ShardPath(id);
  options.synced_file = data_dir.SyncedFilePath(id);
  options.shard = id;
  if (id == data_dir.compact_shard()) options.kind = ShardKind::kCompact;
  options.must_exist = static_cast<int>(id.value()) < data_dir.shards();
  options.data_dir_id = data_dir.id();
  options.write_buffer_bytes = static_cast<std::size_t>(config.write_buffer_bytes);
  options.write_buffers = static_cast<int>(config.write_buffers);
  options.clock = &clock;
  return options;
}

void LogRecovery(ShardId id, const RecoveryReport& report) {
  if (report.created) return LogEvent(EventLevel::kNote, ShardLabel(id) + ": created");
  if (report.clean_stop) return LogEvent(EventLevel::kNote, ShardLabel(id) + ": opened after a clean stop");
  LogEvent(report.log_cut.has_value() ? EventLevel::kWarning : EventLevel::kNote,
           ShardLabel(id) + ": recovered after an unclean stop up to sequence " + std::to_string(report.recovered_sequence) +
                                  ", synced was " + std::to_string(report.synced_sequence) +
                                  (report.log_cut.has_value() ? "; an unsynced tail of its log was cut at " + Describe(*report.log_cut) : ""));
}

// Errors name the shard.
StatusOr<std::unique_ptr<ShardDriver>> OpenShard(const DataDir& data_dir, const BrokerConfig& config, ShardId id, Clock& clock) {
  ShardDriverOptions options;
  options.producers.producers_max = static_cast<int>(config.producers_max);
  options.producers.expiration_ms = config.producer_expiration_ms;
  CORDWOOD_ASSIGN_OR_RETURN(std::unique_ptr<ShardStore> store, ShardStore::Open(ShardOptionsOf(data_dir, config, id, clock)));
  LogRecovery(id, store->recovery());
  return std::make_unique<ShardDriver>(std::move(store), options, clock);
}

std::string Gigabytes(std::uint64_t bytes) {
  char text[32];
  std::snprintf(text, sizeof text, "%.2f GiB", static_cast<double>(bytes) / (1 << 30));
  return text;
}

}  // namespace

int NetworkThreadCount(const BrokerConfig& config) {
  if (config.network_threads > 0) return static_cast<int>(config.network_threads);
  return Cores() < 8 ? 1 : Cores() < 32 ? 2 : 4;
}

int ShardCount(const BrokerConfig& config) {
  if (config.storage_shards > 0) return static_cast<int>(config.storage_shards);
  return Cores() <= 4 ? 1 : std::min(Cores() / 4, 64);
}

DiskLadder DiskLadderOf(const BrokerConfig& config) {
  DiskLadder ladder;
  ladder.warn = {config.disk_warn_percent, static_cast<std::uint64_t>(config.disk_warn_bytes)};
  ladder.refuse_partitions = {config.disk_refuse_partitions_percent, static_cast<std::uint64_t>(config.disk_refuse_partitions_bytes)};
  ladder.refuse_produce = {config.disk_refuse_produce_percent, static_cast<std::uint64_t>(config.disk_refuse_produce_bytes)};
  ladder.floor_bytes = 4 * static_cast<std::uint64_t>(config.write_buffer_bytes);
  return ladder;
}

std::string ShardLabel(ShardId shard) {
  char name[24];
  std::snprintf(name, sizeof name, "shard-%03u", shard.value());
  return name;
}

std::string DescribeDisk(DiskLevel level, const std::string& data_dir) {
  std::string text = "disk of " + data_dir + ": ";
  if (const auto space = ReadDiskSpace(data_dir); space.ok()) text += Gigabytes(space->free_bytes) + " of " + Gigabytes(space->total_bytes) + " free: ";
  switch (level) {
    case DiskLevel::kNormal: return text + "enough again";
    case DiskLevel::kWarn: return text + "filling up";
    case DiskLevel::kRefusePartitions: return text + "new partitions are refused";
    case DiskLevel::kRefuseProduce: return text + "new partitions and produce are refused; reads and deletes go on";
  }
  return text;
}

StatusOr<std::vector<std::unique_ptr<ShardDriver>>> OpenShards(const DataDir& data_dir, const BrokerConfig& config, Clock& clock) {
  std::vector<std::unique_ptr<ShardDriver>> shards;
  int logs = 0;
  for (ShardId id(0);; id = ShardId(id.value() + 1)) {
    std::error_code ignored;
    const bool compact = id == data_dir.compact_shard();
    const bool wanted = compact || logs < ShardCount(config) || static_cast<int>(id.value()) < data_dir.shards();
    if (!wanted && !std::filesystem::exists(data_dir.ShardPath(id), ignored)) return shards;
    CORDWOOD_ASSIGN_OR_RETURN(std::unique_ptr<ShardDriver> shard, OpenShard(data_dir, config, id, clock));
    shards.push_back(std::move(shard));
    if (!compact) ++logs;
  }
}

// FORMAT says what it is before it is there, and that it must be there once it is.
StatusOr<std::unique_ptr<ShardDriver>> MakeCompactShard(DataDir& data_dir, const BrokerConfig& config, Clock& clock) {
  const ShardId id = data_dir.compact_shard().value_or(ShardId(static_cast<std::uint32_t>(data_dir.shards())));
  CORDWOOD_RETURN_IF_ERROR(data_dir.NoteCompactShard(id));
  CORDWOOD_ASSIGN_OR_RETURN(std::unique_ptr<ShardDriver> shard, OpenShard(data_dir, config, id, clock));
  CORDWOOD_RETURN_IF_ERROR(data_dir.NoteParts(std::max(data_dir.shards(), static_cast<int>(id.value()) + 1)));
  return shard;
}

}  // namespace cordwood::broker
