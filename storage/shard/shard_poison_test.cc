// SPDX-License-Identifier: Apache-2.0
// Every write or sync that fails poisons the shard, none crashes the process, and what was committed before can still be read.
#include "storage/shard/testing/failing_file_system.h"
#include "storage/shard/testing/shard_fixture.h"

namespace cordwood::testing {
namespace {

class ShardPoisonTest : public ShardFixture {
 protected:
  ShardPoisonTest() { options_.env = env_.get(); }
  ~ShardPoisonTest() override { Crash(); }

  void ExpectPoisoned() {
    EXPECT_GT(files_->failures(), 0);
    EXPECT_TRUE(store_->poisoned());
    EXPECT_THAT(store_->poison_status(), FailsWith(Reason::kPoisoned));
    EXPECT_THAT(Append("refused").status(), FailsWith(Reason::kPoisoned));
    EXPECT_THAT(store_->Sync(), FailsWith(Reason::kPoisoned));
    EXPECT_THAT(store_->Tick(), FailsWith(Reason::kPoisoned));
  }
  // The shard once, by its path, and what the operator is to do.
  void ExpectSaid(const std::string& text) {
    const std::string message = MessageOf(store_->poison_status());
    EXPECT_THAT(message, ::testing::StartsWith(options_.directory + ": takes no more writes" + text));
    EXPECT_EQ(message.rfind(options_.directory), 0u) << "named twice: " << message;
  }
  // What was synced before the fault is read from the poisoned shard and from the one that is opened after it.
  void ExpectKept(const std::string& value) {
    ASSERT_OK(OpenLog());
    EXPECT_THAT(ReadAll(), ::testing::Contains(value));
    files_->Fail(FailingCall::kNone, "");
    Reopen();
    EXPECT_THAT(ReadAll(), ::testing::Contains(value));
    EXPECT_OK(Append("after").status());
  }
  void StartWith(const std::string& value) {
    Start();
    ASSERT_OK(Append(value).status());
    ASSERT_OK(store_->Sync());
  }

  std::shared_ptr<FailingFileSystem> files_ = std::make_shared<FailingFileSystem>();
  std::unique_ptr<rocksdb::Env> env_ = rocksdb::NewCompositeEnv(files_);
};

TEST_F(ShardPoisonTest, AFailedLogAppendPoisons) {
  StartWith("kept");
  files_->Fail(FailingCall::kAppend, ".log");
  EXPECT_THAT(Append("lost").status(), FailsWith(Reason::kPoisoned));
  ExpectPoisoned();
  ExpectKept("kept");
}

TEST_F(ShardPoisonTest, AFullDiskAtALogAppendPoisons) {
  StartWith("kept");
  files_->Fail(FailingCall::kAppend, ".log", /*no_space=*/true);
  EXPECT_THAT(Append("lost").status(), FailsWith(Reason::kPoisoned));
  ExpectPoisoned();
  ExpectSaid("; free space on its disk, then restart the broker: write or sync: IO error: No space left on device");
  ExpectKept("kept");
}

TEST_F(ShardPoisonTest, AFailedLogSyncPoisons) {
  StartWith("kept");
  ASSERT_OK(Append("maybe").status());
  files_->Fail(FailingCall::kSync, ".log");
  EXPECT_THAT(store_->Sync(), FailsWith(Reason::kPoisoned));
  ExpectPoisoned();
  ExpectSaid("; see to its disk, then restart the broker: write or sync: IO error");
  ExpectKept("kept");
}

class FlushFaultTest : public ShardPoisonTest, public ::testing::WithParamInterface<std::tuple<const char*, FailingCall, bool>> {};

TEST_P(FlushFaultTest, AFailedFlushPoisonsWithoutAWrite) {
  const auto [name, call, no_space] = GetParam();
  StartWith(std::string(5000, 'b'));
  files_->Fail(call, name, no_space);
  EXPECT_THAT(store_->Reclaim(false), ::testing::Not(FailsWith(Reason::kNone)));
  ExpectPoisoned();
  ExpectKept(std::string(5000, 'b'));
}

INSTANTIATE_TEST_SUITE_P(Files, FlushFaultTest,
                         ::testing::Combine(::testing::Values(".sst", ".blob", "MANIFEST"),
                                            ::testing::Values(FailingCall::kAppend, FailingCall::kSync), ::testing::Bool()));

TEST_F(ShardPoisonTest, AFailedWriteOfTheSyncedFilePoisons) {
  StartWith("kept");
  clock_.Advance(absl::Seconds(1));
  files_->Fail(FailingCall::kRandomWrite, ".synced");
  EXPECT_THAT(store_->Tick(), FailsWith(Reason::kPoisoned));
  ExpectPoisoned();
  ExpectSaid("; see to its disk, then restart the broker: " + std::filesystem::path(options_.synced_file).filename().string() + ": IO error");
  ExpectKept("kept");
}

TEST_F(ShardPoisonTest, GivingSpaceBackIsPutOffWhereThereIsNoRoomForIt) {
  StartWith("kept");
  files_->SetFreeSpace(0);
  files_->Fail(FailingCall::kAppend, ".sst", true);  // what a flush would meet
  EXPECT_THAT(store_->Reclaim(false), FailsWith(Reason::kDiskFull));
  EXPECT_FALSE(store_->poisoned());
  files_->Fail(FailingCall::kNone, "");
  files_->SetFreeSpace(1ULL << 30);
  EXPECT_OK(store_->Reclaim(false));
}

TEST_F(ShardPoisonTest, TheFirstCauseStays) {
  StartWith("kept");
  files_->Fail(FailingCall::kAppend, ".log");
  (void)Append("lost");
  EXPECT_THAT(MessageOf(store_->poison_status()), ::testing::HasSubstr("injected"));
  const std::string first = MessageOf(store_->poison_status());
  (void)store_->Sync();
  EXPECT_EQ(MessageOf(store_->poison_status()), first);
}

}  // namespace
}  // namespace cordwood::testing
