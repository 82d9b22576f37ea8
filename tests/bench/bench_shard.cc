// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/bench_shard.h"

#include <chrono>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <random>
#include <thread>
#include <utility>

#include "storage/log/side_header.h"
#include "storage/record/record_batch_builder.h"

namespace cordwood::testing {

void Require(const Status& status, const char* what) {
  if (status.ok()) return;
  std::fprintf(stderr, "%s: %s\n", what, MessageOf(status).c_str());
  std::exit(1);
}

BenchShard::BenchShard(const std::string& directory, int partitions) : partitions_(partitions) {
  std::filesystem::create_directories(directory);
  ShardOptions options;
  options.directory = directory + "/shard-000";
  options.synced_file = directory + "/shard-000.synced";
  StatusOr<std::unique_ptr<ShardStore>> store = ShardStore::Open(options);
  Require(store.status(), "open");
  store_ = std::move(store).value();
  logs_.resize(static_cast<std::size_t>(partitions));
  if (!store_->recovery().created) return;
  for (int n = 0; n < partitions; ++n) {
    PartitionLog::StageCreate(group_, IdOf(n), PartitionIdentity{Uuid::Random(), PartitionIndex(n), 0, Uuid::Random()});
    if (group_.operations() >= 10'000) Commit(false);
  }
  Commit(true);
}

PartitionLog& BenchShard::LogOf(int partition_number) {
  std::unique_ptr<PartitionLog>& log = logs_[static_cast<std::size_t>(partition_number)];
  if (log == nullptr) {
    StatusOr<std::unique_ptr<PartitionLog>> opened = PartitionLog::Open(*store_, IdOf(partition_number), ProducerLimits());
    Require(opened.status(), "open partition");
    log = std::move(opened).value();
  }
  return *log;
}

const std::string& BenchShard::BatchOfSize(std::size_t batch_bytes) {
  if (batch_size_ == batch_bytes) return batch_;
  std::mt19937_64 random(batch_bytes);
  std::string value(batch_bytes > 100 ? batch_bytes - 80 : 20, '\0');
  for (char& c : value) c = static_cast<char>(random());
  RecordBatchBuilder builder;
  RecordView record;
  record.timestamp_ms = Clock::System().WallMs();
  record.value = value;
  builder.Add(record);
  StatusOr<SharedBytes> built = builder.Build(Codec::kNone, ProducerStamp());
  Require(built.status(), "build");
  batch_.assign(built->view());
  batch_size_ = batch_bytes;
  return batch_;
}

void BenchShard::StageNext(std::size_t batch_bytes) {
  const std::string& batch = BatchOfSize(batch_bytes);
  SharedBytes value = SharedBytes::Allocate(kSideHeaderBytes + batch.size());
  std::memcpy(value.mutable_data() + kSideHeaderBytes, batch.data(), batch.size());
  const int partition = next_;
  next_ = (next_ + 1) % partitions_;
  const StatusOr<StagedAppend> staged =
      LogOf(partition).StageAppend(group_, std::span<SharedBytes>(&value, 1), LeaderEpoch(0), Clock::System().WallMs(), false);
  Require(staged.status(), "stage");
  touched_.push_back(partition);
}

void BenchShard::Commit(bool sync) {
  if (group_.empty()) return;
  Status status = store_->Commit(group_);
  while (ReasonOf(status) == Reason::kThrottled) {
    std::this_thread::sleep_for(std::chrono::milliseconds(1));  // as a shard's driver backs off
    status = store_->Commit(group_);
  }
  Require(status, "commit");
  if (sync) Require(store_->Sync(), "sync");
  for (const int partition : touched_) {
    LogOf(partition).OnCommitted();
    if (sync) LogOf(partition).OnSynced();
  }
  touched_.clear();
}

Offset BenchShard::LogEnd(int partition_number) { return LogOf(partition_number).log_end(); }

void BenchShard::Close() {
  for (std::unique_ptr<PartitionLog>& log : logs_) {
    if (log == nullptr) continue;
    log->StageClose(group_, log->log_end());
    if (group_.operations() >= 10'000) Commit(false);
  }
  touched_.clear();
  Commit(false);
  Require(store_->Close(), "close");
}

}  // namespace cordwood::testing
