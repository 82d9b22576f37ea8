// SPDX-License-Identifier: Apache-2.0
// What a shard must look like: a plain model in memory, slow and simple, one value per committed group.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/base/ids.h"
#include "storage/base/reason.h"
#include "storage/log/epoch_cache.h"

namespace cordwood::testing {

struct ModelBatch {
  Offset base;                            // as stored
  std::int32_t count = 0;
  std::string bytes;                      // as stored, without side header
  std::vector<std::int64_t> timestamps;   // of the records
  std::int64_t append_ms = 0;
  LeaderEpoch epoch;
  ProducerId producer = kNoProducerId;
  ProducerEpoch producer_epoch{-1};
  Sequence first_sequence{-1};
  bool durable = false;                   // its topic is `fsync`
  std::uint64_t serial = 0;               // unique in a run, in order of staging
  Offset end() const { return base + count; }
};

// What a producer's next batch may be; `certain` is false where the log may have forgotten more than the model (after a truncation).
struct ModelProducer {
  ProducerEpoch epoch{-1};
  std::int64_t last_append_ms = -1;
  std::vector<std::shared_ptr<const ModelBatch>> batches;  // of this epoch, oldest first
  bool certain = true;
};

// One partition after some committed group.
struct PartitionModel {
  using Batch = std::shared_ptr<const ModelBatch>;
  bool durable = false;          // of an `fsync` topic
  bool log_append_time = false;
  Uuid log_id;
  Offset log_start;
  Offset log_end;
  std::vector<Batch> batches;  // all that end above log_start, in order
  std::vector<EpochStart> epochs;
  std::map<ProducerId, ModelProducer> producers;
  std::int64_t producer_clock_ms = -1;
  // Of everything ever appended and not truncated, below batches.front().
  std::uint64_t bytes_before = 0;
  std::int64_t max_timestamp_before_ms = -1;
  std::int64_t append_before_ms = -1;
  std::string producer_state;  // the log's own encoding, noted after the commit; a later opening must give the same

  void Append(Batch batch, std::int64_t producer_expiration_ms);
  void AssignEpoch(LeaderEpoch epoch, Offset start);
  void SetLogStart(Offset start);
  void Truncate(Offset end, EpochStart new_epoch);

  std::uint64_t size_bytes() const;
  std::uint64_t total_bytes() const { return bytes_before + size_bytes(); }
  std::int64_t max_timestamp_ms() const;
  std::int64_t last_append_ms() const { return batches.empty() ? append_before_ms : batches.back()->append_ms; }
  // Where a batch begins or the log ends, exactly: bytes ever appended before it; nullopt if `offset` is no such place.
  std::optional<std::uint64_t> BytesBefore(Offset offset) const;
  std::int64_t AppendMsBefore(Offset offset) const;
  // The first record at or above log_start and below `end` that is at least that late.
  struct Hit {
    Offset offset;
    std::int64_t timestamp_ms;
  };
  std::optional<Hit> FindTimestamp(Offset end, std::int64_t timestamp_ms) const;
  // The batch that contains `offset`, as an index; batches.size() if none does.
  std::size_t IndexOf(Offset offset) const;
};

// A shard after some committed group. Copies share their partitions.
struct ShardModel {
  std::map<PartitionId, std::shared_ptr<const PartitionModel>> partitions;
  std::uint64_t sequence = 0;  // RocksDB's, after the group

  const PartitionModel* Find(PartitionId id) const;
  // A copy of its own to change; the partition must exist.
  PartitionModel& Change(PartitionId id);
  std::size_t batches() const;
};

// What the model expects of one more batch of a producer: kNone (append), kDuplicateSequence with `original` set (a duplicate), or the
// reason of refusal.
struct ModelVerdict {
  Reason reason = Reason::kNone;
  PartitionModel::Batch original;
  bool certain = true;
};
ModelVerdict ExpectedVerdict(const PartitionModel& partition, ProducerId id, ProducerEpoch epoch, Sequence first, std::int32_t count);

}  // namespace cordwood::testing
