// SPDX-License-Identifier: Apache-2.0
// Cleaning a compacted log of which a tenth is alive, and getting the space back.
#include <algorithm>
#include <cstdint>
#include <filesystem>
#include <memory>
#include <random>
#include <string>
#include <vector>

#include "storage/log/side_header.h"
#include "storage/record/record_batch_builder.h"
#include "storage/shard/compaction/log_cleaner.h"
#include "tests/bench/bench_shard.h"
#include "tests/bench/measure.h"
#include "tests/bench/storage_bench.h"

namespace cordwood::testing {
namespace {

constexpr PartitionId kPartition{1};
constexpr int kRecordsPerBatch = 16;
constexpr std::size_t kValueBytes = 1000;
constexpr std::uint64_t kWritesPerKey = 10;
constexpr std::size_t kChunkBytes = 256 * 1024;            // as the broker's cleaner
constexpr std::size_t kMapBytes = 512 * 1024 * 1024;       // all keys in one run

// One shard of kind compact with one partition.
class CompactBench {
 public:
  explicit CompactBench(const std::string& directory) {
    ShardOptions options;
    options.directory = directory + "/shard-000";
    options.synced_file = directory + "/shard-000.synced";
    options.kind = ShardKind::kCompact;
    StatusOr<std::unique_ptr<ShardStore>> store = ShardStore::Open(options);
    Require(store.status(), "open");
    store_ = std::move(store).value();
    PartitionLog::StageCreate(group_, kPartition, PartitionIdentity());
    Commit();
    StatusOr<std::unique_ptr<PartitionLog>> log = PartitionLog::Open(*store_, kPartition, ProducerLimits());
    Require(log.status(), "open partition");
    log_ = std::move(log).value();
  }

  // Keys in random order, each written about kWritesPerKey times.
  void Fill(std::uint64_t bytes) {
    std::mt19937_64 random(1);
    std::string value(kValueBytes, '\0');
    for (char& c : value) c = static_cast<char>(random());
    const std::uint64_t keys = std::max<std::uint64_t>(bytes / kValueBytes / kWritesPerKey, 1);
    while (log_->total_bytes() < bytes) {
      RecordBatchBuilder builder;
      for (int i = 0; i < kRecordsPerBatch; ++i) {
        const std::string key = "customer-" + std::to_string(random() % keys);
        RecordView record;
        record.timestamp_ms = 1;
        record.key = key;
        record.value = value;
        builder.Add(record);
      }
      StatusOr<SharedBytes> batch = builder.Build(Codec::kNone, {}, kSideHeaderBytes);
      Require(batch.status(), "build");
      Require(log_->StageAppend(group_, {&*batch, 1}, LeaderEpoch(0), 1, false).status(), "stage");
      if (group_.bytes() > 1 << 20) Commit();
    }
    Commit();
  }
  CleaningTotals Clean() {
    const Offset end = log_->StageCleaningStart(group_);
    Commit();
    CleaningState state;
    CleaningPlan plan;
    plan.partition = kPartition;
    plan.end = end;
    plan.map_bytes = kMapBytes;
    LogCleaner cleaner(*store_, plan, [](std::size_t) { return true; });
    Require(cleaner.ReadKeys(), "read keys");
    while (!cleaner.done()) {
      const auto values = cleaner.NextChunk(kChunkBytes, &state);
      Require(values.status(), "clean");
      Require(log_->StageCleaned(group_, *values, state), "stage");
      Commit();
    }
    return cleaner.totals();
  }
  ShardStore& store() { return *store_; }

 private:
  void Commit() {
    Status status = store_->Commit(group_);
    while (ReasonOf(status) == Reason::kThrottled) status = store_->Commit(group_);
    Require(status, "commit");
    if (log_ != nullptr) log_->OnCommitted();
  }

  std::unique_ptr<ShardStore> store_;
  std::unique_ptr<PartitionLog> log_;
  WriteGroup group_;
};

}  // namespace

void BenchClean(const BenchArguments& arguments) {
  std::filesystem::create_directories(arguments.directory);
  CompactBench bench(arguments.directory);
  bench.Fill(arguments.bytes);
  const double before = static_cast<double>(bench.store().disk_bytes());
  const Span cleaning;
  const CleaningTotals totals = bench.Clean();
  const double clean_seconds = cleaning.seconds();
  const double clean_cpu = cleaning.cpu_seconds();
  const Span reclaiming;
  Require(bench.store().Reclaim(true), "reclaim");
  const double reclaim_seconds = reclaiming.seconds();
  const double after = static_cast<double>(bench.store().disk_bytes());
  const double log_bytes = static_cast<double>(totals.dirty_bytes);
  JsonLine("clean")
      .Add("mb_per_s", log_bytes / clean_seconds / 1e6)
      .Add("cpu_s_per_gb", clean_cpu / (log_bytes / 1e9))
      .Add("with_reclaim_mb_per_s", log_bytes / (clean_seconds + reclaim_seconds) / 1e6)
      .Add("live_share", static_cast<double>(totals.kept_bytes) / log_bytes)
      .Add("disk_per_live_byte", after / static_cast<double>(totals.kept_bytes))
      .Add("disk_before_gb", before / 1e9)
      .Add("disk_after_gb", after / 1e9)
      .Print();
}

}  // namespace cordwood::testing
