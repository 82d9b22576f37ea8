// SPDX-License-Identifier: Apache-2.0
// Positions and credit; every batch is checked before anybody sees a record of it.
#include "client/internal/fetch_core.h"

#include <algorithm>
#include <utility>

#include "client/internal/rpc_error.h"
#include "client/internal/stream_codec.h"
#include "storage/record/record_batch.h"

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

// The broker no longer has, in the epoch they came from, the records that lie just below our position.
Status Diverged(Offset next, const v1::Diverging& diverging) {
  return Error(Reason::kOffsetOutOfRange, "the log was cut at offset " + std::to_string(diverging.end_offset()) +
                                              " after records up to offset " + ToString(next) + " were read; what follows there now are other records");
}

}  // namespace

StatusOr<std::size_t> FetchCore::AddPartition(TopicId topic, PartitionIndex partition, Offset from) {
  if (in_use_ >= kFetchPartitionsMax) {
    return Error(Reason::kLimitExceeded, "one reader takes at most " + std::to_string(kFetchPartitionsMax) + " partitions");
  }
  ++in_use_;
  anything_changed_ = true;
  if (free_slots_.empty()) {
    partitions_.push_back(Partition{.topic = topic, .index = partition, .next = from});
    return partitions_.size() - 1;
  }
  const auto lowest = std::min_element(free_slots_.begin(), free_slots_.end());
  const std::size_t slot = *lowest;
  free_slots_.erase(lowest);
  // The number goes on, so that what is under way of the slot's last owner is known for late.
  partitions_[slot] = Partition{.topic = topic, .index = partition, .next = from, .position = partitions_[slot].position + 1};
  return slot;
}

void FetchCore::Seek(std::size_t slot, Offset to) {
  Partition& partition = partitions_[slot];
  partition.next = to;
  ++partition.position;
  partition.state = State::kActive;
  partition.last_epoch = kNoLeaderEpoch;
  partition.not_before = -absl::InfiniteDuration();
  partition.changed = anything_changed_ = true;
}

void FetchCore::StopSending(std::size_t slot, State state) {
  Partition& partition = partitions_[slot];
  ++partition.position;
  partition.state = state;
  partition.not_before = -absl::InfiniteDuration();
  partition.changed = partition.bound;
  anything_changed_ = anything_changed_ || partition.bound;
}

void FetchCore::Silence(std::size_t slot) { StopSending(slot, State::kSilent); }

void FetchCore::Remove(std::size_t slot) {
  if (partitions_[slot].state == State::kRemoved) return;
  StopSending(slot, State::kRemoved);
  --in_use_;
  if (!partitions_[slot].bound) free_slots_.push_back(slot);
}

void FetchCore::StreamOpened() {
  open_ = true;
  credit_out_ = 0;  // a new stream begins without credit
}

void FetchCore::StreamBroken() {
  open_ = false;
  for (std::size_t slot = 0; slot < partitions_.size(); ++slot) {
    Partition& partition = partitions_[slot];
    if (std::exchange(partition.bound, false) && partition.state == State::kRemoved) free_slots_.push_back(slot);
    partition.changed = partition.state == State::kActive;
    ++partition.position;  // of the broken stream nothing is late, but a number is never used twice
  }
  anything_changed_ = true;
}

void FetchCore::Consumed(std::size_t memory_bytes) { held_bytes_ -= static_cast<std::int64_t>(memory_bytes); }

absl::Duration FetchCore::retry_at() const {
  absl::Duration first = absl::InfiniteDuration();
  if (!open_ || !anything_changed_) return first;
  for (const Partition& partition : partitions_) {
    if (partition.changed) first = std::min(first, partition.not_before);
  }
  return first;
}

void FetchCore::AddChange(std::size_t slot, v1::FetchRequest* request) {
  Partition& partition = partitions_[slot];
  partition.changed = false;
  v1::FetchPartition* change = request->add_partitions();
  change->set_handle(static_cast<std::uint32_t>(slot + 1));
  change->set_position(partition.position);
  if (partition.state != State::kActive) {
    change->set_action(v1::FetchPartition::REMOVE);
    partition.bound = false;
    if (partition.state == State::kRemoved) free_slots_.push_back(slot);
    return;
  }
  if (!std::exchange(partition.bound, true)) {
    change->set_topic_id(std::string(partition.topic.raw()));
    change->set_partition(partition.index.value());
  }
  change->set_fetch_offset(partition.next.value());
  if (partition.last_epoch != kNoLeaderEpoch) change->set_last_fetched_epoch(partition.last_epoch.value());
  change->set_max_bytes(static_cast<std::int32_t>(options_.partition_bytes_max));
}

