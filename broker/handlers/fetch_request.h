// SPDX-License-Identifier: Apache-2.0
// Fetch, as every door gives and takes it.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "absl/time/time.h"
#include "broker/handlers/partition_binding.h"
#include "broker/handlers/request_context.h"
#include "storage/base/ids.h"
#include "storage/base/shared_bytes.h"

namespace cordwood::broker {

struct FetchPartition {
  enum class Action { kSet, kPause, kRemove };
  PartitionRef ref;
  Offset fetch_offset;                               // inclusive
  std::optional<LeaderEpoch> current_leader_epoch;
  std::optional<LeaderEpoch> last_fetched_epoch;     // of the record before fetch_offset
  std::int32_t max_bytes = 0;                        // per answer; 0: 1 MiB
  std::uint32_t position = 0;
  Action action = Action::kSet;
};

struct FetchRequest {
  std::uint64_t seq = 0;
  std::int32_t max_wait_ms = 0;
  std::int32_t min_bytes = 0;
  std::int32_t max_bytes = 0;
  bool as_records = false;
  std::uint64_t add_credit_bytes = 0;
  std::vector<FetchPartition> partitions;
};

// A stretch of shared bytes on its way out.
struct FetchPiece {
  SharedBytes bytes;
  std::size_t from = 0;
  std::string_view view() const { return bytes.view().substr(from); }
};

struct EpochDivergence {
  LeaderEpoch epoch;
  Offset end;  // exclusive
};

// What of it is in no batch or record of the result was cleaned away.
struct CleanedRange {
  Offset from;  // inclusive
  Offset to;    // exclusive
};

struct FetchResult {
  std::shared_ptr<const PartitionRef> ref;  // as the request named it
  std::uint32_t position = 0;
  Offset high_watermark;     // exclusive
  Offset log_start;
  LeaderEpoch leader_epoch;
  std::optional<EntryFailure> failure;
  std::optional<EpochDivergence> diverging;
  std::optional<CleanedRange> cleaned;
  bool as_records = false;   // pieces are encoded records, else whole batches
  absl::InlinedVector<FetchPiece, 2> pieces;
};

struct FetchAnswer {
  std::uint64_t seq = 0;  // of the last request applied
  std::vector<FetchResult> results;
  std::size_t payload_bytes = 0;
  std::size_t result_bytes = 0;  // of the results without that, about: kResultBytes each, and what a refusal repeats and says

  std::size_t held_bytes() const { return payload_bytes + result_bytes; }
  // For the next one; keeps the memory of an answer of usual size.
  void Clear() {
    results.clear();
    if (results.capacity() > kResultsKeptMax) results.shrink_to_fit();
    payload_bytes = result_bytes = 0;
  }
  static constexpr std::size_t kResultsKeptMax = 64;
  static constexpr std::size_t kResultBytes = 512;
};

inline constexpr std::size_t kFetchPartitionsMax = 10'000;  // in one request
inline constexpr std::size_t kFetchRequestBytesMax = 64 * 1024;

}  // namespace cordwood::broker
