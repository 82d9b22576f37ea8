// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/power_loss_fs.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "rocksdb/db.h"

namespace cordwood::testing {
namespace {

// A bare RocksDB on the simulated disk: what the layer does to it, and why recovery needs more than RocksDB's own rules.
class PowerLossFsTest : public ::testing::Test {
 protected:
  PowerLossFsTest() {
    disk_.CreateDirectory("/db");
    disk_.SyncDirectory("/");
  }
  void Open(std::size_t write_buffer_bytes = 64 * 1024) {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.env = &env_;
    options.write_buffer_size = write_buffer_bytes;
    options.max_write_buffer_number = 8;  // no flush runs unasked
    rocksdb::DB* db = nullptr;
    const rocksdb::Status status = rocksdb::DB::Open(options, "/db", &db);
    ASSERT_TRUE(status.ok()) << status.ToString();
    db_.reset(db);
  }
  void Put(int first, int last, bool sync) {
    rocksdb::WriteOptions options;
    options.sync = sync;
    for (int i = first; i < last; ++i) ASSERT_TRUE(db_->Put(options, Key(i), std::string(3000, 'v')).ok()) << i;
  }
  // The keys found, as one bit per key: "1110011".
  std::string Found(int keys) {
    std::string found;
    std::string value;
    for (int i = 0; i < keys; ++i) found += db_->Get({}, Key(i), &value).ok() ? '1' : '0';
    return found;
  }
  void LosePower(std::uint64_t seed, PowerLossCase power_loss) {
    db_.reset();
    disk_.PowerLoss(seed, power_loss);
    Open();
  }
  static std::string Key(int i) { return "key" + std::to_string(1000 + i); }

  SimulatedDisk disk_;
  PowerLossEnv env_{disk_};
  std::unique_ptr<rocksdb::DB> db_;
};

TEST_F(PowerLossFsTest, DatabaseComesBackAfterACleanClose) {
  Open();
  Put(0, 5, false);
  db_.reset();
  Open();
  EXPECT_EQ(Found(5), "11111");
}

TEST_F(PowerLossFsTest, SyncedWritesSurviveAndOthersMayNot) {
  Open();
  Put(0, 3, true);
  Put(3, 6, false);
  LosePower(1, PowerLossCase::kAllLost);
  EXPECT_EQ(Found(6), "111000");
}

TEST_F(PowerLossFsTest, FlushesRunOnlyWhenAllowed) {
  Open();
  Put(0, 60, false);
  std::string files;
  ASSERT_TRUE(db_->GetProperty("rocksdb.num-files-at-level0", &files));
  EXPECT_EQ(files, "0");
  env_.RunBackground();
  ASSERT_TRUE(db_->GetProperty("rocksdb.num-files-at-level0", &files));
  EXPECT_NE(files, "0");
  EXPECT_EQ(Found(60), std::string(60, '1'));
}

TEST_F(PowerLossFsTest, ManualFlushMayWaitForItsJob) {
  Open();
  Put(0, 3, false);
  {
    const BackgroundAllowed allowed(env_);
    ASSERT_TRUE(db_->Flush({}).ok());
  }
  LosePower(1, PowerLossCase::kAllLost);
  EXPECT_EQ(Found(3), "111");
}

TEST_F(PowerLossFsTest, RocksDbAloneGoesOnPastAMissingTailOfAnOlderLog) {
  Open();
  Put(0, 30, false);  // more than one write buffer: a second log, the first not yet flushed
  LosePower(1, PowerLossCase::kOlderTailMissing);
  const std::string found = Found(30);
  EXPECT_NE(found.find("01"), std::string::npos) << found;
}

// The values are such that eleven records fill a block: 7 bytes of header, 12 of batch, 11 of key and lengths, and the value.
TEST_F(PowerLossFsTest, RocksDbAloneGoesOnPastAHoleAtRecordBoundaries) {
  Open(1 << 20);
  for (int i = 0; i < 44; ++i) {
    const std::size_t value_bytes = (i + 1) % 11 == 0 ? 32768 - 10 * 3000 - 30 : 3000 - 30;
    ASSERT_TRUE(db_->Put({}, Key(i), std::string(value_bytes, 'v')).ok());
  }
  LosePower(1, PowerLossCase::kRecordHoles);
  const std::string found = Found(44);
  EXPECT_NE(found.find("01"), std::string::npos) << found;
}

// A log that a flush has made superfluous, and the tables and the log of a database that is opened, are cut to pieces before they go.
TEST_F(PowerLossFsTest, NoStumpOfADeletedFileIsMissedWhereverThePowerGoes) {
  int stumps = 0;
  std::uint64_t calls = 0;
  for (std::uint64_t cut = 1; cut == 1 || cut <= calls; ++cut) {
    Open(1 << 20);
    const std::string records(8, '1');
    Put(0, 8, true);
    const std::uint64_t before = disk_.changing_calls();
    disk_.ArmPowerCut(cut);
    {
      const BackgroundAllowed allowed(env_);
      db_->Flush({}).PermitUncheckedError();
    }
    calls = disk_.changing_calls() - before;
    db_.reset();
    disk_.PowerLoss(cut, static_cast<PowerLossCase>(cut % kPowerLossCases));
    for (const std::string& name : disk_.List("/db")) stumps += name.ends_with(".trash") ? 1 : 0;
    Open(1 << 20);
    EXPECT_EQ(Found(8), records) << "power lost before call " << cut << " of " << calls;
    for (const std::string& name : disk_.List("/db")) EXPECT_FALSE(name.ends_with(".trash")) << name;
    db_.reset();
  }
  EXPECT_GT(stumps, 0);
}

TEST_F(PowerLossFsTest, FailedSyncIsReported) {
  Open();
  Put(0, 3, false);
  disk_.FailCall(DiskCall::kSync, 1, DiskResult::kIoError);
  EXPECT_TRUE(db_->SyncWAL().IsIOError());
  EXPECT_EQ(disk_.failures(), 1u);
}

TEST_F(PowerLossFsTest, SecondDatabaseInTheSameDirectoryIsRefused) {
  Open();
  rocksdb::Options options;
  options.env = &env_;
  rocksdb::DB* db = nullptr;
  EXPECT_TRUE(rocksdb::DB::Open(options, "/db", &db).IsIOError());
}

}  // namespace
}  // namespace cordwood::testing
