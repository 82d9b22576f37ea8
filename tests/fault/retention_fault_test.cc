// SPDX-License-Identifier: Apache-2.0
// What retention does when a compaction fails.
#include "broker/replication/retention_driver.h"

#include "broker/replication/replication_fixture.h"
#include "rocksdb/db.h"
#include "tests/support/wait_until.h"

namespace cordwood::broker {
namespace {

class RetentionFaultTest : public DriverFixture {
 protected:
  RetentionFaultTest() { Start(); }
  std::unique_ptr<RetentionDriver> MakeRetention() {
    RetentionOptions options;
    options.data_dir = directory_.path();
    options.reclaim_bytes_min = 1;
    return std::make_unique<RetentionDriver>(std::vector<ShardDriver*>{driver_.get()}, table_, [] { return ClusterImagePtr(); }, options, clock_);
  }
  rocksdb::DB& database() { return driver_->store_for_reclaim().db(); }
  PartitionTable table_;
};

TEST_F(RetentionFaultTest, WhatAFailedCompactionDidNotGiveBackIsStillOwed) {
  const auto retention = MakeRetention();
  const std::string value(400'000, 'x');
  for (int i = 0; i < 50; ++i) Append(0, value);
  ASSERT_EQ(driver_->store_for_reclaim().Reclaim(false), absl::OkStatus());  // into table files: a flush alone gives nothing back any more
  ASSERT_EQ(Task([&](ShardTurn& turn) { return turn.StageDelete(handles_[0]); }), absl::OkStatus());
  database().DisableManualCompaction();
  retention->Reclaim();
  EXPECT_GT(driver_->store().disk_bytes(), 15'000'000u);
  database().EnableManualCompaction();
  retention->Reclaim();
  EXPECT_TRUE(cordwood::testing::WaitUntil([&] { return driver_->store().disk_bytes() < 10'000'000u; }));
}

}  // namespace
}  // namespace cordwood::broker
