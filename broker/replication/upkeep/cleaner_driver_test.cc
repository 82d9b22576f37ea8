// SPDX-License-Identifier: Apache-2.0
#include "broker/replication/upkeep/cleaner_driver.h"

#include <atomic>
#include <optional>
#include <thread>

#include "broker/replication/replication_fixture.h"
#include "broker/replication/retention_driver.h"
#include "storage/shard/compaction/log_cleaner.h"
#include "tests/support/wait_until.h"

namespace cordwood::broker {
namespace {

// Partitions 0 and 1 belong to a compacted topic; nothing runs but what the test calls.
class CleanerDriverTest : public DriverFixture {
 protected:
  CleanerDriverTest() {
    store_options_.kind = ShardKind::kCompact;
    store_options_.write_buffer_bytes = 1 << 20;
    Start();
    options_.backoff = absl::ZeroDuration();
    options_.warn = [this](std::string_view text) { warnings_ += std::string(text) + "\n"; };
    Make({});
  }
  void Make(const CompactionLimits& limits) {
    auto topic = std::make_shared<TopicImage>(*os_);
    topic->id = TopicId();  // of the fixture's partitions
    topic->config.cleanup = CleanupPolicy::kCompact;
    topic->config.compaction = limits;
    image_ = std::make_shared<ClusterImage>(Uuid(), ++revision_, std::vector<BrokerImage>(), std::vector<ClusterImage::TopicPtr>{topic});
    table_.emplace();
    for (std::size_t i = 0; i < 2; ++i) table_->Insert(handles_[i]);
    cleaner_ = std::make_unique<CleanerDriver>(*table_, [this] { return image_; }, options_, clock_);
  }
  static SharedBytes KeyedBatch(const std::string& key, const std::optional<std::string>& value) {
    RecordBatchBuilder builder;
    RecordView record;
    record.timestamp_ms = 1000;
    record.key = key;
    if (value.has_value()) record.value = *value;
    builder.Add(record);
    return builder.Build(Codec::kNone, {}, kSideHeaderBytes).value();
  }
  void Put(const std::string& key, const std::optional<std::string>& value, std::size_t partition = 0) { Append(partition, KeyedBatch(key, value)); }
  int CleanAll() {
    int runs = 0;
    while (cleaner_->CleanOne()) {
      if (++runs == 100) break;
    }
    return runs;
  }
  CleaningState State(std::size_t partition = 0) { return ReadCleaningState(driver_->store(), handles_[partition]->id).value(); }

