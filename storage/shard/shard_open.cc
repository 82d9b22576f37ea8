// SPDX-License-Identifier: Apache-2.0
// Opening a shard: creation, recovery with its checks, the records that say how the last run ended.
#include <algorithm>
#include <optional>
#include <utility>

#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "storage/base/coding.h"
#include "storage/log/keys.h"
#include "storage/log/partition_records.h"
#include "storage/rocksdb/has_database.h"
#include "storage/rocksdb/torn_manifest.h"
#include "storage/shard/internal/recovery.h"
#include "storage/shard/internal/rocksdb_access.h"
#include "storage/shard/internal/shard_options.h"
#include "storage/shard/internal/shard_poison.h"
#include "storage/shard/shard_store.h"
#include "storage/shard/internal/synced_file.h"

namespace cordwood {
namespace {

// nullopt where there is no such record.
StatusOr<std::optional<std::string>> GetRecord(rocksdb::DB& db, MetadataKind kind) {
  std::string value;
  const rocksdb::Status status = db.Get(MetadataReadOptions(), ToSlice(ShardKey(kind).view()), &value);
  if (status.IsNotFound()) return std::optional<std::string>();
  if (!status.ok()) return FromRocksDb(status, db.GetName(), status.IsCorruption() ? Reason::kShardDamaged : Reason::kStorageError);
  return std::optional<std::string>(std::move(value));
}

// 0 where there is no such record.
template <class T>
StatusOr<T> GetNumber(rocksdb::DB& db, MetadataKind kind) {
  CORDWOOD_ASSIGN_OR_RETURN(const std::optional<std::string> value, GetRecord(db, kind));
  if (!value.has_value()) return T{0};
  if (value->size() != sizeof(T)) return Error(Reason::kShardDamaged, db.GetName() + ": a shard record has a wrong size");
  return LoadBigEndian<T>(value->data());
}

}  // namespace

ShardStore::ShardStore(const ShardOptions& options)
    : options_(options),
      poison_cause_(std::make_unique<PoisonCause>()),
      poison_listener_(std::make_shared<PoisonListener>(*this)) {}

StatusOr<std::unique_ptr<ShardStore>> ShardStore::Open(const ShardOptions& options) {
  std::unique_ptr<ShardStore> store(new ShardStore(options));
  CORDWOOD_RETURN_IF_ERROR(store->Recover());
  if (store->recovery_.created) {
    CORDWOOD_RETURN_IF_ERROR(store->Create());
  } else {
    CORDWOOD_RETURN_IF_ERROR(store->CheckIdentity());
  }
  CORDWOOD_RETURN_IF_ERROR(store->LoadShardRecords());
  CORDWOOD_RETURN_IF_ERROR(store->MarkOpened());
  return store;
}

// The side file is made before the shard's first record: a shard with records but without it is damaged; a shard without records was
// being created when the power went, and is created again.
Status ShardStore::Recover() {
  const std::string& directory = options_.directory;
  rocksdb::Env& env = this->env();
  if (!options_.must_exist) CORDWOOD_RETURN_IF_ERROR(FromRocksDb(env.CreateDirIfMissing(directory), directory));
  bool has_database = false;
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(HasDatabase(env, directory, &has_database), directory));
  auto synced_file = SyncedFile::Open(env, options_.synced_file);
  if (!synced_file.ok() && ReasonOf(synced_file.status()) != Reason::kShardDamaged) return synced_file.status();
  if (synced_file.ok()) recovery_.synced_sequence = (*synced_file)->sequence();
  if (!has_database && recovery_.synced_sequence > 0) {
    return Error(Reason::kShardDamaged, directory + ": no database here, but " + options_.synced_file + " says that " +
                                            std::to_string(recovery_.synced_sequence) + " operations were stored");
  }

