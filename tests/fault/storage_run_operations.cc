// SPDX-License-Identifier: Apache-2.0
// What a turn may do: each operation is staged in the log and in the model side by side.
#include <algorithm>
#include <utility>

#include "rocksdb/db.h"
#include "storage/shard/retention.h"
#include "tests/fault/storage_run.h"

namespace cordwood::testing {
namespace {

constexpr std::size_t kPartitionsMax = 6;
constexpr std::uint64_t kPartitionBytesMax = 200 * 1024;  // above it the log start moves
constexpr int kThrottledMax = 100;

}  // namespace

std::optional<PartitionId> StorageRun::AnyPartition() {
  if (next_.partitions.empty()) return std::nullopt;
  auto it = next_.partitions.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(dice_.Below(next_.partitions.size())));
  return it->first;
}

StatusOr<PartitionLog*> StorageRun::Log(PartitionId id) {
  std::unique_ptr<PartitionLog>& log = logs_[id];
  if (log == nullptr) {
    StatusOr<std::unique_ptr<PartitionLog>> opened = PartitionLog::Open(*store_, id, producer_limits_);
    if (!opened.ok()) return opened.status();
    log = *std::move(opened);
    CORDWOOD_RETURN_IF_ERROR(CheckLog(*log, *states_.back().Find(id)));
  }
  return log.get();
}

Status StorageRun::Turn() {
  next_ = states_.back();
  const bool many = only_os_ || dice_.OneIn(3);  // unsynced tails are to reach over several logs
  const std::uint64_t operations = 1 + dice_.Below(many ? 8 : 2);
  if (only_os_ && dice_.OneIn(6)) {
    PadLogToBlock();
    return CommitTurn();
  }
  for (std::uint64_t i = 0; i < operations && !off(); ++i) CORDWOOD_RETURN_IF_ERROR(StageOne());
  return CommitTurn();
}

// A group that fills the current block of the write-ahead log to its last byte, so that the next one's record begins with a block.
void StorageRun::PadLogToBlock() {
  constexpr std::size_t kRecordHeaderBytes = 7;
  constexpr char kKey[] = "\xFF\x7F";
  std::string newest;
  for (const std::string& name : disk_.List(shard_options_.directory)) {
    if (name.size() > 4 && name.substr(name.size() - 4) == ".log") newest = std::max(newest, shard_options_.directory + "/" + name);
  }
  if (newest.empty()) return;
  const std::size_t rest = kLogBlockBytes - disk_.Size(*disk_.Find(newest)) % kLogBlockBytes;
  group_.Put(kKey, std::string(200, 'p'));  // its length takes two bytes, as those below
  const std::size_t overhead = group_.bytes() - 200 + kRecordHeaderBytes;
  group_.Clear();
  if (rest < overhead + 200 || rest > overhead + 16'000) return;
  group_.Put(kKey, std::string(rest - overhead, 'p'));
}

Status StorageRun::StageOne() {
  const std::uint64_t kind = dice_.Below(100);
  const std::optional<PartitionId> id = AnyPartition();
  if (!id.has_value() || (kind < 5 && next_.partitions.size() < kPartitionsMax)) return CreatePartition();
  if (!states_.back().Find(*id) || closing_.contains(*id)) return absl::OkStatus();  // created or closed in this group
  const StatusOr<PartitionLog*> log = Log(*id);
  if (!log.ok()) return error_seen() || off() ? absl::OkStatus() : log.status();
  if (only_os_ && next_.Find(*id)->durable) return absl::OkStatus();
  const bool first_touch = touched_.insert(*id).second;
  if (first_touch && next_.Find(*id)->size_bytes() > kPartitionBytesMax) return MoveLogStart(*id);
  if (kind < 75 || !first_touch) return kind < 80 ? AppendEntry(*id) : absl::OkStatus();
  if (kind < 80) return MoveLogStart(*id);
  if (kind < 85) return Retain(*id);
  if (kind < 89) return Truncate(*id);
  if (kind < 92) {
    epoch_ = epoch_ + 1;
    (*log)->StageEpoch(group_, epoch_);
    PartitionModel& model = next_.Change(*id);
    model.AssignEpoch(epoch_, model.log_end);
    return absl::OkStatus();
  }
  if (kind < 96) {
    (*log)->StageRetentionMark(group_);
    return absl::OkStatus();
  }
  return kind < 99 ? ClosePartition(*id) : DeletePartition(*id);
}

Status StorageRun::CreatePartition() {
  const StatusOr<PartitionId> id = [&] {
    const BackgroundAllowed allowed(env_);
    return store_->ReservePartitionIds(1);
  }();
  if (off() || (!id.ok() && error_seen())) return absl::OkStatus();
  if (!id.ok()) return Violation("reserve a partition id: " + MessageOf(id.status()));
  if (*id <= last_id_) return Violation("partition id " + ToString(*id) + " was handed out before");
  last_id_ = *id;
  PartitionIdentity identity;
  identity.log_id.bytes[15] = static_cast<std::uint8_t>(id->value());
  identity.log_id.bytes[14] = static_cast<std::uint8_t>(id->value() >> 8);
  identity.created_ms = clock_.WallMs();
  PartitionLog::StageCreate(group_, *id, identity);
  auto model = std::make_shared<PartitionModel>();
  model->durable = dice_.OneIn(2);
  model->log_append_time = dice_.OneIn(4);
  model->log_id = identity.log_id;
  next_.partitions[*id] = std::move(model);
  return absl::OkStatus();
}

// Mostly what a producer should send next; now and then what it should not.
BatchPlan StorageRun::NextPlan(const PartitionModel& partition) {
  BatchPlan plan = PlanBatch(dice_, ++serial_, clock_.WallMs());
  const std::uint64_t kind = dice_.Below(20);
  if (kind < 7) return plan;
  const bool is_new = partition.producers.empty() || kind == 7;
  if (is_new) {
    plan.producer = {ProducerId(next_producer_++), ProducerEpoch(0), Sequence(dice_.OneIn(8) ? 3 : 0)};
    return plan;
  }
  auto it = partition.producers.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(dice_.Below(partition.producers.size())));
  const ModelProducer& producer = it->second;
  const ModelBatch& last = *producer.batches.back();
  const Sequence next = NextSequence(last.first_sequence, last.count);
  plan.producer = {it->first, producer.epoch, next};
  if (!producer.certain || kind == 8) {
    plan.producer.epoch = ProducerEpoch(static_cast<std::int16_t>(producer.epoch.value() + 1));
    plan.producer.base_sequence = Sequence(kind == 8 && producer.certain && dice_.OneIn(3) ? 1 : 0);
  } else if (kind == 9) {
    plan.producer.base_sequence = Sequence(next.value() + 2);
  } else if (kind == 10 && producer.epoch > ProducerEpoch(0)) {
    plan.producer.epoch = ProducerEpoch(static_cast<std::int16_t>(producer.epoch.value() - 1));
  } else if (kind == 11) {
    plan.producer.base_sequence = Sequence(0);  // long gone, or the first of the window
  } else if (kind < 14) {
    return plans_.at(producer.batches[dice_.Below(producer.batches.size())]->serial);
  }
  return plan;
}