  CleanerOptions options_;
  std::string warnings_;
  Revision revision_ = 1;
  ClusterImagePtr image_;
  std::optional<PartitionTable> table_;
  std::unique_ptr<CleanerDriver> cleaner_;
};

TEST_F(CleanerDriverTest, AnEmptyLogIsLeftAlone) {
  EXPECT_FALSE(cleaner_->CleanOne());
  EXPECT_EQ(cleaner_->measures().runs.value(), 0u);
}

TEST_F(CleanerDriverTest, OfEachKeyTheLastValueStaysOverARestart) {
  for (int i = 0; i < 10; ++i) Put(i % 2 == 0 ? "a" : "b", std::to_string(i));
  EXPECT_EQ(CleanAll(), 1);
  EXPECT_EQ(ReadAll(0), "8 9");
  EXPECT_EQ(State().clean_end, Offset(10));
  EXPECT_EQ(State().last_run.removed_records, 8u);
  EXPECT_EQ(cleaner_->measures().removed_records.value(), 8u);
  EXPECT_EQ(cleaner_->measures().partitions.value(), 2);
  cleaner_.reset();
  CrashAndRestart();
  ASSERT_EQ(Task([&](ShardTurn& turn) { return turn.Open(handles_[0]).status(); }), absl::OkStatus());
  EXPECT_EQ(ReadAll(0), "8 9");
}

TEST_F(CleanerDriverTest, TheDirtiestIsCleanedFirstAndTheRatioDecides) {
  for (int i = 0; i < 4; ++i) Put("a", std::to_string(i), 0);
  for (int i = 0; i < 4; ++i) Put(std::to_string(i), "v", 1);
  EXPECT_EQ(CleanAll(), 2);
  Put("z", "1", 1);  // a fifth of partition 1, half of partition 0
  Put("z", "1", 0);
  ASSERT_TRUE(cleaner_->CleanOne());
  EXPECT_EQ(State(0).runs, 2u);
  EXPECT_EQ(State(1).runs, 1u);
  EXPECT_FALSE(cleaner_->CleanOne());
}

TEST_F(CleanerDriverTest, YoungRecordsAreLeftUntilTheirTime) {
  CompactionLimits limits;
  limits.min_lag_ms = 60'000;
  Make(limits);
  for (int i = 0; i < 4; ++i) Put("a", std::to_string(i));
  EXPECT_FALSE(cleaner_->CleanOne());
  clock_.Advance(absl::Seconds(61));
  EXPECT_TRUE(cleaner_->CleanOne());
  EXPECT_EQ(ReadAll(0), "3");
}

TEST_F(CleanerDriverTest, WhatIsDirtyForTooLongIsCleanedWhateverTheRatio) {
  CompactionLimits limits;
  limits.min_dirty_ratio = 1;
  limits.max_lag_ms = 60'000;
  Make(limits);
  for (int i = 0; i < 4; ++i) Put(std::to_string(i), "v");
  EXPECT_EQ(CleanAll(), 1);  // all of it is dirty
  Put("0", "w");
  EXPECT_FALSE(cleaner_->CleanOne());
  clock_.Advance(absl::Seconds(61));
  EXPECT_TRUE(cleaner_->CleanOne());
  EXPECT_EQ(ReadAll(0), "v v v w");
}

TEST_F(CleanerDriverTest, TombstonesGoADayAfterTheyWereClean) {
  Put("a", "1");
  Put("a", std::nullopt);
  Put("b", "1");
  EXPECT_EQ(CleanAll(), 1);
  EXPECT_EQ(ReadAll(0), "(null) 1");
  clock_.Advance(absl::Hours(23));
  EXPECT_FALSE(cleaner_->CleanOne());
  clock_.Advance(absl::Hours(1));
  EXPECT_EQ(CleanAll(), 1);
  EXPECT_EQ(ReadAll(0), "1");
}

// What a run that ended half-way took away counts as appended, or the log would seem dirty for ever.
TEST_F(CleanerDriverTest, TheRunAfterAnInterruptedOneLeavesTheLogClean) {
  for (int i = 0; i < 10; ++i) Put("a", std::to_string(i));
  std::vector<CleanedValue> gone;
  for (int i = 0; i < 9; ++i) gone.push_back({Offset(i), Offset(i + 1), ""});
  CleaningState half_way;
  half_way.gaps_end = Offset(9);
  ASSERT_EQ(Task([&](ShardTurn& turn) {
    CORDWOOD_RETURN_IF_ERROR(turn.StageCleaningStart(handles_[0]).status());
    return turn.StageCleaned(handles_[0], gone, half_way, 0);
  }), absl::OkStatus());
  EXPECT_EQ(CleanAll(), 1);
  EXPECT_EQ(ReadAll(0), "9");
  EXPECT_EQ(DirtyBytes(State(), CleaningFactsOf(handles_[0]->snapshot())), 0u);
}

TEST_F(CleanerDriverTest, AReaderDuringCleaningEndsWithTheLatestValues) {
  options_.chunk_bytes = 1;
  Make({});
  for (int i = 0; i < 300; ++i) Put("k" + std::to_string(i % 7), std::to_string(i));
  std::atomic<bool> done{false};
  std::thread cleaning([&] {
    CleanAll();
    done = true;
  });
  int reads = 0;
  do {
    const std::string text = ReadAll(0);
    EXPECT_EQ(text.find('!'), std::string::npos) << text;
    EXPECT_TRUE(text.ends_with("293 294 295 296 297 298 299")) << text;
    ++reads;
  } while (!done);
  cleaning.join();
  EXPECT_EQ(ReadAll(0), "293 294 295 296 297 298 299");
  EXPECT_GT(reads, 0);
}

TEST_F(CleanerDriverTest, ALogThatCannotBeReadIsReportedAndTheOthersGoOn) {
  for (int i = 0; i < 4; ++i) Put("a", std::to_string(i), 0);
  for (int i = 0; i < 4; ++i) Put("a", std::to_string(i), 1);
  ASSERT_EQ(Task([&](ShardTurn& turn) { return turn.StageCleaned(handles_[0], std::vector<CleanedValue>(), CleaningState(), 0); }), absl::OkStatus());
  ASSERT_EQ(Task([&](ShardTurn& turn) {
    CORDWOOD_RETURN_IF_ERROR(turn.StageCleaningStart(handles_[0]).status());
    return turn.StageCleaned(handles_[0], std::vector<CleanedValue>{{Offset(1), Offset(2), ""}}, CleaningState(), 0);  // lost, for all that the state knows
  }), absl::OkStatus());
  ASSERT_EQ(Task([&](ShardTurn& turn) {
    return turn.StageCleaned(handles_[0], std::vector<CleanedValue>{{Offset(2), Offset(3), "no batch"}}, CleaningState(), 0);
  }), absl::OkStatus());
  EXPECT_EQ(CleanAll(), 2);
  EXPECT_EQ(cleaner_->measures().failures.value(), 1u);
  EXPECT_THAT(warnings_, ::testing::HasSubstr("cannot clean os-0: "));
  EXPECT_EQ(ReadAll(1), "3");
}

TEST_F(CleanerDriverTest, TheLimitOfBytesASecondHoldsARunUntilItIsStopped) {
  options_.bytes_per_second = 1;
  Make({});
  for (int i = 0; i < 4; ++i) Put("a", std::string(100, 'v'));
  cleaner_->Start();
  ASSERT_TRUE(cordwood::testing::WaitUntil([&] { return cleaner_->measures().read_bytes.value() > 0; }));
  cleaner_->Stop();
  EXPECT_EQ(cleaner_->measures().runs.value(), 0u);
  EXPECT_EQ(State().runs, 0u);
  options_.bytes_per_second = 0;
  Make({});
  EXPECT_EQ(CleanAll(), 1);
}

TEST_F(CleanerDriverTest, SpaceComesBack) {
  for (int i = 0; i < 100; ++i) Put("k" + std::to_string(i % 10), std::string(50'000, static_cast<char>('a' + i % 26)));
  EXPECT_EQ(CleanAll(), 1);
  RetentionOptions retention_options;
  retention_options.data_dir = directory_.path();
  retention_options.reclaim_bytes_min = 1;
  RetentionDriver retention(std::vector<ShardDriver*>{driver_.get()}, *table_, [this] { return image_; }, retention_options, clock_);
  const std::uint64_t before = driver_->store().disk_bytes();
  retention.Reclaim();
  EXPECT_GT(before, 5'000'000u);
  EXPECT_TRUE(cordwood::testing::WaitUntil([&] { return driver_->store().disk_bytes() < 1'000'000u; }));  // files go behind the compaction
}

}  // namespace
}  // namespace cordwood::broker
