// SPDX-License-Identifier: Apache-2.0
// The rules of the log, written down once more and as plainly as possible.
#include "tests/fault/log_model.h"

#include <algorithm>
#include <utility>

#include "storage/base/check.h"
#include "storage/record/record_batch.h"

namespace cordwood::testing {
namespace {

constexpr std::size_t kWindow = 5;

void RememberProducer(PartitionModel& partition, const PartitionModel::Batch& batch, std::int64_t expiration_ms) {
  partition.producer_clock_ms = std::max(partition.producer_clock_ms, batch->append_ms);
  if (batch->producer != kNoProducerId) {
    ModelProducer& producer = partition.producers[batch->producer];
    if (producer.epoch != batch->producer_epoch) producer.batches.clear();
    producer.epoch = batch->producer_epoch;
    producer.certain = true;
    producer.last_append_ms = partition.producer_clock_ms;
    producer.batches.push_back(batch);
    if (producer.batches.size() > kWindow) producer.batches.erase(producer.batches.begin());
  }
  std::erase_if(partition.producers, [&](const auto& entry) {
    return entry.second.certain && partition.producer_clock_ms - entry.second.last_append_ms > expiration_ms;
  });
}

}  // namespace

void PartitionModel::Append(Batch batch, std::int64_t producer_expiration_ms) {
  CORDWOOD_CHECK(batch->base == log_end);
  AssignEpoch(batch->epoch, log_end);
  log_end = batch->end();
  RememberProducer(*this, batch, producer_expiration_ms);
  batches.push_back(std::move(batch));
}

void PartitionModel::AssignEpoch(LeaderEpoch epoch, Offset start) {
  if (!epochs.empty() && epoch <= epochs.back().epoch) return;
  while (!epochs.empty() && epochs.back().start >= start) epochs.pop_back();
  epochs.push_back({epoch, start});
}

void PartitionModel::SetLogStart(Offset start) {
  log_start = std::max(log_start, start);
  std::size_t gone = 0;
  while (gone < batches.size() && batches[gone]->end() <= log_start) {
    bytes_before += batches[gone]->bytes.size();
    for (const std::int64_t timestamp : batches[gone]->timestamps) max_timestamp_before_ms = std::max(max_timestamp_before_ms, timestamp);
    append_before_ms = batches[gone]->append_ms;
    ++gone;
  }
  batches.erase(batches.begin(), batches.begin() + static_cast<std::ptrdiff_t>(gone));
  while (epochs.size() > 1 && epochs[1].start <= log_start) epochs.erase(epochs.begin());
  if (!epochs.empty() && epochs.front().start < log_start) epochs.front().start = log_start;
}

void PartitionModel::Truncate(Offset end, EpochStart new_epoch) {
  if (end < log_end) {
    while (!batches.empty() && batches.back()->end() > end) batches.pop_back();
    log_end = batches.empty() ? log_start : std::max(batches.back()->end(), log_start);
    while (!epochs.empty() && epochs.back().start >= log_end) epochs.pop_back();
    for (auto& [id, producer] : producers) producer.certain = false;
  }
  AssignEpoch(new_epoch.epoch, std::max(new_epoch.start, log_end));
}

std::uint64_t PartitionModel::size_bytes() const {
  std::uint64_t bytes = 0;
  for (const Batch& batch : batches) bytes += batch->bytes.size();
  return bytes;
}

std::int64_t PartitionModel::max_timestamp_ms() const {
  std::int64_t max_ms = max_timestamp_before_ms;
  for (const Batch& batch : batches) {
    for (const std::int64_t timestamp : batch->timestamps) max_ms = std::max(max_ms, timestamp);
  }
  return max_ms;
}

std::optional<std::uint64_t> PartitionModel::BytesBefore(Offset offset) const {
  std::uint64_t bytes = bytes_before;
  for (const Batch& batch : batches) {
    if (batch->base == offset) return bytes;
    bytes += batch->bytes.size();
  }
  if (offset == log_end) return bytes;
  return std::nullopt;
}

std::int64_t PartitionModel::AppendMsBefore(Offset offset) const {
  std::int64_t append_ms = append_before_ms;
  for (const Batch& batch : batches) {
    if (batch->end() <= offset) append_ms = batch->append_ms;
  }
  return append_ms;
}

std::optional<PartitionModel::Hit> PartitionModel::FindTimestamp(Offset end, std::int64_t timestamp_ms) const {
  for (const Batch& batch : batches) {
    for (std::int32_t i = 0; i < batch->count; ++i) {
      const Offset offset = batch->base + i;
      if (offset < log_start || offset >= end) continue;
      const std::int64_t timestamp = batch->timestamps[static_cast<std::size_t>(i)];
      if (timestamp >= timestamp_ms) return Hit{offset, timestamp};
    }
  }
  return std::nullopt;
}

std::size_t PartitionModel::IndexOf(Offset offset) const {
  for (std::size_t i = 0; i < batches.size(); ++i) {
    if (batches[i]->base <= offset && offset < batches[i]->end()) return i;
  }
  return batches.size();
}

const PartitionModel* ShardModel::Find(PartitionId id) const {
  const auto it = partitions.find(id);
  return it == partitions.end() ? nullptr : it->second.get();
}

PartitionModel& ShardModel::Change(PartitionId id) {
  auto copy = std::make_shared<PartitionModel>(*partitions.at(id));
  PartitionModel& changed = *copy;
  partitions[id] = std::move(copy);
  return changed;
}

std::size_t ShardModel::batches() const {
  std::size_t count = 0;
  for (const auto& [id, partition] : partitions) count += partition->batches.size();
  return count;
}

ModelVerdict ExpectedVerdict(const PartitionModel& partition, ProducerId id, ProducerEpoch epoch, Sequence first, std::int32_t count) {
  const auto it = partition.producers.find(id);
  if (it == partition.producers.end()) return {first == Sequence(0) ? Reason::kNone : Reason::kUnknownProducerId, nullptr, true};
  const ModelProducer& producer = it->second;
  if (epoch < producer.epoch) return {Reason::kInvalidProducerEpoch, nullptr, producer.certain};
  if (epoch > producer.epoch) return {first == Sequence(0) ? Reason::kNone : Reason::kOutOfOrderSequence, nullptr, producer.certain};
  for (const PartitionModel::Batch& batch : producer.batches) {
    if (batch->first_sequence == first && batch->count == count) return {Reason::kDuplicateSequence, batch, producer.certain};
  }
  const ModelBatch& last = *producer.batches.back();
  const Sequence next = NextSequence(last.first_sequence, last.count);
  if (first == next) return {Reason::kNone, nullptr, producer.certain};
  // The runs never come near the wrap of the sequence numbers.
  const bool behind = first.value() + count - 1 < next.value();
  return {behind ? Reason::kDuplicateSequence : Reason::kOutOfOrderSequence, nullptr, producer.certain};
}

}  // namespace cordwood::testing
