// SPDX-License-Identifier: Apache-2.0
// Reads batches of a partition, by offset and by time, from RocksDB.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "storage/base/ids.h"
#include "storage/base/reason.h"
#include "storage/base/shared_bytes.h"

namespace cordwood {

class ShardStore;

struct ReadRange {
  Offset from;            // inclusive; the first batch may begin before it
  Offset end;             // exclusive: only batches that end at or below it (the high watermark, or the log end)
  std::size_t bytes_max;  // of batches; the first batch is given whatever its size
};

struct ReadResult {
  SharedBytes batches;  // whole consecutive batches, as stored, without side headers; empty if none ends in the range
  Offset next;          // where to go on; `from` if empty
  bool cleaned = false;  // offsets of [from, next) that are in none of the batches were cleaned away, and will never come
};

struct TimestampHit {
  Offset offset;  // of the first record whose timestamp is at least the asked one
  std::int64_t timestamp_ms;
};

// Every job has an iterator of its own, so a reader pins nothing between calls. Thread-safe.
class LogReader {
 public:
  explicit LogReader(const ShardStore& store) : store_(store) {}

  // CORRUPT_MESSAGE (data loss) where a batch is missing or damaged: a gap is never skipped, but where the cleaner says that it made it. KAFKA_STORAGE_ERROR where the disk fails. Both name the
  // offset, and RocksDB's file where it names one; the caller adds the partition. Callers check log start first, and again if this
  // fails, since retention may have removed what was asked for.
  StatusOr<ReadResult> Read(PartitionId partition, const ReadRange& range) const;

  // By the sparse index, then about 1 MiB of batches; more, up to all of the log, where a record that late is gone below the log start, for the index still tells
  // of it. nullopt: no record in [log_start, end) is that late. What retention takes meanwhile is passed over; UNKNOWN_TOPIC_OR_PARTITION if the topic is deleted
  // meanwhile.
  StatusOr<std::optional<TimestampHit>> FindTimestamp(PartitionId partition, Offset log_start, Offset end, std::int64_t timestamp_ms) const;

 private:
  const ShardStore& store_;
};

}  // namespace cordwood
