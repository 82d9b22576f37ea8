// SPDX-License-Identifier: Apache-2.0
// Records that own what they show: a batch is opened once, its records are listed as they are handed out.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <memory>
#include <vector>

#include "cordwood/record.h"
#include "storage/base/ids.h"
#include "storage/base/reason.h"
#include "storage/base/shared_bytes.h"
#include "storage/record/record.h"
#include "storage/record/record_batch.h"
#include "storage/record/record_reader.h"

namespace cordwood::client {

// A batch that is being read. Uncompressed records stay in the message they came in, others are decompressed once, here.
// Threading: Read() on one thread at a time; records that were handed out are used on any.
class OpenBatch : public std::enable_shared_from_this<OpenBatch> {
 public:
  // `batch` lies in `message`. CORRUPT_MESSAGE.
  static StatusOr<std::shared_ptr<OpenBatch>> Open(SharedBytes message, const RecordBatchView& batch);
  OpenBatch(SharedBytes message, const RecordBatchView& batch) : message_(std::move(message)), batch_(batch), reader_(batch) {}

  // Appends up to `max` records from *next on to `records`, and moves *next behind them. True: there may be more. CORRUPT_MESSAGE, after
  // the records that are sound.
  StatusOr<bool> Read(const std::shared_ptr<const TopicPartition>& partition, std::size_t max, Offset* next, std::vector<ConsumerRecord>* records);

 private:
  const SharedBytes message_;
  const RecordBatchView batch_;
  RecordReader reader_;
  RecordView record_;  // its headers' memory is used again
};

// Makes of all from `first` on, which are of one partition, the same records in memory of their own, of about HeldBytesOf() each: without the messages they came in.
void CopyInPlace(std::size_t first, std::deque<ConsumerRecord>* records);
std::size_t HeldBytesOf(const ConsumerRecord& record);

}  // namespace cordwood::client

namespace cordwood {

// What one Read() handed out: where each record's parts are. Never changed afterwards.
struct ConsumerRecord::Batch {
  struct Entry {
    const char* key;
    const char* value;
    std::int64_t offset;
    std::int64_t timestamp_ms;
    std::int32_t key_bytes;    // -1: null
    std::int32_t value_bytes;  // -1: null
    std::uint32_t headers_end;  // in `headers`; they begin where the ones of the entry before end
  };
  std::shared_ptr<const TopicPartition> partition;
  std::shared_ptr<const void> bytes;  // what the views show
  LeaderEpoch leader_epoch;
  std::vector<Entry> entries;
  std::vector<HeaderView> headers;
};

}  // namespace cordwood
