// SPDX-License-Identifier: Apache-2.0
// Positions and credit; every batch is checked before anybody sees a record of it.
#include "client/internal/fetch_core.h"

#include <algorithm>
#include <utility>

#include "client/internal/rpc_error.h"
#include "client/internal/stream_codec.h"
#include "storage/record/record_batch.h"
#include "storage/record/record_reader.h"

namespace cordwood::client {
namespace {

constexpr absl::Duration kRetryMin = absl::Milliseconds(100);

Status Hole(Offset expected, Offset found) {
  return Error(Reason::kCorruptMessage, "expected offset " + ToString(expected) + ", the broker sent a batch that begins at " + ToString(found));
}

// The broker's message names both ends of the log where the reason is about offsets; some brokers only fill the fields.
Status WithLogEnds(const v1::EntryError& error) {
  const Status status = FromEntryError(error);
  if (ReasonOf(status) != Reason::kOffsetOutOfRange || !error.message().empty()) return status;
  return Error(Reason::kOffsetOutOfRange, "the log starts at " + std::to_string(error.log_start()) + " and ends at " + std::to_string(error.log_end()));
}

}  // namespace

Status ForEachRecord(const FetchedChunk& chunk, const std::function<bool(const RecordView&, LeaderEpoch)>& each) {
  std::string_view rest = chunk.batches;
  RecordView record;
  while (!rest.empty()) {
    CORDWOOD_ASSIGN_OR_RETURN(const RecordBatchView batch, RecordBatchView::TakeFirst(&rest));
    if (batch.is_control() || batch.end_offset() <= chunk.wanted) continue;
    RecordReader reader(batch);
    CORDWOOD_RETURN_IF_ERROR(reader.Open());
    while (true) {
      CORDWOOD_ASSIGN_OR_RETURN(const bool more, reader.Next(&record));
      if (!more) break;
      if (record.offset < chunk.wanted) continue;
      if (!each(record, batch.leader_epoch())) return absl::OkStatus();
    }
  }
  return absl::OkStatus();
}

std::size_t FetchCore::AddPartition(TopicId topic, PartitionIndex partition, Offset from) {
  partitions_.push_back(Partition{topic, partition, from});
  anything_changed_ = true;
  return partitions_.size() - 1;
}

void FetchCore::Seek(std::size_t slot, Offset to) {
  Partition& partition = partitions_[slot];
  partition.next = to;
  ++partition.position;
  partition.state = State::kActive;
  partition.changed = anything_changed_ = true;
}

void FetchCore::Remove(std::size_t slot) {
  Partition& partition = partitions_[slot];
  if (partition.state == State::kRemoved) return;
  ++partition.position;
  partition.state = State::kRemoved;
  partition.changed = partition.bound;
  anything_changed_ = anything_changed_ || partition.bound;
}

void FetchCore::StreamOpened() {
  open_ = true;
  credit_owed_ = options_.credit_bytes;  // a new stream begins without credit
}

void FetchCore::StreamBroken() {
  open_ = false;
  for (Partition& partition : partitions_) {
    partition.bound = false;
    partition.changed = partition.state == State::kActive;
    ++partition.position;  // of the broken stream nothing is late, but a number is never used twice
  }
  anything_changed_ = true;
}

void FetchCore::Consumed(std::size_t bytes) { credit_owed_ += bytes; }

absl::Duration FetchCore::retry_at() const {
  absl::Duration first = absl::InfiniteDuration();
  if (!open_ || !anything_changed_) return first;
  for (const Partition& partition : partitions_) {
    if (partition.changed) first = std::min(first, partition.not_before);
  }
  return first;
}

std::optional<v1::FetchRequest> FetchCore::NextRequest(absl::Duration now) {
  if (!open_) return std::nullopt;
  v1::FetchRequest request;
  if (anything_changed_) {
    bool left = false;
    for (std::size_t slot = 0; slot < partitions_.size(); ++slot) {
      Partition& partition = partitions_[slot];
      if (!partition.changed) continue;
      if (partition.not_before > now || request.partitions_size() >= 10'000) {
        left = true;
        continue;
      }
      partition.changed = false;
      v1::FetchPartition* change = request.add_partitions();
      change->set_handle(static_cast<std::uint32_t>(slot + 1));
      if (!std::exchange(partition.bound, true)) {
        change->set_topic_id(std::string(partition.topic.raw()));
        change->set_partition(partition.index.value());
      }
      change->set_position(partition.position);
      change->set_fetch_offset(partition.next.value());
      change->set_max_bytes(static_cast<std::int32_t>(options_.partition_bytes_max));
      change->set_action(partition.state == State::kRemoved ? v1::FetchPartition::REMOVE : v1::FetchPartition::SET);
      if (partition.state == State::kRemoved) partition.bound = false;
    }
    anything_changed_ = left;
  }
  // In quarters, so that not every chunk costs a message.
  if (credit_owed_ >= options_.credit_bytes / 4 || (request.partitions_size() > 0 && credit_owed_ > 0)) {
    request.set_add_credit_bytes(std::exchange(credit_owed_, 0));
  }
  if (request.partitions_size() == 0 && request.add_credit_bytes() == 0) return std::nullopt;
  request.set_seq(++seq_);
  return request;
}

// Moves the position over batches that are in order; CORRUPT_MESSAGE at the first that is not.
Status FetchCore::TakeBatches(Partition* partition, std::string_view batches) const {
  Offset next = partition->next;
  for (bool first = true; !batches.empty(); first = false) {
    CORDWOOD_ASSIGN_OR_RETURN(const RecordBatchView batch, RecordBatchView::TakeFirst(&batches));
    CORDWOOD_RETURN_IF_ERROR(batch.CheckCrc());
    if (batch.base_offset() > next || batch.end_offset() <= next || (!first && batch.base_offset() != next)) {
      return Hole(next, batch.base_offset());
    }
    next = batch.end_offset();
  }
  partition->next = next;
  return absl::OkStatus();
}

void FetchCore::ApplyResult(const v1::FetchResult& fields, std::string_view batches, const SharedBytes& message, absl::Duration now,
                            std::vector<FetchedChunk>* chunks) {
  const std::size_t slot = static_cast<std::size_t>(fields.handle()) - 1;
  if (slot >= partitions_.size() || partitions_[slot].position != fields.position() || partitions_[slot].state != State::kActive) {
    return Consumed(batches.size());  // asked for before a seek
  }
  Partition& partition = partitions_[slot];
  FetchedChunk chunk{slot, {}, {}, partition.next, partition.next, Offset(fields.high_watermark()), Offset(fields.log_start()), absl::OkStatus()};
  chunk.status = WithLogEnds(fields.error());
  if (IsRetriable(chunk.status)) {
    partition.not_before = now + std::max(kRetryMin, RetryAfter(chunk.status));
    ++partition.position;
    partition.changed = anything_changed_ = true;
    if (ReasonOf(chunk.status) == Reason::kUnknownHandle) partition.bound = false;
    return Consumed(batches.size());
  }
  if (chunk.status.ok() && fields.has_gap() && fields.gap().to() > partition.next.value()) partition.next = Offset(fields.gap().to());
  if (chunk.status.ok()) chunk.status = TakeBatches(&partition, batches);
  if (!chunk.status.ok()) {
    partition.state = State::kSilent;
    Consumed(batches.size());
  } else {
    chunk.message = message;
    chunk.batches = batches;
  }
  chunk.next = partition.next;
  chunks->push_back(std::move(chunk));
}

Status FetchCore::Answered(const SharedBytes& message, absl::Duration now, std::vector<FetchedChunk>* chunks) {
  CORDWOOD_ASSIGN_OR_RETURN(const FetchResponseView response, ParseFetchResponse(message.view()));
  for (const FetchResultView& result : response.results) ApplyResult(result.fields, result.batches, message, now, chunks);
  return absl::OkStatus();
}

}  // namespace cordwood::client