  if (options_.must_exist && !has_database) return Error(Reason::kShardDamaged, directory + ": missing or empty, but this data directory had it");
  if (options_.must_exist && !synced_file.ok()) return synced_file.status();
  rocksdb::Options db_options = RocksDbOptions(options_);
  db_options.create_if_missing = !has_database;
  db_options.listeners.push_back(poison_listener_);
  ShardSurvey survey;
  if (has_database) {
    CORDWOOD_RETURN_IF_ERROR(FromRocksDb(CutTornManifest(env, directory), directory));
    CORDWOOD_ASSIGN_OR_RETURN(survey, SurveyShard(db_options, directory));
    if (survey.recovered_sequence > 0 && !synced_file.ok()) return synced_file.status();
    if (survey.recovered_sequence < recovery_.synced_sequence) {
      return Error(Reason::kShardDamaged, directory + ": recovered up to sequence " + std::to_string(survey.recovered_sequence) + ", but " +
                                              std::to_string(recovery_.synced_sequence) + " was synced" +
                                              (survey.log_cut.has_value() ? "; its log is believed up to " + Describe(*survey.log_cut) : ""));
    }
  }
  CORDWOOD_ASSIGN_OR_RETURN(db_, OpenGated(db_options, directory, survey));
  recovery_.log_cut = survey.log_cut;
  recovery_.flushed_sequence = survey.flushed_sequence;
  recovery_.recovered_sequence = survey.recovered_sequence;
  if (survey.recovered_sequence < recovery_.synced_sequence || db_->GetLatestSequenceNumber() != survey.recovered_sequence) {
    return Error(Reason::kShardDamaged, directory + ": recovered up to sequence " + std::to_string(db_->GetLatestSequenceNumber()) +
                                            ", expected " + std::to_string(survey.recovered_sequence));
  }
  CORDWOOD_ASSIGN_OR_RETURN(const std::optional<std::string> identity, GetRecord(*db_, MetadataKind::kShardIdentity));
  recovery_.created = !identity.has_value();
  if (recovery_.created && (survey.recovered_sequence > 0 || options_.must_exist)) return Error(Reason::kShardDamaged, directory + ": its identity record is missing");
  if (synced_file.ok()) synced_file_ = *std::move(synced_file);
  return absl::OkStatus();
}

Status ShardStore::Create() {
  CORDWOOD_ASSIGN_OR_RETURN(synced_file_, SyncedFile::Create(env(), options_.synced_file));
  WriteGroup group;
  ShardIdentity identity;
  identity.kind = options_.kind;
  identity.shard = options_.shard;
  identity.data_dir_id = options_.data_dir_id;
  group.Put(ShardKey(MetadataKind::kShardIdentity).view(), Encode(identity));
  return WriteDurably(group);
}

Status ShardStore::CheckIdentity() {
  CORDWOOD_ASSIGN_OR_RETURN(const std::optional<std::string> value, GetRecord(*db_, MetadataKind::kShardIdentity));
  const StatusOr<ShardIdentity> identity = DecodeShardIdentity(value.value_or(""));
  if (ReasonOf(identity.status()) == Reason::kFormatTooNew) return Annotate(identity.status(), options_.directory);
  if (!identity.ok()) return Error(Reason::kShardDamaged, options_.directory + ": " + MessageOf(identity.status()));
  if (identity->shard != options_.shard || identity->data_dir_id != options_.data_dir_id) {
    return Error(Reason::kShardDamaged, options_.directory + ": is shard " + ToString(identity->shard) + " of data directory " +
                                            identity->data_dir_id.ToString() + ", not shard " + ToString(options_.shard) + " of " +
                                            options_.data_dir_id.ToString());
  }
  if (identity->kind != options_.kind) {
    const auto name = [](ShardKind kind) { return std::string(kind == ShardKind::kCompact ? "compact" : "log"); };
    return Error(Reason::kShardDamaged, options_.directory + ": is of kind " + name(identity->kind) + ", not " + name(options_.kind));
  }
  return absl::OkStatus();
}

Status ShardStore::LoadShardRecords() {
  CORDWOOD_ASSIGN_OR_RETURN(const std::int32_t floor, GetNumber<std::int32_t>(*db_, MetadataKind::kEpochFloor));
  epoch_floor_.store(floor, std::memory_order_relaxed);
  CORDWOOD_ASSIGN_OR_RETURN(const std::uint64_t next_id, GetNumber<std::uint64_t>(*db_, MetadataKind::kNextPartitionId));
  partition_ids_next_ = partition_ids_reserved_ = std::max<std::uint64_t>(next_id, 1);
  CORDWOOD_ASSIGN_OR_RETURN(const std::optional<std::string> clean_stop, GetRecord(*db_, MetadataKind::kCleanStop));
  recovery_.clean_stop = clean_stop.has_value();
  return absl::OkStatus();
}

// From here on the shard counts as running; a stop without Close() will be seen.
Status ShardStore::MarkOpened() {
  WriteGroup group;
  if (recovery_.clean_stop) {
    group.Delete(ShardKey(MetadataKind::kCleanStop).view());
  } else if (!recovery_.created) {
    StageEpochFloor(group, epoch_floor() + 1);
  }
  if (!group.empty()) CORDWOOD_RETURN_IF_ERROR(WriteDurably(group));
  synced_sequence_ = db_->GetLatestSequenceNumber();
  return WriteSyncedFile();
}

}  // namespace cordwood
