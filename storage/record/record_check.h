// SPDX-License-Identifier: Apache-2.0
// What the records inside a client's batch must satisfy, so that whoever reads the log can read them.
#pragma once

#include <cstdint>

#include "storage/record/record_batch_check.h"

namespace cordwood {

// One pass over the records of a batch that CheckAppend() has passed, without allocation: lengths, attributes 0, offset deltas 0, 1, 2, …,
// keys, values and headers within their record, nothing behind the last one, each time within the window, and the header's max timestamp
// that of the latest record. Compressed records are not looked at. INVALID_RECORD and INVALID_TIMESTAMP name the record and the rule.
Status CheckRecords(const RecordBatchView& batch, const BatchLimits& limits, std::int64_t reference_ms);

// Of a compacted topic's batch that CheckAppend() has passed: every record can be decoded, compressed ones too, and has a key, by which it is found and
// replaced. INVALID_RECORD names the first without; CORRUPT_MESSAGE as RecordReader.
Status CheckKeys(const RecordBatchView& batch);

}  // namespace cordwood
