// SPDX-License-Identifier: Apache-2.0
// What must hold of every batch that parses, whatever wrote it.
#pragma once

#include <string_view>

#include "storage/record/record.h"
#include "storage/record/record_batch.h"

namespace cordwood::testing {

// Reads header and records through every function there is; CHECKs their contracts.
void CheckBatch(const RecordBatchView& batch);
// The same, of bytes that hold batches back to back, up to the first that does not parse.
void CheckBatches(std::string_view bytes);

// Whether two records are the same but for their offsets.
bool SameRecord(const RecordView& a, const RecordView& b);

}  // namespace cordwood::testing
