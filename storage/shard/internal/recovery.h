// SPDX-License-Identifier: Apache-2.0
// Opening a shard after whatever happened to it: how much of the write-ahead log may be believed. For the sources of this room alone.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "rocksdb/db.h"
#include "rocksdb/options.h"
#include "storage/base/reason.h"
#include "storage/log/log_cut.h"

namespace cordwood {

// What a read-only look at the shard found. Nothing was changed.
struct ShardSurvey {
  std::uint64_t flushed_sequence = 0;    // the last sequence number that is in table files
  std::uint64_t recovered_sequence = 0;  // the last one with no hole before it
  std::optional<LogCut> log_cut;         // more stands in the write-ahead log than that
};

// Through a LogSurvey. It begins at the manifest's sequence number, which since RocksDB 7.0 is exactly the last one in table files (before, it was what
// writers had reached meanwhile; a test watches over it).
// SHARD_DAMAGED if a file is damaged or missing, STORAGE_ERROR if it cannot be read.
StatusOr<ShardSurvey> SurveyShard(const rocksdb::Options& options, const std::string& directory);

// Opens for good, believing the log up to its first hole beyond `survey.flushed_sequence` and no further; `survey.recovered_sequence` becomes what was
// found now.
StatusOr<std::unique_ptr<rocksdb::DB>> OpenGated(rocksdb::Options options, const std::string& directory, ShardSurvey& survey);

}  // namespace cordwood
