// SPDX-License-Identifier: Apache-2.0
#include "broker/replication/retention_driver.h"

#include "broker/replication/replication_fixture.h"
#include "storage/shard/retention.h"
#include "tests/support/wait_until.h"

namespace cordwood::broker {
namespace {

// Partition 0 belongs to a topic with the limits of the test; nothing runs but what the test calls.
class RetentionDriverTest : public DriverFixture {
 protected:
  RetentionDriverTest() {
    Start();
    options_.data_dir = directory_.path();
    options_.reclaim_bytes_min = 1;
  }
  void Limit(std::int64_t retention_ms, std::int64_t retention_bytes, CleanupPolicy cleanup = CleanupPolicy::kDelete) {
    auto topic = std::make_shared<TopicImage>(*os_);
    topic->id = TopicId();  // of the fixture's partitions
    topic->config.retention = RetentionLimits{retention_ms, retention_bytes};
    topic->config.cleanup = cleanup;
    image_ = std::make_shared<ClusterImage>(Uuid(), ++revision_, std::vector<BrokerImage>(), std::vector<ClusterImage::TopicPtr>{topic});
    if (table_.size() == 0) table_.Insert(handles_[0]);
    if (driver_under_test_ == nullptr) Make();
  }
  void Make() {
    driver_under_test_ =
        std::make_unique<RetentionDriver>(std::vector<ShardDriver*>{driver_.get()}, table_, [this] { return image_; }, options_, clock_);
  }
  // As the thread would, at the next due time.
  void Check() {
    clock_.Advance(absl::Minutes(6));
    driver_under_test_->CheckRetention();
  }
  Offset LogStart() { return handles_[0]->snapshot().log_start; }

