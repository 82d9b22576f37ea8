// SPDX-License-Identifier: Apache-2.0
// A real shard with many partitions, and one thread that feeds it: what the storage benchmarks share.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "storage/shard/partition_log.h"
#include "storage/shard/shard_store.h"

namespace cordwood::testing {

// Errors end the program: a benchmark that failed has no figures.
class BenchShard {
 public:
  // Opens D/shard-000, creates partitions 1..partitions if the shard is new. Opens no log yet.
  BenchShard(const std::string& directory, int partitions);

  // Appends one batch of about `batch_bytes` to the next partition in turn, staged into the current group.
  void StageNext(std::size_t batch_bytes);
  // Commits what is staged; with `sync` also makes it durable.
  void Commit(bool sync);
  void Close();  // a clean stop

  ShardStore& store() { return *store_; }
  int partitions() const { return partitions_; }
  Offset LogEnd(int partition_number);  // 0-based
  PartitionId IdOf(int partition_number) const { return PartitionId(static_cast<std::uint64_t>(partition_number) + 1); }
  std::size_t staged_bytes() const { return group_.bytes(); }

 private:
  PartitionLog& LogOf(int partition_number);
  const std::string& BatchOfSize(std::size_t batch_bytes);

  std::unique_ptr<ShardStore> store_;
  int partitions_;
  std::vector<std::unique_ptr<PartitionLog>> logs_;
  WriteGroup group_;
  std::vector<int> touched_;
  int next_ = 0;
  std::size_t batch_size_ = 0;
  std::string batch_;  // one record of random bytes; all appends copy it, as a receive would
};

// Ends the program with the status and what was tried, unless it is OK.
void Require(const Status& status, const char* what);

}  // namespace cordwood::testing
