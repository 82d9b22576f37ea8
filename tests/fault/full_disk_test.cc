// SPDX-License-Identifier: Apache-2.0
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <thread>

#include "rocksdb/db.h"
#include "storage/shard/shard_store.h"
#include "tests/fault/power_loss_fs.h"

namespace cordwood::testing {
namespace {

// A shard on a simulated disk that fills up while RocksDB writes a table in the background.
class FullDiskTest : public ::testing::Test {
 protected:
  FullDiskTest() {
    disk_.CreateDirectory("/d");
    disk_.SyncDirectory("/");
    options_.directory = "/d/shard-000";
    options_.synced_file = "/d/shard-000.synced";
    options_.write_buffer_bytes = 64 * 1024;
    options_.env = &env_;
  }
  void Open() {
    const BackgroundAllowed allowed(env_);
    auto store = ShardStore::Open(options_);
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  // More than a write buffer.
  void Fill() {
    for (int i = 0; i < 40; ++i) {
      WriteGroup group;
      group.Put("\xFF\x7F" + std::to_string(i), std::string(3000, 'v'));
      ASSERT_EQ(store_->Commit(group), absl::OkStatus());
    }
  }
  void FlushIntoAFullDisk() {
    disk_.FailCall(DiskCall::kAppend, 1, DiskResult::kNoSpace);
    env_.RunBackground();
  }
  void Drop() {
    const BackgroundAllowed allowed(env_);
    store_.reset();
  }

  SimulatedDisk disk_;
  PowerLossEnv env_{disk_};
  ShardOptions options_;
  std::unique_ptr<ShardStore> store_;
};

TEST_F(FullDiskTest, AFailedFlushPoisons) {
  Open();
  Fill();
  FlushIntoAFullDisk();
  EXPECT_TRUE(store_->poisoned());
  Drop();
}

// Left to itself, RocksDB takes itself for well again once there is room, from a thread of its own; a close that met that thread never returned.
TEST_F(FullDiskTest, WhatMetAFullDiskStaysPoisonedInRocksDbToo) {
  Open();
  Fill();
  FlushIntoAFullDisk();
  for (int i = 0; i < 100; ++i) {
    env_.RunBackground();
    ASSERT_FALSE(store_->db().Put({}, "\xFF\x7F", "v").ok()) << i;
    std::this_thread::yield();
  }
  Drop();
}

}  // namespace
}  // namespace cordwood::testing
