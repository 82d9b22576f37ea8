// SPDX-License-Identifier: Apache-2.0
// What the unit tests of this room share: a shard in a temporary directory, batches, and a log that reads back as text.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdint>
#include <filesystem>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "storage/log/side_header.h"
#include "storage/record/record_batch_builder.h"
#include "storage/record/record_reader.h"
#include "storage/shard/log_reader.h"
#include "storage/shard/partition_log.h"
#include "storage/shard/shard_store.h"
#include "tests/support/temp_dir.h"

namespace cordwood::testing {

MATCHER_P(FailsWith, reason, "") { return ReasonOf(arg) == reason; }
#define ASSERT_OK(expression) ASSERT_EQ((expression), absl::OkStatus())
#define EXPECT_OK(expression) EXPECT_EQ((expression), absl::OkStatus())

inline RecordView RecordOf(std::string_view value, std::int64_t timestamp_ms = 1000) {
  RecordView record;
  record.timestamp_ms = timestamp_ms;
  record.value = value;
  return record;
}

// A stored value's worth of bytes: room for the side header and one batch.
inline SharedBytes BatchOfRecords(const std::vector<RecordView>& records, const ProducerStamp& producer = {}) {
  RecordBatchBuilder builder;
  for (const RecordView& record : records) builder.Add(record);
  return builder.Build(Codec::kNone, producer, kSideHeaderBytes).value();
}
inline SharedBytes BatchOfText(const std::vector<std::string>& values, std::int64_t timestamp_ms = 1000, const ProducerStamp& producer = {}) {
  std::vector<RecordView> records;
  for (const std::string& value : values) records.push_back(RecordOf(value, timestamp_ms));
  return BatchOfRecords(records, producer);
}
inline ProducerStamp Stamp(std::int64_t id, std::int32_t sequence, std::int16_t epoch = 0) {
  return {ProducerId(id), ProducerEpoch(epoch), Sequence(sequence)};
}

// The values of all records of consecutive batches.
inline std::vector<std::string> ValuesOf(std::string_view batches) {
  std::vector<std::string> values;
  while (!batches.empty()) {
    const RecordBatchView batch = RecordBatchView::TakeFirst(&batches).value();
    EXPECT_OK(batch.CheckCrc());
    RecordReader reader(batch);
    EXPECT_OK(reader.Open());
    RecordView record;
    while (reader.Next(&record).value()) values.emplace_back(record.value.value_or("(null)"));
  }
  return values;
}

// A shard in a directory of its own. Crash() drops it without Close(), as the end of the process would.
class ShardFixture : public ::testing::Test {
 protected:
  static constexpr PartitionId kPartition{7};

  ShardFixture() {
    options_.directory = directory_.path() + "/shard-000";
    options_.synced_file = directory_.path() + "/shard-000.synced";
    options_.data_dir_id.bytes[0] = 1;
    options_.clock = &clock_;
  }

  Status Open() {
    auto store = ShardStore::Open(options_);
    if (!store.ok()) return store.status();
    store_ = *std::move(store);
    return absl::OkStatus();
  }
  void Crash() {
    log_.reset();
    store_.reset();
  }
  void CloseStore() {
    log_.reset();
    EXPECT_OK(store_->Close());
    store_.reset();
  }
  void Create(PartitionId id = kPartition) {
    WriteGroup group;
    PartitionLog::StageCreate(group, id, PartitionIdentity());
    ASSERT_OK(CommitGroup(group));
  }
  Status OpenLog(PartitionId id = kPartition) {
    log_.reset();
    auto log = PartitionLog::Open(*store_, id, ProducerLimits());
    if (!log.ok()) return log.status();
    log_ = *std::move(log);
    return absl::OkStatus();
  }
  // A new shard with one open partition.
  void Start() {
    ASSERT_OK(Open());
    Create();
    ASSERT_OK(OpenLog());
  }
  void Reopen() {
    Crash();
    ASSERT_OK(Open());
    ASSERT_OK(OpenLog());
  }
  // A throttled group is committed again, as a shard's writer does it.
  Status CommitGroup(WriteGroup& group) {
    const absl::Duration deadline = Clock::System().Monotonic() + absl::Seconds(30);
    for (;;) {
      const Status status = store_->Commit(group);
      if (ReasonOf(status) != Reason::kThrottled || Clock::System().Monotonic() > deadline) return status;
      std::this_thread::yield();
    }
  }
  Status Commit(WriteGroup& group) {
    CORDWOOD_RETURN_IF_ERROR(CommitGroup(group));
    if (log_ != nullptr) log_->OnCommitted();
    return absl::OkStatus();
  }
  // One entry of several batches, staged and committed.
  StatusOr<StagedAppend> AppendEntry(std::span<SharedBytes> values, std::int64_t wall_ms = 5000, LeaderEpoch epoch = LeaderEpoch(0)) {
    WriteGroup group;
    CORDWOOD_ASSIGN_OR_RETURN(StagedAppend staged, log_->StageAppend(group, values, epoch, wall_ms, false));
    CORDWOOD_RETURN_IF_ERROR(Commit(group));
    return staged;
  }
  StatusOr<StagedAppend> Append(SharedBytes value, std::int64_t wall_ms = 5000, LeaderEpoch epoch = LeaderEpoch(0)) {
    return AppendEntry({&value, 1}, wall_ms, epoch);
  }
  StatusOr<StagedAppend> Append(const std::string& value, std::int64_t wall_ms = 5000, LeaderEpoch epoch = LeaderEpoch(0)) {
    return Append(BatchOfText({value}), wall_ms, epoch);
  }
  // All records from `from` to the log end.
  std::vector<std::string> ReadAll(Offset from = Offset(0), PartitionId id = kPartition) {
    std::vector<std::string> values;
    while (from < log_->log_end()) {
      const StatusOr<ReadResult> read = LogReader(*store_).Read(id, {from, log_->log_end(), 1 << 20});
      EXPECT_OK(read.status());
      if (!read.ok() || read->batches.empty()) break;
      for (std::string& value : ValuesOf(read->batches.view())) values.push_back(std::move(value));
      from = read->next;
    }
    return values;
  }

  TempDir directory_;
  SimulatedClock clock_;
  ShardOptions options_;
  std::unique_ptr<ShardStore> store_;
  std::unique_ptr<PartitionLog> log_;
};

}  // namespace cordwood::testing
