// SPDX-License-Identifier: Apache-2.0
// What a client's batch must satisfy before it may enter a log; what Kafka's broker checks on append.
#pragma once

#include <cstddef>
#include <cstdint>

#include "storage/record/record_batch.h"

namespace cordwood {

struct BatchLimits {
  std::size_t batch_bytes_max = 1024 * 1024 + 12;  // max.message.bytes, header included
  std::int64_t before_ms_max = INT64_MAX;          // message.timestamp.before.max.ms: how far back, inclusive
  std::int64_t after_ms_max = 3'600'000;           // message.timestamp.after.max.ms: how far ahead, inclusive
  bool log_append_time = false;                    // the broker will set the time, so the client's is not judged
};

// Checks everything that the header tells, and the CRC. `reference_ms` is max(wall clock, the partition's last append time), so
// that a clock set back refuses nobody. MESSAGE_TOO_LARGE, CORRUPT_MESSAGE, INVALID_RECORD, INVALID_TIMESTAMP.
Status CheckAppend(const RecordBatchView& batch, const BatchLimits& limits, std::int64_t reference_ms);

}  // namespace cordwood
