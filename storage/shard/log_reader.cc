// SPDX-License-Identifier: Apache-2.0
// Gathers consecutive batches into one block of bytes.
#include "storage/shard/log_reader.h"

#include <algorithm>
#include <cstring>
#include <utility>

#include "storage/record/record_batch.h"
#include "storage/shard/internal/batch_cursor.h"
#include "storage/shard/internal/cleaned_gaps.h"
#include "storage/shard/shard_store.h"

namespace cordwood {
namespace {

// Grows while batches come in; what is given away in the end is at most a quarter larger than what was asked to hold.
class BatchGatherer {
 public:
  explicit BatchGatherer(std::size_t capacity) : block_(SharedBytes::Allocate(capacity)) {}

  void Add(std::string_view batch) {
    if (used_ + batch.size() > block_.size()) Move(std::max(2 * block_.size(), used_ + batch.size()));
    std::memcpy(block_.mutable_data() + used_, batch.data(), batch.size());
    used_ += batch.size();
  }
  std::size_t used() const { return used_; }
  SharedBytes Take() {
    if (used_ < block_.size() - block_.size() / 4) Move(used_);
    block_.Resize(used_);
    return std::move(block_);
  }

 private:
  void Move(std::size_t capacity) {
    SharedBytes larger = SharedBytes::Allocate(capacity);
    std::memcpy(larger.mutable_data(), block_.view().data(), used_);
    block_ = std::move(larger);
  }
  SharedBytes block_;
  std::size_t used_ = 0;
};

// How many bytes the read will bring, judged by its first batch.
std::size_t ExpectedBytes(const RecordBatchView& first, const ReadRange& range) {
  const std::size_t batch_bytes = first.bytes().size();
  if (batch_bytes >= range.bytes_max) return batch_bytes;
  const auto offsets = static_cast<double>(range.end - first.base_offset());
  const auto offsets_per_batch = static_cast<double>(first.end_offset() - first.base_offset());
  const double expected = offsets / offsets_per_batch * static_cast<double>(batch_bytes) * 1.1;
  if (expected >= static_cast<double>(range.bytes_max)) return range.bytes_max;
  return std::max(batch_bytes, static_cast<std::size_t>(expected));
}

}  // namespace

StatusOr<ReadResult> LogReader::Read(PartitionId partition, const ReadRange& range) const {
  ReadResult result{{}, range.from};
  if (range.from >= range.end) return result;
  BatchCursor cursor(store_, partition, BatchCursor::Errors::kUser);
  CORDWOOD_ASSIGN_OR_RETURN(bool found, cursor.Seek(range.from));
  CleanedGaps gaps(store_, partition);
  if (!found) return cursor.Gap(range.from);
  if (cursor.batch().base_offset() > range.from) {
    CORDWOOD_ASSIGN_OR_RETURN(result.cleaned, gaps.Reach(cursor.batch().base_offset()));
    if (!result.cleaned) return cursor.Gap(range.from);
  }
  if (cursor.batch().end_offset() > range.end) return result;
  BatchGatherer gatherer(ExpectedBytes(cursor.batch(), range));
  gatherer.Add(cursor.batch().bytes());
  result.next = cursor.batch().end_offset();
  while (result.next < range.end && gatherer.used() < range.bytes_max) {
    // What was gathered is given; whoever goes on at the damage will be told.
    const StatusOr<bool> more = cursor.Next();
    if (!more.ok() || !*more) break;
    const bool follows = cursor.batch().base_offset() == result.next;
    if (!follows && (cursor.batch().base_offset() < result.next || !gaps.Reach(cursor.batch().base_offset()).value_or(false))) break;
    if (cursor.batch().end_offset() > range.end || gatherer.used() + cursor.batch().bytes().size() > range.bytes_max) break;
    result.cleaned |= !follows;
    gatherer.Add(cursor.batch().bytes());
    result.next = cursor.batch().end_offset();
  }
  result.batches = gatherer.Take();
  return result;
}

}  // namespace cordwood
