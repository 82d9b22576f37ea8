// SPDX-License-Identifier: Apache-2.0
// What came ahead of Poll(): chunks in the order they arrived, the ones of paused partitions aside.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <optional>
#include <string_view>
#include <utility>
#include <vector>

#include "client/consumer_record.h"
#include "client/internal/fetch_core.h"
#include "cordwood/record.h"

namespace cordwood::client {

// Chunks in, records out. Slots are FetchClient's.
// Invariant: memory_bytes of every chunk comes out of TakeConsumed() once, when its last record was taken or it was dropped.
// Threading: none of its own.
class ReadAhead {
 public:
  // paused_bytes_max: what paused partitions may keep, together; a partition that would exceed it keeps nothing and is read again.
  explicit ReadAhead(std::size_t paused_bytes_max) : paused_bytes_max_(paused_bytes_max) {}

  void Start(std::size_t slot, TopicPartition partition, Offset position);
  void Stop(std::size_t slot);
  // What is here of it is dropped; it may be paused and stays so.
  void Seek(std::size_t slot, Offset position);
  void Pause(std::size_t slot);
  // Where to go on fetching; nullopt: nowhere, its last chunk here is an error.
  std::optional<Offset> Resume(std::size_t slot);
  bool paused(std::size_t slot) const { return slots_[slot].paused; }
  Offset position(std::size_t slot) const { return slots_[slot].position; }  // of the next record Take() would give, or of the error

  // A chunk of a slot that is started and not paused.
  void Add(FetchedChunk chunk);

  // A partition of which nothing will come until Seek().
  struct Failed {
    std::size_t slot;
    Status status;
    Offset log_start;       // as the broker sent them with the error
    Offset high_watermark;
  };
  // Appends records until `records` holds `max`, there are no more, or an error is next. The error itself, once, if it is first.
  std::optional<Failed> Take(std::size_t max, std::vector<ConsumerRecord>* records);
  std::size_t TakeConsumed() { return std::exchange(consumed_, 0); }
  bool empty() const { return ready_.empty(); }
  std::size_t held_bytes() const { return held_; }  // memory_bytes of all chunks here

 private:
  struct Slot {
    std::shared_ptr<const TopicPartition> partition;  // null: not started
    Offset position;
    bool paused = false;
    std::deque<FetchedChunk> aside;  // of a paused partition; `wanted` of the first is the position
  };

  // False: an error is next.
  bool TakeFromFirst(std::size_t max, std::vector<ConsumerRecord>* records);
  StatusOr<bool> ReadFirst(std::size_t max, std::vector<ConsumerRecord>* records);
  void Drop(std::size_t slot);
  void Done(const FetchedChunk& chunk) {
    consumed_ += chunk.memory_bytes;
    held_ -= chunk.memory_bytes;
  }

  const std::size_t paused_bytes_max_;
  std::vector<Slot> slots_;
  std::deque<FetchedChunk> ready_;   // the first's `batches` begin with open_, if there is one
  std::shared_ptr<OpenBatch> open_;  // the one batch that is decoded
  std::size_t open_bytes_ = 0;       // of it in `batches`
  Offset open_end_;                  // its exclusive end
  std::size_t paused_bytes_ = 0;     // of all `aside`
  std::size_t held_ = 0;
  std::size_t consumed_ = 0;
};

}  // namespace cordwood::client