  RetentionOptions options_;
  PartitionTable table_;
  Revision revision_ = 1;
  ClusterImagePtr image_;
  std::unique_ptr<RetentionDriver> driver_under_test_;
};

TEST_F(RetentionDriverTest, AWriterOnATightDiskSeesTheStepThatNoCheckHasSeenYet) {
  options_.ladder.floor_bytes = ~0ULL;
  Make();
  EXPECT_EQ(driver_under_test_->disk_level(), DiskLevel::kNormal);
  EXPECT_EQ(driver_under_test_->LookAtDisk(), DiskLevel::kRefuseProduce);
  EXPECT_THAT(MessageOf(driver_under_test_->CheckGrowth()), ::testing::HasSubstr(std::to_string(~0ULL) + " that disk.refuse.partitions.percent"));
}

TEST_F(RetentionDriverTest, OldRecordsGoAndYoungOnesStay) {
  Limit(absl::ToInt64Milliseconds(absl::Minutes(60)), -1);
  Append(0, "old");
  Check();  // marks the end
  clock_.Advance(absl::Minutes(40));
  Append(0, "young");
  Check();
  EXPECT_EQ(LogStart(), Offset(0));
  clock_.Advance(absl::Minutes(20));
  Check();
  EXPECT_EQ(LogStart(), Offset(1));
  EXPECT_EQ(ReadAll(0), "young");
}

TEST_F(RetentionDriverTest, ACompactedTopicLosesNothingUnlessItsPolicySaysDeleteToo) {
  Limit(1000, 1, CleanupPolicy::kCompact);
  Append(0, "old");
  Check();
  clock_.Advance(absl::Minutes(40));
  Check();
  EXPECT_EQ(LogStart(), Offset(0));
  Limit(1000, 1, CleanupPolicy::kCompactAndDelete);
  Check();
  clock_.Advance(absl::Minutes(40));
  Check();
  EXPECT_EQ(LogStart(), Offset(1));
}

TEST_F(RetentionDriverTest, ClosedPartitionLosesItsLastRecordsToo) {
  Limit(1000, -1);
  Append(0, "a");
  Append(0, "b");
  driver_under_test_.reset();  // it knows the shard's driver
  StopAndRestart();
  table_.Remove(TopicId(), PartitionIndex(0));
  const PartitionCheckpoint stub = ReadPartitionStubs(driver_->store())->at(0).checkpoint;
  ReplicaSnapshot snapshot;
  snapshot.log_end = snapshot.high_watermark = stub.log_end;
  snapshot.total_bytes = snapshot.size_bytes = stub.bytes;
  handles_[0]->Publish(snapshot);
  table_.Insert(handles_[0]);
  Make();
  Check();
  EXPECT_EQ(LogStart(), Offset(2));
}

TEST_F(RetentionDriverTest, WhatIsTooMuchGoesWhatIsAllowedStays) {
  const std::string value(400'000, 'x');
  Limit(-1, 1'000'000);
  for (int i = 0; i < 12; ++i) Append(0, value);
  Check();
  const ReplicaSnapshot snapshot = handles_[0]->snapshot();
  EXPECT_GT(snapshot.log_start, Offset(0));
  EXPECT_GE(snapshot.size_bytes, 1'000'000u);
  EXPECT_LE(snapshot.size_bytes, 1'000'000u + 2 * (1 << 20));
}

TEST_F(RetentionDriverTest, NoLimitKeepsEverything) {
  Limit(-1, -1);
  Append(0, "a");
  clock_.Advance(absl::Hours(10'000));
  Check();
  EXPECT_EQ(LogStart(), Offset(0));
}

TEST_F(RetentionDriverTest, ClockSetBackLosesNothing) {
  Limit(60'000, -1);
  Append(0, "a");
  clock_.SetWall(clock_.WallMs() - 3'600'000);
  Check();
  EXPECT_EQ(LogStart(), Offset(0));
}

// One shard is looked at after the other: what comes into the first meanwhile is not marked yet.
TEST_F(RetentionDriverTest, RecordsThatComeDuringACheckGoWithTheNext) {
  Limit(1000, -1);
  ShardOptions options = store_options_;
  options.directory = directory_.path() + "/shard-001";
  options.synced_file = options.directory + ".synced";
  options.shard = ShardId(1);
  ShardDriver second(ShardStore::Open(options).value(), driver_options_, clock_);
  second.Start();
  const auto slow = std::make_shared<ReplicaHandle>(TopicId(), PartitionIndex(1), PartitionId(9), second, ReplicaSnapshot());
  ASSERT_EQ(second.RunAndWait([&](ShardTurn& turn) {
    turn.StageCreate(slow->id, PartitionIdentity{});
    return absl::OkStatus();
  }), absl::OkStatus());
  ASSERT_EQ(second.RunAndWait([&](ShardTurn& turn) { return turn.Open(slow).status(); }), absl::OkStatus());
  TestOp in_second;
  in_second.outbox = &network_->outbox;
  in_second.entries.push_back(EntryOf(0, "b"));
  in_second.entries[0].partition = slow;
  second.Append(&in_second);
  Await(in_second);
  table_.Insert(slow);

  Append(0, "a");
  const auto is_marked = [this] {
    return FindRetentionPoint(driver_->store(), {handles_[0]->id, Offset(0), Offset(9), 0, {0, -1}}, INT64_MAX)->has_value();
  };
  bool sent = false;
  const auto look = [&] {  // before the logs are marked
    if (std::exchange(sent, true)) return image_;
    second.Run([&](ShardTurn&) {
      EXPECT_TRUE(cordwood::testing::WaitUntil(is_marked));
      Send(EntryOf(0, "late"));
      return driver_->RunAndWait([](ShardTurn&) { return absl::OkStatus(); });
    }, [](Status) {});
    return image_;
  };
  driver_under_test_ = std::make_unique<RetentionDriver>(std::vector<ShardDriver*>{driver_.get(), &second}, table_, look, options_, clock_);
  Check();
  EXPECT_EQ(handles_[0]->snapshot().log_end, Offset(2));
  EXPECT_EQ(LogStart(), Offset(1));
  Check();
  EXPECT_EQ(LogStart(), Offset(2));
  driver_under_test_.reset();
}

TEST_F(RetentionDriverTest, ShorterRetentionIsFollowedAtOnce) {
  Limit(absl::ToInt64Milliseconds(absl::Hours(100)), -1);
  Append(0, "a");
  Check();
  clock_.Advance(absl::Seconds(2));
  Limit(1000, -1);
  auto changed = std::make_shared<TopicImage>(*image_->topics().front());
  changed->revision = 9;
  image_ = std::make_shared<ClusterImage>(Uuid(), 99, std::vector<BrokerImage>(), std::vector<ClusterImage::TopicPtr>{changed});
  driver_under_test_->CheckRetention();
  EXPECT_EQ(LogStart(), Offset(1));
}

TEST_F(RetentionDriverTest, ReclaimGivesTheSpaceBack) {
  Limit(1000, -1);
  const std::string value(400'000, 'x');
  for (int i = 0; i < 50; ++i) Append(0, value);
  Check();
  EXPECT_EQ(LogStart(), Offset(50));
  driver_under_test_->Reclaim();
  EXPECT_TRUE(cordwood::testing::WaitUntil([&] { return driver_->store().disk_bytes() < 10'000'000u; }));
}

TEST_F(RetentionDriverTest, DeletedRecordsGiveTheSpaceBackWhereNoTopicHasALimit) {
  Limit(-1, -1);
  const std::string value(400'000, 'x');
  for (int i = 0; i < 50; ++i) Append(0, value);
  Check();  // from here on no topic is due
  ASSERT_EQ(Task([&](ShardTurn& turn) { return turn.StageLogStart(handles_[0], Offset(50)); }), absl::OkStatus());
  Check();
  driver_under_test_->Reclaim();
  EXPECT_TRUE(cordwood::testing::WaitUntil([&] { return driver_->store().disk_bytes() < 10'000'000u; }));
}

// Restarted between the deletion and the compaction, and nothing else is ever deleted.
TEST_F(RetentionDriverTest, AFillingDiskGetsBackWhatAnEarlierRunOwedIt) {
  options_.ladder.warn = DiskStep{100.0, UINT64_MAX};
  Limit(-1, -1);
  const std::string value(400'000, 'x');
  for (int i = 0; i < 50; ++i) Append(0, value);
  ASSERT_EQ(driver_->store_for_reclaim().Reclaim(false), absl::OkStatus());
  ASSERT_EQ(Task([&](ShardTurn& turn) { return turn.StageLogStart(handles_[0], Offset(50)); }), absl::OkStatus());
  Check();
  driver_under_test_.reset();  // it knows the shard's driver
  table_.Remove(TopicId(), PartitionIndex(0));
  CrashAndRestart();
  table_.Insert(handles_[0]);
  Make();
  driver_under_test_->CheckDisk();
  ASSERT_EQ(driver_under_test_->disk_level(), DiskLevel::kWarn);
  driver_under_test_->Reclaim();
  EXPECT_TRUE(cordwood::testing::WaitUntil([&] { return driver_->store().disk_bytes() < 10'000'000u; }));
}

TEST_F(RetentionDriverTest, DiskLadderRefusesPartitionsBeforeProduce) {
  options_.ladder.refuse_partitions = DiskStep{100.0, UINT64_MAX};
  options_.ladder.refuse_produce = DiskStep{0.0, 0};
  options_.ladder.floor_bytes = 0;
  Make();
  EXPECT_EQ(driver_under_test_->CheckGrowth(), absl::OkStatus());  // not looked yet
  driver_under_test_->CheckDisk();
  EXPECT_EQ(driver_under_test_->disk_level(), DiskLevel::kRefusePartitions);
  EXPECT_THAT(driver_under_test_->CheckGrowth(), FailsWith(Reason::kDiskFull));
}

TEST_F(RetentionDriverTest, DiskLadderRefusesProduceAtItsLastStep) {
  options_.ladder.refuse_produce = DiskStep{100.0, UINT64_MAX};
  Make();
  driver_under_test_->CheckDisk();
  EXPECT_EQ(driver_under_test_->disk_level(), DiskLevel::kRefuseProduce);
  EXPECT_THAT(driver_under_test_->CheckGrowth(), FailsWith(Reason::kDiskFull));
}

TEST_F(RetentionDriverTest, ThreadsStartAndStop) {
  Limit(1000, -1);
  driver_under_test_->Start();
  driver_under_test_->Stop();
  EXPECT_EQ(driver_under_test_->disk_level(), DiskLevel::kNormal);
}

}  // namespace
}  // namespace cordwood::broker
