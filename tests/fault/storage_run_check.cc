// SPDX-License-Identifier: Apache-2.0
// Everything visible, compared: reads, times and ends while running; the whole shard at each opening.
#include <algorithm>
#include <unordered_map>
#include <utility>

#include "storage/log/side_header.h"
#include "storage/shard/log_reader.h"
#include "storage/shard/partition_catalog.h"
#include "tests/fault/storage_run.h"

namespace cordwood::testing {

Status StorageRun::CheckLog(const PartitionLog& log, const PartitionModel& model) const {
  const std::string name = "partition " + ToString(log.id()) + ": ";
  if (const Status invariants = log.Invariants(); !invariants.ok()) return Violation(name + MessageOf(invariants));
  const auto differs = [&](const std::string& what, auto found, auto expected) {
    return Violation(name + what + " is " + std::to_string(found) + ", expected " + std::to_string(expected));
  };
  if (log.log_start() != model.log_start) return differs("log start", log.log_start().value(), model.log_start.value());
  if (log.log_end() != model.log_end) return differs("log end", log.log_end().value(), model.log_end.value());
  if (log.total_bytes() != model.total_bytes()) return differs("total bytes", log.total_bytes(), model.total_bytes());
  if (log.size_bytes() != model.size_bytes()) return differs("size", log.size_bytes(), model.size_bytes());
  if (log.last_append_ms() != model.last_append_ms()) return differs("last append", log.last_append_ms(), model.last_append_ms());
  if (log.max_timestamp_ms() != model.max_timestamp_ms()) {
    return differs("max timestamp", log.max_timestamp_ms(), model.max_timestamp_ms());
  }
  if (log.epochs().entries() != model.epochs) {
    std::string found;
    std::string expected;
    for (const EpochStart& entry : log.epochs().entries()) found += " " + ToString(entry.epoch) + "@" + ToString(entry.start);
    for (const EpochStart& entry : model.epochs) expected += " " + ToString(entry.epoch) + "@" + ToString(entry.start);
    return Violation(name + "epochs are" + found + ", expected" + expected);
  }
  if (!model.producer_state.empty() && log.producers().Encode(log.log_end()) != model.producer_state) {
    return Violation(name + "the producers rebuilt from snapshot and log are not what they were (" +
                     std::to_string(log.producers().size()) + " now, " + std::to_string((model.producer_state.size() - 20) / 99) +
                     " or more before)");
  }
  return absl::OkStatus();
}

Status StorageRun::CheckReads() {
  const ShardModel& model = states_.back();
  if (model.partitions.empty()) return absl::OkStatus();
  auto it = model.partitions.begin();
  std::advance(it, static_cast<std::ptrdiff_t>(dice_.Below(model.partitions.size())));
  CORDWOOD_RETURN_IF_ERROR(CheckRead(it->first, *it->second));
  if (dice_.OneIn(2)) CORDWOOD_RETURN_IF_ERROR(CheckTimestamps(it->first, *it->second));
  const auto log = logs_.find(it->first);
  return log == logs_.end() || log->second == nullptr ? absl::OkStatus() : CheckLog(*log->second, *it->second);
}

Status StorageRun::CheckRead(PartitionId id, const PartitionModel& model) {
  ReadRange range;
  range.from = model.log_start + static_cast<std::int64_t>(dice_.Below(static_cast<std::uint64_t>(model.log_end - model.log_start) + 1));
  range.end = dice_.OneIn(3) ? range.from + static_cast<std::int64_t>(dice_.Below(static_cast<std::uint64_t>(model.log_end - range.from) + 1))
                             : model.log_end;
  range.bytes_max = dice_.OneIn(2) ? 1 + dice_.Below(20'000) : 1 << 20;
  const std::string name = "read partition " + ToString(id) + " [" + ToString(range.from) + ", " + ToString(range.end) + ")";
  const StatusOr<ReadResult> read = LogReader(*store_).Read(id, range);
  if (!read.ok()) return off() || error_seen() ? absl::OkStatus() : Violation(name + ": " + MessageOf(read.status()));
  std::string expected;
  Offset next = range.from;
  if (range.from < range.end) {
    for (std::size_t i = model.IndexOf(range.from); i < model.batches.size(); ++i) {
      const ModelBatch& batch = *model.batches[i];
      if (batch.end() > range.end || (!expected.empty() && expected.size() + batch.bytes.size() > range.bytes_max)) break;
      expected += batch.bytes;
      next = batch.end();
    }
  }
  if (read->batches.view() == expected && read->next == next) return absl::OkStatus();
  if (error_seen() && expected.compare(0, read->batches.size(), read->batches.view()) == 0 && !read->batches.empty()) return absl::OkStatus();
  return Violation(name + ": got " + std::to_string(read->batches.size()) + " bytes up to " + ToString(read->next) + ", expected " +
                   std::to_string(expected.size()) + " up to " + ToString(next));
}

Status StorageRun::CheckTimestamps(PartitionId id, const PartitionModel& model) {
  const std::int64_t asked = clock_.WallMs() - static_cast<std::int64_t>(dice_.Below(5000)) + 200;
  const StatusOr<std::optional<TimestampHit>> hit = LogReader(*store_).FindTimestamp(id, model.log_start, model.log_end, asked);
  if (!hit.ok()) return off() || error_seen() ? absl::OkStatus() : Violation("find timestamp: " + MessageOf(hit.status()));
  const std::optional<PartitionModel::Hit> expected = model.FindTimestamp(model.log_end, asked);
  const auto text = [](const auto& found) {
    return found.has_value() ? ToString(found->offset) + " (" + std::to_string(found->timestamp_ms) + ")" : std::string("none");
  };
  if (text(*hit) == text(expected)) return absl::OkStatus();
  return Violation("partition " + ToString(id) + ": first record from " + std::to_string(asked) + " on is " + text(*hit) + ", expected " +
                   text(expected));
}

StatusOr<StorageRun::Observed> StorageRun::Observe() {
  Observed observed;
  CORDWOOD_ASSIGN_OR_RETURN(const std::vector<PartitionStub> stubs, ReadPartitionStubs(*store_));
  for (const PartitionStub& stub : stubs) {
    CORDWOOD_ASSIGN_OR_RETURN(logs_[stub.id], PartitionLog::Open(*store_, stub.id, producer_limits_));
    const PartitionLog& log = *logs_[stub.id];
    ObservedPartition& partition = observed[stub.id];
    partition = {log.identity().log_id, log.log_start(), log.log_end(), log.epochs().entries(), {}};
    Offset at = log.log_start();
    while (at < log.log_end()) {
      CORDWOOD_ASSIGN_OR_RETURN(const ReadResult read, LogReader(*store_).Read(stub.id, {at, log.log_end(), 64 * 1024}));
      if (read.next <= at) return Error(Reason::kStorageError, "partition " + ToString(stub.id) + ": nothing to read at " + ToString(at));
      partition.bytes += read.batches.view();
      at = read.next;
    }
    for (std::string_view rest = partition.bytes; !rest.empty();) {
      CORDWOOD_ASSIGN_OR_RETURN(const RecordBatchView batch, RecordBatchView::TakeFirst(&rest));
      CORDWOOD_RETURN_IF_ERROR(batch.CheckCrc());
    }
  }
  return observed;
}

bool StorageRun::Equal(const ShardModel& model, const Observed& observed) {
  if (model.partitions.size() != observed.size()) return false;
  for (const auto& [id, partition] : model.partitions) {
    const auto it = observed.find(id);
    if (it == observed.end() || it->second.log_id != partition->log_id) return false;
    if (it->second.log_start != partition->log_start || it->second.log_end != partition->log_end) return false;
    if (it->second.epochs != partition->epochs) return false;
    std::string_view rest = it->second.bytes;
    for (const PartitionModel::Batch& batch : partition->batches) {
      if (rest.substr(0, batch->bytes.size()) != batch->bytes) return false;
      rest.remove_prefix(batch->bytes.size());
    }
    if (!rest.empty()) return false;
  }
  return true;
}

// The recovered shard must be one of the states between what was promised and what was written.
Status StorageRun::MatchAndAdopt() {
  const StatusOr<Observed> observed = Observe();
  if (!observed.ok()) return Violation("read all after opening: " + MessageOf(observed.status()));
  const std::size_t floor = power_was_lost_ ? stable_ : committed_;
  std::size_t found = states_.size();
  while (found > floor && !Equal(states_[found - 1], *observed)) --found;
  if (found == floor) return Mismatch(*observed, floor);
  const std::size_t adopted = found - 1;
  Trace("found state " + std::to_string(adopted) + " of " + std::to_string(states_.size()) + ", promised " + std::to_string(floor));
  counts_.groups_lost += committed_ > adopted ? committed_ - adopted : 0;
  const ShardModel model = states_[adopted];
  Settle(model);
  states_ = {model};
  stable_ = committed_ = 0;
  power_was_lost_ = false;

  LeaderEpoch stored{-1};
  for (const auto& [id, partition] : model.partitions) {
    CORDWOOD_RETURN_IF_ERROR(CheckLog(*logs_[id], *partition));
    if (!partition->epochs.empty()) stored = std::max(stored, partition->epochs.back().epoch);
  }
  const LeaderEpoch floor_now = store_->epoch_floor();
  const RecoveryReport& recovery = store_->recovery();
  if (stopped_cleanly_ && !recovery.clean_stop) return Violation("a clean stop is not seen as one");
  const bool raised = !recovery.clean_stop && !recovery.created;
  if (floor_now < stored + (raised ? 1 : 0) || floor_now < floor_seen_ + (raised ? 1 : 0)) {
    return Violation("epoch floor " + ToString(floor_now) + " after " + ToString(floor_seen_) + ", stored " + ToString(stored));
  }
  floor_seen_ = floor_now;
  epoch_ = std::max(epoch_ + 1, floor_now);
  stopped_cleanly_ = false;
  return absl::OkStatus();
}

// An acknowledged batch is there, or a later state in which it was removed is what was found.
void StorageRun::Settle(const ShardModel& adopted) {
  std::unordered_map<std::uint64_t, int> present;
  for (const auto& [id, partition] : adopted.partitions) {
    for (const PartitionModel::Batch& batch : partition->batches) ++present[batch->serial];
  }
  for (const Acknowledged& batch : acknowledged_) {
    if (power_was_lost_ && !batch.durable) continue;
    ++counts_.acknowledged;
    ++(present.contains(batch.serial) ? counts_.found : counts_.removed);
  }
  acknowledged_.clear();
}

// Says what kind of mismatch it is, judged by the bytes that no broker changes.
Status StorageRun::Mismatch(const Observed& observed, std::size_t floor) {
  std::unordered_map<std::string, int> seen;
  std::uint64_t lost = 0;
  std::uint64_t doubled = 0;
  std::uint64_t moved = 0;
  std::uint64_t altered = 0;
  std::unordered_map<std::string, Offset> written;
  for (const ShardModel& state : states_) {
    for (const auto& [id, partition] : state.partitions) {
      for (const PartitionModel::Batch& batch : partition->batches) {
        written[ToString(id) + ":" + batch->bytes.substr(kBatchCrcStart)] = batch->base;
      }
    }
  }
  std::string where;
  for (const auto& [id, partition] : observed) {
    where += " " + ToString(id) + ":[" + ToString(partition.log_start) + "," + ToString(partition.log_end) + ")";
    for (std::string_view rest = partition.bytes; !rest.empty();) {
      const StatusOr<RecordBatchView> batch = RecordBatchView::TakeFirst(&rest);
      if (!batch.ok()) break;
      const std::string key = ToString(id) + ":" + std::string(batch->bytes().substr(kBatchCrcStart));
      if (++seen[key] > 1) ++doubled;
      const auto it = written.find(key);
      if (it == written.end()) {
        ++altered;
      } else if (it->second != batch->base_offset()) {
        ++moved;
      }
    }
  }
  std::string promised;
  for (const auto& [id, partition] : states_[floor].partitions) {
    promised += " " + ToString(id) + ":[" + ToString(partition->log_start) + "," + ToString(partition->log_end) + ")";
    for (const PartitionModel::Batch& batch : partition->batches) {
      if (!seen.contains(ToString(id) + ":" + batch->bytes.substr(kBatchCrcStart))) ++lost;
    }
  }
  counts_.lost += lost;
  counts_.doubled += doubled;
  counts_.reordered += moved;
  counts_.altered += altered;
  return Violation("the recovered shard is none of the " + std::to_string(states_.size() - floor) + " states it may be: of what was promised " +
                   std::to_string(lost) + " batches lost, " + std::to_string(moved) + " reordered, " + std::to_string(doubled) +
                   " doubled, " + std::to_string(altered) + " altered; found" + where + "; promised" + promised);
}

}  // namespace cordwood::testing