Status StorageRun::AppendEntry(PartitionId id) {
  CORDWOOD_ASSIGN_OR_RETURN(PartitionLog* const log, Log(id));
  PartitionModel model = *next_.Find(id);
  const std::int64_t append_ms = std::max(clock_.WallMs(), model.last_append_ms());
  const std::uint64_t batches = dice_.OneIn(4) ? 2 + dice_.Below(2) : 1;
  std::vector<SharedBytes> values;
  std::vector<ModelVerdict> verdicts;
  std::vector<Offset> bases;
  std::vector<Acknowledged> appended;
  Reason refused = Reason::kNone;
  for (std::uint64_t i = 0; i < batches && refused == Reason::kNone; ++i) {
    const BatchPlan plan = NextPlan(model);
    ModelVerdict verdict;
    if (plan.producer.id != kNoProducerId) {
      verdict = ExpectedVerdict(model, plan.producer.id, plan.producer.epoch, plan.producer.base_sequence, plan.count);
    }
    values.push_back(MakeBatch(plan));
    verdicts.push_back(verdict);
    if (verdict.original != nullptr) {
      bases.push_back(verdict.original->base);
      // A duplicate of a batch of this very entry is answered after it; the broker never builds such an entry, so neither do we.
      if (verdict.original->base >= next_.Find(id)->log_end) return absl::OkStatus();
    } else if (verdict.reason != Reason::kNone) {
      refused = verdict.reason;
    } else {
      bases.push_back(model.log_end);
      auto batch = ModelOf(plan, model.log_end, epoch_, append_ms, model.log_append_time);
      batch->durable = model.durable;
      appended.push_back({plan.serial, model.durable});
      plans_[plan.serial] = plan;
      model.Append(std::move(batch), producer_limits_.expiration_ms);
    }
  }

  const StatusOr<StagedAppend> staged = log->StageAppend(group_, values, epoch_, clock_.WallMs(), model.log_append_time);
  const std::string name = "append to partition " + ToString(id) + " at " + ToString(next_.Find(id)->log_end);
  if (refused != Reason::kNone || !staged.ok()) {
    if (ReasonOf(staged.status()) == refused) return absl::OkStatus();
    return Violation(name + ": expected " + std::string(ReasonName(refused)) + ", got " + staged.status().ToString());
  }
  for (std::size_t i = 0; i < batches; ++i) {
    if (staged->base_offsets[i] != bases[i] || staged->duplicates[i] != (verdicts[i].original != nullptr)) {
      return Violation(name + ": batch " + std::to_string(i) + " got offset " + ToString(staged->base_offsets[i]) +
                       (staged->duplicates[i] ? " as a duplicate" : "") + ", expected " + ToString(bases[i]));
    }
  }
  Trace(name + " up to " + ToString(model.log_end));
  if (log->log_end() != model.log_end) return Violation(name + ": the log ends at " + ToString(log->log_end()));
  sync_wanted_ = sync_wanted_ || model.durable;
  written_.insert(written_.end(), appended.begin(), appended.end());
  next_.partitions[id] = std::make_shared<PartitionModel>(std::move(model));
  return absl::OkStatus();
}