// Removals first: a partition that came back in another slot must not be removed with the old one. True if some are left for later.
bool FetchCore::AddChanges(absl::Duration now, v1::FetchRequest* request) {
  bool left = false;
  for (const bool active : {false, true}) {
    for (std::size_t slot = 0; slot < partitions_.size(); ++slot) {
      const Partition& partition = partitions_[slot];
      if (!partition.changed || (partition.state == State::kActive) != active) continue;
      if (partition.not_before > now || request->partitions_size() >= 10'000) {
        left = true;
      } else {
        AddChange(slot, request);
      }
    }
  }
  return left;
}

std::optional<v1::FetchRequest> FetchCore::NextRequest(absl::Duration now) {
  if (!open_) return std::nullopt;
  v1::FetchRequest request;
  if (anything_changed_) anything_changed_ = AddChanges(now, &request);
  // In quarters, so that not every chunk costs a message.
  const std::int64_t owed = credit_owed();
  if (owed > 0 && (owed >= static_cast<std::int64_t>(options_.credit_bytes / 4) || request.partitions_size() > 0)) {
    request.set_add_credit_bytes(static_cast<std::uint64_t>(owed));
    credit_out_ += owed;
  }
  if (request.partitions_size() == 0 && request.add_credit_bytes() == 0) return std::nullopt;
  request.set_seq(++seq_);
  return request;
}

// Moves the position over batches that are in order; CORRUPT_MESSAGE at the first that is not.
Status FetchCore::TakeBatches(Partition* partition, std::string_view batches, Offset cleaned_to) const {
  Offset next = partition->next;
  for (bool first = true; !batches.empty(); first = false) {
    CORDWOOD_ASSIGN_OR_RETURN(const RecordBatchView batch, RecordBatchView::TakeFirst(&batches));
    CORDWOOD_RETURN_IF_ERROR(batch.CheckCrc());
    const bool cleaned = batch.base_offset() > next && batch.base_offset() < cleaned_to;
    const bool follows = cleaned || (batch.base_offset() <= next && (first || batch.base_offset() == next));
    if (!follows || batch.end_offset() <= std::max(next, batch.base_offset())) return Hole(next, batch.base_offset());
    next = batch.end_offset();
    partition->last_epoch = batch.leader_epoch();
  }
  partition->next = next;
  return absl::OkStatus();
}

void FetchCore::ApplyResult(const v1::FetchResult& fields, std::string_view batches, const SharedBytes& message, absl::Duration now,
                            std::vector<FetchedChunk>* chunks) {
  const std::size_t slot = static_cast<std::size_t>(fields.handle()) - 1;
  if (slot >= partitions_.size() || partitions_[slot].position != fields.position() || partitions_[slot].state != State::kActive) {
    return;  // asked for before a seek
  }
  Partition& partition = partitions_[slot];
  FetchedChunk chunk;
  chunk.slot = slot;
  chunk.wanted = partition.next;
  chunk.high_watermark = Offset(fields.high_watermark());
  chunk.log_start = Offset(fields.log_start());
  chunk.status = fields.has_diverging() ? Diverged(partition.next, fields.diverging()) : WithLogEnds(fields.error());
  if (IsRetriable(chunk.status)) {
    partition.not_before = now + std::max(kRetryMin, RetryAfter(chunk.status));
    ++partition.position;
    partition.changed = anything_changed_ = true;
    if (ReasonOf(chunk.status) == Reason::kUnknownHandle) partition.bound = false;
    return;
  }
  Offset cleaned_to(-1);
  if (chunk.status.ok() && fields.has_gap() && fields.gap().to() > partition.next.value()) {
    // What a cleaner took lies between the batches; anything else is gone before the first of them.
    (fields.gap().reason() == v1::Gap::COMPACTION ? cleaned_to : partition.next) = Offset(fields.gap().to());
  }
  if (chunk.status.ok()) chunk.status = TakeBatches(&partition, batches, cleaned_to);
  if (!chunk.status.ok()) {
    partition.state = State::kSilent;
  } else {
    chunk.message = message;
    chunk.batches = batches;
  }
  chunk.next = partition.next;
  chunk.memory_bytes = sizeof(FetchedChunk) + chunk.batches.size();
  held_bytes_ += static_cast<std::int64_t>(chunk.memory_bytes);
  chunks->push_back(std::move(chunk));
}

Status FetchCore::Answered(const SharedBytes& message, absl::Duration now, std::vector<FetchedChunk>* chunks) {
  CORDWOOD_ASSIGN_OR_RETURN(const FetchResponseView response, ParseFetchResponse(message.view()));
  for (const FetchResultView& result : response.results) {
    credit_out_ -= static_cast<std::int64_t>(result.batches.size());
    ApplyResult(result.fields, result.batches, message, now, chunks);
  }
  return absl::OkStatus();
}

}  // namespace cordwood::client
