// SPDX-License-Identifier: Apache-2.0
// How much of a database's write-ahead log may be believed.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "rocksdb/wal_filter.h"
#include "storage/log/log_cut.h"

namespace rocksdb {
class Env;
}  // namespace rocksdb

namespace cordwood {

// A filter for a read-only opening: applies nothing, remembers the log's records as runs without holes. RocksDB's point-in-time recovery continues behind a
// stretch of the log that was lost at a record boundary, or behind the missing tail of an older file.
class LogSurvey final : public rocksdb::WalFilter {
 public:
  struct Belief {
    std::uint64_t last_sequence = 0;  // the last one with no hole before it
    std::optional<LogCut> cut;        // more stands in the log than that
    bool has_hole() const { return cut.has_value() && cut->next_sequence > 0; }
  };

  const char* Name() const override { return "cordwood.LogSurvey"; }
  WalProcessingOption LogRecordFound(unsigned long long number, const std::string& path, const rocksdb::WriteBatch& batch, rocksdb::WriteBatch* changed,
                                     bool* is_changed) override;

  // Ask when the opening has returned. `flushed`: the last sequence number in table files, which is the database's latest, because nothing was applied.
  // The byte of a cut is exact unless the same file has lost a stretch that tables hold.
  Belief BeliefFrom(std::uint64_t flushed, rocksdb::Env& env, const std::string& directory) const;

 private:
  struct Run {
    std::uint64_t first;
    std::uint64_t operations;
    std::string file;  // in which it ends
    std::uint64_t end_byte;
  };
  std::vector<Run> runs_;
};

}  // namespace cordwood
