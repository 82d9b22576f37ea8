// SPDX-License-Identifier: Apache-2.0
// How a shard's RocksDB is doing, in numbers to watch.
#pragma once

#include <cstdint>

namespace cordwood {

class ShardStore;

struct ShardVitals {
  std::uint64_t memtable_bytes = 0;            // all in memory, the unflushed ones and those still read
  std::uint64_t memtables_immutable = 0;       // full, wait for a flush
  std::uint64_t level0_files = 0;
  std::uint64_t compaction_pending_bytes = 0;  // RocksDB's estimate
  std::uint64_t flushes_running = 0;
  std::uint64_t compactions_running = 0;
  std::uint64_t background_errors = 0;         // since the shard was opened
  bool writes_stopped = false;
  std::uint64_t wal_bytes = 0;                 // of the write-ahead log's files
  std::uint64_t table_bytes = 0;
  std::uint64_t blob_bytes = 0;
};

// Lists the directory and asks RocksDB, which takes its own lock for microseconds. Any thread that may do I/O. What cannot be read is 0.
ShardVitals ReadShardVitals(const ShardStore& store);

}  // namespace cordwood
