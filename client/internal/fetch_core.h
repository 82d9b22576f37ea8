// SPDX-License-Identifier: Apache-2.0
// Everything a reader decides: positions, credit, what an answer must look like. Pure: no clock, no thread, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "cordwood/v1/log.pb.h"
#include "storage/base/ids.h"
#include "storage/base/reason.h"
#include "storage/base/shared_bytes.h"
#include "storage/record/record.h"

namespace cordwood::client {

// What came of one partition: batches that are checked (CRC, framing, offsets without a hole), or why nothing comes any more.
struct FetchedChunk {
  std::size_t slot = 0;
  SharedBytes message;            // holds `batches`
  std::string_view batches;       // whole batches; the first may begin before `wanted`
  Offset wanted;                  // records below it were not asked for
  Offset next;                    // where the chunk after this one begins, exclusive end of this one
  Offset high_watermark;          // exclusive
  Offset log_start;
  Status status;                  // not OK: no batches, and the partition is silent until Seek()
};

// Calls `each` with every record of the chunk from `wanted` on, in order, until it returns false. The views live during the call.
// CORRUPT_MESSAGE where records contradict their batch.
Status ForEachRecord(const FetchedChunk& chunk, const std::function<bool(const RecordView&, LeaderEpoch)>& each);

struct FetchCoreOptions {
  std::size_t credit_bytes = 8 * 1024 * 1024;       // what the broker may send ahead of us
  std::size_t partition_bytes_max = 1024 * 1024;    // per answer
};

// Drive it: feed events; after each, send NextRequest() until there is none, and look again at retry_at().
// Invariants: credit out + bytes handed over and not consumed <= credit_bytes + one message.
// Threading: none of its own.
class FetchCore {
 public:
  explicit FetchCore(const FetchCoreOptions& options) : options_(options) {}

  // Slots are numbered 0, 1, 2, … in order of calling; at most 65 535.
  std::size_t AddPartition(TopicId topic, PartitionIndex partition, Offset from);
  void Seek(std::size_t slot, Offset to);
  void Remove(std::size_t slot);  // nothing more comes of it

  void StreamOpened();
  void StreamBroken();
  // `message` as it came. MALFORMED_REQUEST: break the stream.
  Status Answered(const SharedBytes& message, absl::Duration now, std::vector<FetchedChunk>* chunks);
  void Consumed(std::size_t bytes);  // of FetchedChunk::batches

  std::optional<v1::FetchRequest> NextRequest(absl::Duration now);
  absl::Duration retry_at() const;   // InfiniteDuration: no time of interest
  Offset position(std::size_t slot) const { return partitions_[slot].next; }
  std::size_t partitions() const { return partitions_.size(); }

 private:
  enum class State { kActive, kSilent, kRemoved };
  struct Partition {
    TopicId topic;
    PartitionIndex index;
    Offset next;
    std::uint32_t position = 0;  // +1 per seek: answers to an older one are dropped
    State state = State::kActive;
    bool changed = true;         // the broker does not know yet
    bool bound = false;          // the stream knows our handle
    absl::Duration not_before = -absl::InfiniteDuration();
  };

  void ApplyResult(const v1::FetchResult& fields, std::string_view batches, const SharedBytes& message, absl::Duration now,
                   std::vector<FetchedChunk>* chunks);
  Status TakeBatches(Partition* partition, std::string_view batches) const;

  const FetchCoreOptions options_;
  std::vector<Partition> partitions_;
  bool open_ = false;
  bool anything_changed_ = false;
  std::uint64_t seq_ = 0;
  std::size_t credit_owed_ = 0;  // consumed, not given back to the broker yet
};

}  // namespace cordwood::client
