// SPDX-License-Identifier: Apache-2.0
// What a run of the cleaner writes. It changes no end of the log, no epoch and no producer: it must only keep away from what an opening replays.
#include <string>

#include "storage/log/keys.h"
#include "storage/shard/compaction/log_cleaner.h"
#include "storage/shard/partition_log.h"

namespace cordwood {

Offset PartitionLog::StageCleaningStart(WriteGroup& group) {
  StageRetentionMark(group);
  if (snapshot_end_ != log_end_) PutSnapshot(group);
  return log_end_;
}

Status PartitionLog::StageCleaned(WriteGroup& group, std::span<const CleanedValue> values, const CleaningState& state) {
  for (const CleanedValue& value : values) {
    if (value.end > snapshot_end_ || value.end > written_end_) {
      return Error(Reason::kStorageError, "partition " + ToString(id_) + ": the batch up to " + ToString(value.end) + " is not to be cleaned: producers are known up to " +
                                              ToString(snapshot_end_));
    }
  }
  for (const CleanedValue& value : values) {
    if (value.end <= log_start()) continue;  // a write would bring back what retention took
    const FixedKey<16> key = BatchKey(id_, value.end - 1);
    if (value.value.empty()) {
      group.Delete(key.view());
    } else {
      group.Put(key.view(), value.value);
    }
  }
  group.Put(PartitionKey(MetadataKind::kCleaning, id_).view(), Encode(state));
  return absl::OkStatus();
}

}  // namespace cordwood
