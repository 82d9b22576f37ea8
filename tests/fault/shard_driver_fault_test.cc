// SPDX-License-Identifier: Apache-2.0
// What a driver does when its disk fails or does not keep up, on a simulated disk.
#include "broker/replication/replication_fixture.h"
#include "tests/fault/power_loss_fs.h"

namespace cordwood::broker {
namespace {

using ::cordwood::testing::BackgroundAllowed;
using ::cordwood::testing::DiskCall;
using ::cordwood::testing::DiskResult;
using ::cordwood::testing::PowerLossEnv;
using ::cordwood::testing::SimulatedDisk;

class ShardDriverFaultTest : public DriverFixture {
 protected:
  ShardDriverFaultTest() {
    EXPECT_EQ(disk_.CreateDirectory(directory_.path()), DiskResult::kOk);
    store_options_.env = &env_;
    store_options_.write_buffer_bytes = 64 * 1024;
    store_options_.write_buffers = 2;
    driver_options_.group_bytes_max = 32 * 1024;
  }
  ~ShardDriverFaultTest() override {
    BackgroundAllowed background(env_);
    driver_.reset();
  }
  void Start() {
    background_ = std::make_unique<BackgroundAllowed>(env_);
    DriverFixture::Start();
  }

  SimulatedDisk disk_;
  PowerLossEnv env_{disk_};
  std::unique_ptr<BackgroundAllowed> background_;
};

TEST_F(ShardDriverFaultTest, FailedSyncAnswersPoisonedButNotWhatWasOnlyToBeWritten) {
  Start();
  Append(2, "before");
  disk_.FailCall(DiskCall::kSync, 1, DiskResult::kIoError, true);
  TestOp& op = Send(EntryOf(0, "os"));
  TestOp& lost = Send(EntryOf(2, "fsync"));
  Await(op);
  Await(lost);
  EXPECT_EQ(op.entry().status, absl::OkStatus());
  EXPECT_THAT(lost.entry().status, FailsWith(Reason::kPoisoned));
  EXPECT_TRUE(lost.entry().base_offsets.empty());
  EXPECT_EQ(handles_[2]->snapshot().high_watermark, Offset(1));
}

TEST_F(ShardDriverFaultTest, PoisonedShardLeadsNothingAndTakesNothing) {
  Start();
  Append(0, "before");
  disk_.FailCall(DiskCall::kAppend, 1, DiskResult::kIoError, true);
  EXPECT_THAT(Append(0, "lost").status, FailsWith(Reason::kPoisoned));
  EXPECT_FALSE(handles_[0]->snapshot().is_leader);
  EXPECT_THAT(Append(1, "later").status, FailsWith(Reason::kPoisoned));
  EXPECT_THAT(Task([](ShardTurn&) { return absl::OkStatus(); }), FailsWith(Reason::kPoisoned));
  EXPECT_EQ(ReadAll(0), "before");
  EXPECT_THAT(driver_->Stop(), FailsWith(Reason::kPoisoned));
}

TEST_F(ShardDriverFaultTest, PoisonedShardOpensWhatIsOnlyLookedAt) {
  Start();
  Append(1, "kept");
  CrashAndRestart();  // nothing is open
  disk_.FailCall(DiskCall::kAppend, 1, DiskResult::kIoError, true);
  EXPECT_THAT(Append(0, "lost").status, FailsWith(Reason::kPoisoned));
  EXPECT_EQ(driver_->LookAndWait([&](ShardTurn& turn) { return turn.Open(handles_[1]).status(); }), absl::OkStatus());
  EXPECT_TRUE(network_->RunUntil([&] { return handles_[1]->snapshot().phase == ReplicaPhase::kOpen; }));
  EXPECT_FALSE(handles_[1]->snapshot().is_leader);
  EXPECT_EQ(handles_[1]->snapshot().leader_epoch, LeaderEpoch(0)) << "that of its last record";
  EXPECT_EQ(ReadAll(1), "kept");
  EXPECT_THAT(Append(1, "later").status, FailsWith(Reason::kPoisoned));
}

TEST_F(ShardDriverFaultTest, PublicationSaysThatLeadershipIsGoneBeforeTheAnswer) {
  Start();
  Append(0, "before");
  disk_.FailCall(DiskCall::kAppend, 1, DiskResult::kIoError, true);
  Append(0, "lost");
  ASSERT_GE(network_->events.size(), 2u);
  EXPECT_EQ(network_->events[network_->events.size() - 2], "p0 hw 1 no leader");
}

// The same turn of the loop is the time to close idle partitions, which a poisoned shard leaves alone.
TEST_F(ShardDriverFaultTest, SyncedFileThatCannotBeWrittenEndsLeadershipAndClosesNothing) {
  Start();
  Append(0, "os");
  Append(2, "fsync");
  disk_.FailCall(DiskCall::kWriteAt, 1, DiskResult::kIoError, true);
  clock_.Advance(driver_options_.idle_close);
  (void)Task([](ShardTurn&) { return absl::OkStatus(); });  // a turn, and the tick after it
  ASSERT_TRUE(network_->RunUntil([&] { return network_->events.size() == 6; }));
  EXPECT_THAT(Task([](ShardTurn&) { return absl::OkStatus(); }), FailsWith(Reason::kPoisoned));
  EXPECT_EQ(handles_[0]->snapshot().phase, ReplicaPhase::kOpen);
  EXPECT_FALSE(handles_[0]->snapshot().is_leader);
  EXPECT_THAT(network_->events, ::testing::IsSupersetOf({"p0 hw 1 no leader", "p2 hw 1 no leader"}));
}

TEST_F(ShardDriverFaultTest, StallIsBackPressureAndNothingIsLost) {
  Start();
  background_.reset();  // no flush: write buffers fill up
  const std::string value(10'000, 'x');
  for (int i = 0; i < 100; ++i) Send(EntryOf(0, value));
  EXPECT_TRUE(network_->RunUntil([&] { return ops_[0]->answers == 1; }));
  EXPECT_FALSE(network_->RunUntil([&] { return ops_.back()->answers == 1; }, std::chrono::milliseconds(300)));  // it stalls
  background_ = std::make_unique<BackgroundAllowed>(env_);
  for (const auto& op : ops_) Await(*op);
  for (std::size_t i = 0; i < ops_.size(); ++i) EXPECT_EQ(ops_[i]->entry().base_offsets.at(0), Offset(static_cast<std::int64_t>(i)));
}

}  // namespace
}  // namespace cordwood::broker
