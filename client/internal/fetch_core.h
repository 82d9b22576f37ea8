// SPDX-License-Identifier: Apache-2.0
// Everything a reader decides: positions, credit, what an answer must look like. Pure: no clock, no thread, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "cordwood/v1/log.pb.h"
#include "storage/base/ids.h"
#include "storage/base/reason.h"
#include "storage/base/shared_bytes.h"

namespace cordwood::client {

// What came of one partition: batches that are checked (CRC, framing, offsets without a hole), or why nothing comes any more.
struct FetchedChunk {
  std::size_t slot = 0;
  SharedBytes message;            // holds `batches`
  std::string_view batches;       // whole batches; the first may begin before `wanted`
  std::size_t memory_bytes = 0;   // what it counts for in Consumed()
  Offset wanted;                  // records below it were not asked for
  Offset next;                    // where the chunk after this one begins, exclusive end of this one
  Offset high_watermark;          // exclusive
  Offset log_start;
  Status status;                  // not OK: no batches, and the partition is silent until Seek()
};

inline constexpr std::size_t kFetchPartitionsMax = 10'000;  // a broker's limit for one stream

struct FetchCoreOptions {
  std::size_t credit_bytes = 8 * 1024 * 1024;       // what the broker may send ahead of us
  std::size_t partition_bytes_max = 1024 * 1024;    // per answer
};

// Drive it: feed events; after each, send NextRequest() until there is none, and look again at retry_at().
// Invariants: credit out + what was handed over and not consumed <= credit_bytes + one message, over all streams.
// Threading: none of its own.
class FetchCore {
 public:
  explicit FetchCore(const FetchCoreOptions& options) : options_(options) {}

  // The lowest free slot. LIMIT_EXCEEDED: kFetchPartitionsMax are there already.
  StatusOr<std::size_t> AddPartition(TopicId topic, PartitionIndex partition, Offset from);
  void Seek(std::size_t slot, Offset to);  // also wakes a partition that is silent
  void Silence(std::size_t slot);          // nothing more comes of it until Seek()
  void Remove(std::size_t slot);           // nothing more comes of it; the slot may be given to another

  void StreamOpened();
  void StreamBroken();
  // `message` as it came. MALFORMED_REQUEST: break the stream.
  Status Answered(const SharedBytes& message, absl::Duration now, std::vector<FetchedChunk>* chunks);
  void Consumed(std::size_t memory_bytes);  // the sum of chunks' memory_bytes

  std::optional<v1::FetchRequest> NextRequest(absl::Duration now);
  absl::Duration retry_at() const;   // InfiniteDuration: no time of interest
  Offset position(std::size_t slot) const { return partitions_[slot].next; }
  std::size_t slots() const { return partitions_.size(); }

 private:
  enum class State { kActive, kSilent, kRemoved };
  struct Partition {
    TopicId topic;
    PartitionIndex index;
    Offset next;
    std::uint32_t position = 0;  // +1 per seek: answers to an older one are dropped
    State state = State::kActive;
    bool changed = true;         // the broker does not know yet
    bool bound = false;          // the broker may be sending
    LeaderEpoch last_epoch = kNoLeaderEpoch;  // of the record before `next`, if it came from here
    absl::Duration not_before = -absl::InfiniteDuration();
  };

  void ApplyResult(const v1::FetchResult& fields, std::string_view batches, const SharedBytes& message, absl::Duration now,
                   std::vector<FetchedChunk>* chunks);
  Status TakeBatches(Partition* partition, std::string_view batches, Offset cleaned_to) const;
  void StopSending(std::size_t slot, State state);
  void AddChange(std::size_t slot, v1::FetchRequest* request);
  bool AddChanges(absl::Duration now, v1::FetchRequest* request);
  std::int64_t credit_owed() const { return static_cast<std::int64_t>(options_.credit_bytes) - credit_out_ - held_bytes_; }

  const FetchCoreOptions options_;
  std::vector<Partition> partitions_;    // by slot
  std::vector<std::size_t> free_slots_;  // the broker was told, or never knew
  std::size_t in_use_ = 0;               // partitions that were not removed
  bool open_ = false;
  bool anything_changed_ = false;
  std::uint64_t seq_ = 0;
  std::int64_t credit_out_ = 0;  // what the broker may still send on this stream; the last batch may take it below zero
  std::int64_t held_bytes_ = 0;  // handed over and not consumed
};

}  // namespace cordwood::client
