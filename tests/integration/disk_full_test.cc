// SPDX-License-Identifier: Apache-2.0
// A disk that fills, on a small tmpfs: a definite refusal, reads go on, and deletion lets produce go on.
#include <fcntl.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <thread>

#include "tests/integration/refusal_fixture.h"
#include "tests/support/raw_wire.h"

namespace cordwood::testing {
namespace {

using ::testing::HasSubstr;

class DiskFullTest : public BrokerTest {
 protected:
  void SetUp() override {
    std::filesystem::create_directory(data_dir());
    const char* failed = Mount();
    if (failed != nullptr) GTEST_SKIP() << failed << ": " << std::strerror(errno);
    BrokerTest::SetUp();
  }
  void TearDown() override {
    if (broker_ != nullptr) {
      EXPECT_LE(Stop(), 1);  // 1: a shard that could not be closed cleanly
    }
    BrokerTest::TearDown();
    broker_.reset();
    if (mounted_) umount(data_dir().c_str());
  }
  // In a mount namespace of this thread and its children, so that nothing is left behind.
  const char* Mount() {
    if (unshare(CLONE_NEWNS) != 0) return "unshare(CLONE_NEWNS)";
    if (mount("none", "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) return "making mounts private";
    if (mount("tmpfs", data_dir().c_str(), "tmpfs", 0, "size=600m") != 0) return "mounting a tmpfs";
    mounted_ = true;
    return nullptr;
  }
  std::string filler() const { return data_dir() + "/filler"; }
  // Allocates all free space but so many bytes, at once.
  void TakeAllBut(std::uint64_t bytes) {
    const int file = open(filler().c_str(), O_WRONLY | O_CREAT, 0644);
    struct stat taken{};
    struct statvfs disk{};
    ASSERT_TRUE(file >= 0 && fstat(file, &taken) == 0 && statvfs(data_dir().c_str(), &disk) == 0) << std::strerror(errno);
    const auto free = static_cast<off_t>(disk.f_bavail * disk.f_frsize);
    EXPECT_EQ(posix_fallocate(file, taken.st_size, free - static_cast<off_t>(bytes)), 0);
    close(file);
  }
  // Writes until there is no room.
  void TakeTheRest() {
    const int file = open((filler() + "-2").c_str(), O_WRONLY | O_CREAT, 0644);
    const std::string block(65'536, 'f');
    while (write(file, block.data(), block.size()) > 0) {
    }
    EXPECT_EQ(errno, ENOSPC);
    close(file);
  }
  // Appends 1 MB batches until one is refused.
  Status Fill(const std::string& topic) {
    const std::string batch = Batch({std::string(1'000'000, 'x')});
    for (int i = 0; i < 2000; ++i) {
      const auto base = client().ProduceBatches(topic, 0, batch);
      if (!base.ok()) return base.status();
      ++acknowledged_;
    }
    return absl::OkStatus();
  }
  // With 20 KB of zeros before it: the log of the metadata has 4 MiB allocated ahead, which want to be used up.
  Status Retain(const std::string& topic, std::int64_t ms) {
    v1::AlterTopicConfigRequest request;
    request.set_name(topic);
    v1::ConfigEntry& entry = *request.add_set();
    entry.set_key("retention.ms");
    entry.set_value(std::string(20'000, '0') + std::to_string(ms));
    return client().Call(&v1::Admin::Stub::AlterTopicConfig, request).status();
  }
  bool mounted_ = false;
  std::atomic<std::int64_t> acknowledged_ = 0;
};

TEST_F(DiskFullTest, ProduceIsRefusedDefinitelyWhileReadsGoOnAndDeletionMakesRoom) {
  CreateTopic("keep");
  Append("keep", {"a", "b"});
  CreateTopic("fill");
  const Status refused = Fill("fill");
  ShowRefusal("produce on a full disk", refused);
  ASSERT_EQ(ReasonOf(refused), Reason::kDiskFull) << refused;
  EXPECT_EQ(LogEnd("fill"), acknowledged_);
  EXPECT_GT(acknowledged_, 20);
  EXPECT_EQ(Values("keep"), "a b");
  EXPECT_EQ(ReasonOf(client().ProduceRecords("keep", 0, {"x"}).status()), Reason::kDiskFull);
  const Status topic = client().CreateTopic("more").status();
  ShowRefusal("create topic on a full disk", topic);
  EXPECT_EQ(ReasonOf(topic), Reason::kDiskFull) << topic;
  ASSERT_TRUE(client().DeleteTopic("fill").ok());
  EXPECT_TRUE(WaitUntil([&] { return client().ProduceRecords("keep", 0, {"c"}).ok(); }, absl::Seconds(60)));
  EXPECT_EQ(Values("keep"), "a b c");
}

TEST_F(DiskFullTest, ABrokerStartsOnAFullDiskAndServesWhatItHas) {
  CreateTopic("fill");
  const Status refused = Fill("fill");
  ASSERT_EQ(ReasonOf(refused), Reason::kDiskFull) << refused;
  KillAndRestart();
  EXPECT_EQ(LogEnd("fill"), acknowledged_);
  EXPECT_EQ(client().FetchAll("fill", 0, acknowledged_ - 1)->size(), 1u);
}

TEST_F(DiskFullTest, ADiskThatSomebodyElseFillsIsRefusedToo) {
  CreateTopic("t");
  Append("t", {"a", "b"});
  TakeAllBut(100 << 20);
  const Status refused = Fill("t");
  EXPECT_EQ(ReasonOf(refused), Reason::kDiskFull) << refused;
  EXPECT_EQ(LogEnd("t"), 2 + acknowledged_);
  std::filesystem::remove(filler());
  EXPECT_TRUE(WaitUntil([&] { return client().ProduceRecords("t", 0, {"c"}).ok(); }));
}

// The ladder looks now and then, and its steps can be set as low as they go: then the disk itself says no.
class NoRoomTest : public DiskFullTest {
 protected:
  void SetUp() override {
    options_.settings = {"storage.write.buffer.bytes=1048576", "disk.warn.bytes=0", "disk.refuse.partitions.bytes=0", "disk.refuse.produce.bytes=0"};
    DiskFullTest::SetUp();
  }
};

TEST_F(NoRoomTest, AnAppendThatFindsNoRoomIsAnsweredAndNothingAcknowledgedIsLost) {
  CreateTopic("t");
  Append("t", {"a", "b"});
  TakeAllBut(64 << 20);
  Status refused;
  std::thread producer([&] { refused = Fill("t"); });
  EXPECT_TRUE(WaitUntil([this] { return acknowledged_ >= 5; }));
  TakeTheRest();
  producer.join();
  ShowRefusal("produce where the disk itself says no", refused);
  const Reason reason = ReasonOf(refused);
  EXPECT_TRUE(reason == Reason::kDiskFull || reason == Reason::kStorageError || reason == Reason::kPoisoned) << refused;
  const Status again = client().ProduceRecords("t", 0, {"x"}).status();
  ShowRefusal("and once more", again);
  EXPECT_FALSE(again.ok());
  EXPECT_EQ(Values("t").substr(0, 3), "a b");
  EXPECT_LE(broker_->Terminate(), 1);
  std::filesystem::remove(filler());
  std::filesystem::remove(filler() + "-2");
  Start();
  EXPECT_GE(LogEnd("t"), 2 + acknowledged_);
  EXPECT_EQ(Values("t").substr(0, 3), "a b");
  EXPECT_TRUE(client().ProduceRecords("t", 0, {"c"}).ok());
}

TEST_F(NoRoomTest, AChangeOfATopicThatFindsNoRoomIsRefusedAndTheBrokerAsksForItsRestart) {
  CreateTopic("t");
  EXPECT_EQ(HttpGet(broker_->http_address(), "/readyz").code, 200);
  TakeTheRest();
  Status refused;
  for (int i = 0; i < 1000 && refused.ok(); ++i) refused = Retain("t", 1'000'000 + i);
  ShowRefusal("change a topic where the disk itself says no", refused);
  EXPECT_EQ(ReasonOf(refused), Reason::kStorageError) << refused;
  const std::string asks = "metadata: takes no more changes; free space on its disk, then restart the broker";
  EXPECT_THAT(MessageOf(refused), HasSubstr(asks));
  const HttpAnswer ready = HttpGet(broker_->http_address(), "/readyz");
  EXPECT_EQ(ready.code, 503);
  EXPECT_THAT(ready.body, HasSubstr("[-]metadata failed: " + asks));
  EXPECT_THAT(broker_->Log(), HasSubstr("error " + asks));
  EXPECT_LE(broker_->Terminate(), 1);
  std::filesystem::remove(filler() + "-2");
  Start();
  EXPECT_EQ(Retain("t", 1'000'000), absl::OkStatus());
  EXPECT_EQ(HttpGet(broker_->http_address(), "/readyz").code, 200);
}

}  // namespace
}  // namespace cordwood::testing
