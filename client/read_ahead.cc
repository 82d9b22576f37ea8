// SPDX-License-Identifier: Apache-2.0
// Chunks to records; what pausing keeps.
#include "client/read_ahead.h"

#include <algorithm>
#include <utility>

namespace cordwood::client {
namespace {

// Of a message that other partitions share, a partition that is set aside keeps its own part alone.
void KeepOwnPart(FetchedChunk* chunk) {
  if (chunk->message.size() < 2 * chunk->batches.size()) return;
  chunk->message = SharedBytes::CopyOf(chunk->batches);
  chunk->batches = chunk->message.view();
}

}  // namespace

void ReadAhead::Start(std::size_t slot, TopicPartition partition, Offset position) {
  if (slot >= slots_.size()) slots_.resize(slot + 1);
  slots_[slot] = Slot{std::make_shared<const TopicPartition>(std::move(partition)), position, false, {}};
}

void ReadAhead::Stop(std::size_t slot) {
  Drop(slot);
  slots_[slot] = Slot{};
}

void ReadAhead::Drop(std::size_t slot) {
  if (!ready_.empty() && ready_.front().slot == slot) open_.reset();
  std::erase_if(ready_, [&](const FetchedChunk& chunk) {
    if (chunk.slot == slot) Done(chunk);
    return chunk.slot == slot;
  });
  for (const FetchedChunk& chunk : slots_[slot].aside) {
    paused_bytes_ -= chunk.memory_bytes;
    Done(chunk);
  }
  slots_[slot].aside.clear();
}

void ReadAhead::Seek(std::size_t slot, Offset position) {
  Drop(slot);
  slots_[slot].position = position;
}

void ReadAhead::Pause(std::size_t slot) {
  Slot& paused = slots_[slot];
  if (std::exchange(paused.paused, true)) return;
  std::size_t bytes = 0;
  for (const FetchedChunk& chunk : ready_) bytes += chunk.slot == slot ? chunk.memory_bytes : 0;
  if (paused_bytes_ + bytes > paused_bytes_max_) return Drop(slot);
  // Read again from its beginning, and past what was taken already.
  if (!ready_.empty() && ready_.front().slot == slot) open_.reset();
  paused_bytes_ += bytes;
  std::erase_if(ready_, [&](FetchedChunk& chunk) {
    if (chunk.slot != slot) return false;
    KeepOwnPart(&chunk);
    paused.aside.push_back(std::move(chunk));
    return true;
  });
}

std::optional<Offset> ReadAhead::Resume(std::size_t slot) {
  Slot& resumed = slots_[slot];
  resumed.paused = false;
  std::optional<Offset> end = resumed.position;
  for (FetchedChunk& chunk : resumed.aside) {
    paused_bytes_ -= chunk.memory_bytes;
    end = chunk.status.ok() ? std::optional(chunk.next) : std::nullopt;
    ready_.push_back(std::move(chunk));
  }
  resumed.aside.clear();
  return end;
}

void ReadAhead::Add(FetchedChunk chunk) {
  held_ += chunk.memory_bytes;
  ready_.push_back(std::move(chunk));
}

// Opens the first chunk's next batch, if none is open, and takes from it. False: the chunk is done.
StatusOr<bool> ReadAhead::ReadFirst(std::size_t max, std::vector<ConsumerRecord>* records) {
  FetchedChunk& chunk = ready_.front();
  while (open_ == nullptr) {
    if (chunk.batches.empty()) return false;
    std::string_view rest = chunk.batches;
    CORDWOOD_ASSIGN_OR_RETURN(const RecordBatchView batch, RecordBatchView::TakeFirst(&rest));
    open_bytes_ = batch.bytes().size();
    open_end_ = batch.end_offset();
    if (batch.is_control() || open_end_ <= chunk.wanted) {
      chunk.batches.remove_prefix(open_bytes_);
      continue;
    }
    CORDWOOD_ASSIGN_OR_RETURN(open_, OpenBatch::Open(chunk.message, batch));
  }
  Slot& slot = slots_[chunk.slot];
  const StatusOr<bool> more = open_->Read(slot.partition, max - records->size(), &chunk.wanted, records);
  slot.position = chunk.wanted;
  CORDWOOD_RETURN_IF_ERROR(more.status());
  if (*more) return true;
  open_.reset();
  chunk.batches.remove_prefix(open_bytes_);
  slot.position = chunk.wanted = std::max(chunk.wanted, open_end_);
  return true;
}

bool ReadAhead::TakeFromFirst(std::size_t max, std::vector<ConsumerRecord>* records) {
  FetchedChunk& chunk = ready_.front();
  if (!chunk.status.ok()) return false;
  const StatusOr<bool> more = ReadFirst(max, records);
  if (!more.ok()) {
    // What follows in the log is of no use without what is missing here.
    FetchedChunk failed = std::move(chunk);
    failed.status = more.status();
    failed.batches = {};
    failed.message = {};
    ready_.pop_front();
    open_.reset();
    Drop(failed.slot);
    ready_.push_front(std::move(failed));
    return false;
  }
  if (!*more) {
    slots_[chunk.slot].position = chunk.next;
    Done(chunk);
    ready_.pop_front();
  }
  return true;
}

std::optional<ReadAhead::Failed> ReadAhead::Take(std::size_t max, std::vector<ConsumerRecord>* records) {
  while (!ready_.empty() && records->size() < max) {
    if (TakeFromFirst(max, records)) continue;
    if (!records->empty()) return std::nullopt;
    Failed failed{ready_.front().slot, ready_.front().status, ready_.front().log_start, ready_.front().high_watermark};
    Done(ready_.front());
    ready_.pop_front();
    return failed;
  }
  return std::nullopt;
}

}  // namespace cordwood::client
