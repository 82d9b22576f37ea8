// SPDX-License-Identifier: Apache-2.0
// The power goes at every call of a cleaning run to the disk; whoever reads afterwards ends with the latest values.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "storage/log/side_header.h"
#include "storage/record/record_batch_builder.h"
#include "storage/record/record_reader.h"
#include "storage/shard/log_reader.h"
#include "storage/shard/testing/clean_for_test.h"
#include "tests/fault/power_loss_fs.h"

namespace cordwood::testing {
namespace {

constexpr PartitionId kPartition{1};

class CleanerFaultTest : public ::testing::Test {
 protected:
  void NewDisk() {
    disk_ = std::make_unique<SimulatedDisk>();
    disk_->CreateDirectory("/d");
    disk_->SyncDirectory("/");
    env_ = std::make_unique<PowerLossEnv>(*disk_);
    records_.clear();
  }
  void Open(bool create) {
    const BackgroundAllowed allowed(*env_);
    ShardOptions options;
    options.directory = "/d/shard-001";
    options.synced_file = "/d/shard-001.synced";
    options.shard = ShardId(1);
    options.kind = ShardKind::kCompact;
    options.write_buffer_bytes = 64 * 1024;
    options.env = env_.get();
    auto store = ShardStore::Open(options);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    if (create) {
      WriteGroup group;
      PartitionLog::StageCreate(group, kPartition, PartitionIdentity());
      ASSERT_EQ(store_->Commit(group), absl::OkStatus());
    }
    auto log = PartitionLog::Open(*store_, kPartition, ProducerLimits());
    ASSERT_TRUE(log.ok()) << log.status();
    log_ = *std::move(log);
  }
  void Drop() {
    const BackgroundAllowed allowed(*env_);
    log_.reset();
    store_.reset();
  }
  Status Commit(WriteGroup& group) {
    CORDWOOD_RETURN_IF_ERROR(store_->Commit(group));
    log_->OnCommitted();
    return absl::OkStatus();
  }
  void Append(const std::string& key, const std::optional<std::string>& value) {
    RecordBatchBuilder builder;
    RecordView record;
    record.timestamp_ms = 1000;
    record.key = key;
    if (value.has_value()) record.value = *value;
    builder.Add(record);
    SharedBytes batch = builder.Build(Codec::kNone, {}, kSideHeaderBytes).value();
    WriteGroup group;
    ASSERT_TRUE(log_->StageAppend(group, {&batch, 1}, LeaderEpoch(0), 1000, false).ok());
    ASSERT_EQ(Commit(group), absl::OkStatus());
    records_.push_back({key, value});
  }
  // Three runs, appends and syncs between them; a tombstone goes in the last. Ends early where the power does.
  void Work() {
    for (int run = 0; run < 3 && !disk_->power_is_off(); ++run) {
      CleanForTest clean{1000 + run * 100, 50};
      const auto commit = [this](WriteGroup& group) { return Commit(group); };
      if (!clean.Run(*store_, *log_, commit).ok()) return;
      if (run == 0 && !store_->Sync().ok()) return;
    }
  }
  // Of the records that are left, by whoever begins at `from`.
  void ExpectLatest(Offset from) {
    std::map<std::string, std::pair<std::int64_t, std::optional<std::string>>> latest, seen;
    ASSERT_LE(log_->log_end().value(), static_cast<std::int64_t>(records_.size()));
    for (std::int64_t i = 0; i < log_->log_end().value(); ++i) latest[records_[static_cast<std::size_t>(i)].first] = {i, records_[static_cast<std::size_t>(i)].second};
    for (Offset next = from; next < log_->log_end();) {
      const auto read = LogReader(*store_).Read(kPartition, {next, log_->log_end(), 100});
      ASSERT_TRUE(read.ok()) << read.status();
      ASSERT_GT(read->next, next);
      for (std::string_view rest = read->batches.view(); !rest.empty();) {
        RecordReader reader(RecordBatchView::TakeFirst(&rest).value());
        ASSERT_TRUE(reader.Open().ok());
        for (RecordView record; reader.Next(&record).value();) {
          seen[std::string(*record.key)] = {record.offset.value(), record.value.has_value() ? std::optional(std::string(*record.value)) : std::nullopt};
        }
      }
      next = read->next;
    }
    for (const auto& [key, last] : latest) {
      if (last.first < from.value()) continue;
      if (seen.contains(key)) {
        ASSERT_EQ(seen[key], last) << key;
      } else {
        ASSERT_FALSE(last.second.has_value()) << key << " is missing for a reader from " << from.value();
      }
    }
  }
  void ExpectSound() {
    ASSERT_EQ(log_->Invariants(), absl::OkStatus());
    for (std::int64_t from = 0; from <= log_->log_end().value(); from += 5) ASSERT_NO_FATAL_FAILURE(ExpectLatest(Offset(from)));
  }

  std::unique_ptr<SimulatedDisk> disk_;
  std::unique_ptr<PowerLossEnv> env_;
  std::unique_ptr<ShardStore> store_;
  std::unique_ptr<PartitionLog> log_;
  std::vector<std::pair<std::string, std::optional<std::string>>> records_;  // by offset
};

TEST_F(CleanerFaultTest, APowerLossAtAnyCallLeavesTheLatestValues) {
  bool done = false;
  std::uint64_t cuts = 0;
  for (std::uint64_t call = 1; !done; ++call) {
    NewDisk();
    ASSERT_NO_FATAL_FAILURE(Open(/*create=*/true));
    for (int i = 0; i < 24; ++i) Append("k" + std::to_string(i % 5), i % 7 == 3 ? std::nullopt : std::optional(std::to_string(i)));
    ASSERT_EQ(store_->Sync(), absl::OkStatus());
    for (int i = 24; i < 30; ++i) Append("k" + std::to_string(i % 3), std::to_string(i));  // not synced
    disk_->ArmPowerCut(call);
    Work();
    done = !disk_->power_is_off();
    cuts += done ? 0 : 1;
    Drop();
    disk_->PowerLoss(call, CaseOf(call));
    ASSERT_NO_FATAL_FAILURE(Open(/*create=*/false)) << "cut at call " << call;
    ASSERT_GE(log_->log_end(), Offset(24));
    ASSERT_NO_FATAL_FAILURE(ExpectSound()) << "cut at call " << call << ", " << CaseName(CaseOf(call));
    Work();
    ASSERT_NO_FATAL_FAILURE(ExpectSound()) << "cleaned again after a cut at call " << call;
    Drop();
  }
  EXPECT_GT(cuts, 20u);
}

}  // namespace
}  // namespace cordwood::testing