Status StorageRun::MoveLogStart(PartitionId id) {
  CORDWOOD_ASSIGN_OR_RETURN(PartitionLog* const log, Log(id));
  const PartitionModel& before = *next_.Find(id);
  if (dice_.OneIn(10)) {
    const Offset wrong = dice_.OneIn(2) ? before.log_end + 1 : before.log_start - 1;
    if (ReasonOf(log->StageLogStart(group_, wrong)) != Reason::kOffsetOutOfRange) {
      return Violation("log start " + ToString(wrong) + " is taken");
    }
  }
  const Offset start = before.log_start + static_cast<std::int64_t>(dice_.Below(static_cast<std::uint64_t>(before.log_end - before.log_start) + 1));
  const Status staged = log->StageLogStart(group_, start);
  if (!staged.ok()) return off() || error_seen() ? absl::OkStatus() : Violation("move log start: " + MessageOf(staged));
  Trace("partition " + ToString(id) + ": log start " + ToString(before.log_start) + " -> " + ToString(start));
  next_.Change(id).SetLogStart(start);
  if (dice_.OneIn(2)) log->StageDropBelowStart(group_);
  return absl::OkStatus();
}

Status StorageRun::Retain(PartitionId id) {
  CORDWOOD_ASSIGN_OR_RETURN(PartitionLog* const log, Log(id));
  const PartitionModel& before = *next_.Find(id);
  RetentionQuery query{id, before.log_start, before.log_end, log->total_bytes(), {}};
  query.limits.retention_ms = dice_.OneIn(2) ? -1 : static_cast<std::int64_t>(dice_.Below(3000));
  query.limits.retention_bytes = dice_.OneIn(2) ? -1 : static_cast<std::int64_t>(dice_.Below(100'000));
  const StatusOr<std::optional<IndexEntry>> point = FindRetentionPoint(*store_, query, clock_.WallMs());
  if (!point.ok()) return off() || error_seen() ? absl::OkStatus() : Violation("retention: " + MessageOf(point.status()));
  if (!point->has_value()) return absl::OkStatus();
  const IndexEntry& entry = **point;
  const std::string name = "retention point " + ToString(entry.offset) + " of partition " + ToString(id);
  const std::optional<std::uint64_t> bytes_before = before.BytesBefore(entry.offset);
  if (entry.offset <= before.log_start || !bytes_before.has_value()) return Violation(name + " is not a batch boundary behind the start");
  if (entry.bytes_before != *bytes_before) return Violation(name + ": wrong count of bytes before it");
  const std::int64_t age_ms = clock_.WallMs() - before.AppendMsBefore(entry.offset);
  const bool by_time = query.limits.retention_ms >= 0 && age_ms > query.limits.retention_ms;
  const bool by_size = query.limits.retention_bytes >= 0 &&
                       before.total_bytes() - *bytes_before >= static_cast<std::uint64_t>(query.limits.retention_bytes);
  if (!by_time && !by_size) return Violation(name + ": neither old nor big enough");
  const Status staged = log->StageLogStart(group_, entry.offset);
  if (!staged.ok()) return off() || error_seen() ? absl::OkStatus() : Violation("retention: " + MessageOf(staged));
  Trace(name + ": log start was " + ToString(before.log_start));
  next_.Change(id).SetLogStart(entry.offset);
  log->StageDropBelowStart(group_);
  return absl::OkStatus();
}

Status StorageRun::Truncate(PartitionId id) {
  CORDWOOD_ASSIGN_OR_RETURN(PartitionLog* const log, Log(id));
  PartitionModel model = *next_.Find(id);
  const Offset end = dice_.OneIn(3) && !model.batches.empty()
                         ? std::max(model.log_start, model.batches[dice_.Below(model.batches.size())]->base)
                         : model.log_start + static_cast<std::int64_t>(dice_.Below(static_cast<std::uint64_t>(model.log_end - model.log_start) + 1));
  epoch_ = epoch_ + 1;
  const EpochStart new_epoch{epoch_, end};
  Trace("partition " + ToString(id) + ": truncate [" + ToString(model.log_start) + ", " + ToString(model.log_end) + ") to " + ToString(end));
  const StatusOr<Offset> truncated = log->StageTruncate(group_, end, new_epoch);
  if (!truncated.ok()) return off() || error_seen() ? absl::OkStatus() : Violation("truncate: " + MessageOf(truncated.status()));
  model.Truncate(end, new_epoch);
  if (*truncated != model.log_end) {
    return Violation("truncate partition " + ToString(id) + " to " + ToString(end) + ": ends at " + ToString(*truncated) + ", expected " +
                     ToString(model.log_end));
  }
  next_.partitions[id] = std::make_shared<PartitionModel>(std::move(model));
  return absl::OkStatus();
}

Status StorageRun::ClosePartition(PartitionId id) {
  CORDWOOD_ASSIGN_OR_RETURN(PartitionLog* const log, Log(id));
  Trace("partition " + ToString(id) + ": close at " + ToString(log->log_end()));
  log->StageClose(group_, log->log_end());
  closing_.insert(id);
  return absl::OkStatus();
}

Status StorageRun::DeletePartition(PartitionId id) {
  logs_.erase(id);
  PartitionLog::StageDelete(group_, id);
  next_.partitions.erase(id);
  return absl::OkStatus();
}

Status StorageRun::CommitTurn() {
  const bool empty = group_.empty();
  for (const auto& [id, log] : logs_) {
    if (!touched_.contains(id) || log == nullptr) continue;
    next_.Change(id).producer_state = log->producers().Encode(log->log_end());
  }
  Status committed = store_->Commit(group_);
  for (int i = 0; i < kThrottledMax && ReasonOf(committed) == Reason::kThrottled; ++i) {
    env_.RunBackground();
    committed = store_->Commit(group_);
  }
  next_.sequence = store_->db().GetLatestSequenceNumber();
  if (!empty) states_.push_back(next_);
  touched_.clear();
  if (off()) return absl::OkStatus();
  if (!committed.ok() && error_seen() && ReasonOf(committed) == Reason::kPoisoned) return absl::OkStatus();
  if (!committed.ok()) return Violation("commit: " + MessageOf(committed));
  ++counts_.commits;
  committed_ = states_.size() - 1;
  return AfterCommit();
}

Status StorageRun::AfterCommit() {
  for (const PartitionId id : closing_) logs_.erase(id);
  closing_.clear();
  for (auto& [id, log] : logs_) {
    if (log != nullptr) log->OnCommitted();
  }
  for (const Acknowledged& batch : written_) {
    if (!batch.durable) acknowledged_.push_back(batch);
  }
  std::erase_if(written_, [](const Acknowledged& batch) { return !batch.durable; });
  if (sync_wanted_ || dice_.OneIn(only_os_ ? 100 : 10)) CORDWOOD_RETURN_IF_ERROR(SyncTurn());
  sync_wanted_ = false;
  for (const auto& [id, log] : logs_) {
    if (log == nullptr) continue;
    if (const Status invariants = log->Invariants(); !invariants.ok()) return Violation("invariants: " + MessageOf(invariants));
  }
  return absl::OkStatus();
}

Status StorageRun::SyncTurn() {
  const Status synced = store_->Sync();
  if (off()) return absl::OkStatus();
  if (!synced.ok() && error_seen() && ReasonOf(synced) == Reason::kPoisoned) return absl::OkStatus();
  if (!synced.ok()) return Violation("sync: " + MessageOf(synced));
  ++counts_.syncs;
  for (auto& [id, log] : logs_) {
    if (log != nullptr) log->OnSynced();
  }
  stable_ = committed_;
  acknowledged_.insert(acknowledged_.end(), written_.begin(), written_.end());
  written_.clear();
  return absl::OkStatus();
}

}  // namespace cordwood::testing
