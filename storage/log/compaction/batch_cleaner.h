// SPDX-License-Identifier: Apache-2.0
// What is left of a batch when the records that others replace are taken out.
#pragma once

#include <cstdint>
#include <string>

#include "storage/base/reason.h"
#include "storage/log/compaction/key_offset_map.h"
#include "storage/record/record_batch.h"

namespace cordwood {

// Which records stay: of each key the last one known, and tombstones while they must be seen.
struct SurvivorRule {
  const KeyOffsetMap& last_offsets;  // of the keys in the stretch that is being cleaned; a key that is not there has nothing newer
  Offset tombstones_from;            // tombstones below it go
};

struct CleanedBatch {
  enum class Outcome : std::uint8_t { kUnchanged, kRewritten, kEmptied };
  Outcome outcome = Outcome::kUnchanged;
  std::string bytes;               // of a rewritten one: a whole batch; of an emptied one: the same without any record
  std::int64_t records = 0;        // that stay
  std::int64_t tombstones = 0;     // of these
};

// Base offset, last offset delta, leader epoch, producer, timestamps and codec stay; count, length and CRC are of what is left. The records that stay keep
// their bytes. CORRUPT_MESSAGE where the records cannot be decoded. Batches of control records stay as they are.
StatusOr<CleanedBatch> CleanBatch(const RecordBatchView& batch, const SurvivorRule& rule);

}  // namespace cordwood
