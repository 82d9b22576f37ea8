// SPDX-License-Identifier: Apache-2.0
// What a shard counts of its work.
#include "broker/replication/replication_fixture.h"
#include "broker/replication/shard_driver.h"
#include "storage/log/side_header.h"

namespace cordwood::broker {
namespace {

std::uint64_t CountOf(const LatencyHistogram& histogram) {
  std::uint64_t count = 0;
  for (std::size_t i = 0; i <= LatencyBuckets::kBounded; ++i) count += histogram.count(i);
  return count;
}

class ShardMeasuresTest : public DriverFixture {
 protected:
  ShardMeasuresTest() { Start(); }
  // Every earlier message is dealt with when this returns.
  void Settle() { ASSERT_EQ(Task([](ShardTurn&) { return absl::OkStatus(); }), absl::OkStatus()); }
};

TEST_F(ShardMeasuresTest, WhatIsWrittenIsCountedForTheShardAndItsPartition) {
  const SharedBytes batch = BatchOfText("a");
  const std::size_t bytes = batch.size() - kSideHeaderBytes;
  Append(0, "a");
  Append(0, "b");
  Append(2, "c");
  EXPECT_EQ(driver_->measures().produced_records.value(), 3u);
  EXPECT_EQ(driver_->measures().produced_bytes.value(), 3 * bytes);
  EXPECT_EQ(handles_[0]->measures.produced_records.value(), 2u);
  EXPECT_EQ(handles_[2]->measures.produced_bytes.value(), bytes);
  EXPECT_EQ(driver_->measures().open_partitions.value(), 2);
}

TEST_F(ShardMeasuresTest, OnlyWhatIsSyncedCountsAsSync) {
  Settle();
  const std::uint64_t writes = CountOf(driver_->measures().write);
  const std::uint64_t syncs = CountOf(driver_->measures().sync);
  Append(0, "os");
  Append(2, "fsync");
  Settle();
  EXPECT_EQ(CountOf(driver_->measures().write), writes + 2);
  EXPECT_EQ(CountOf(driver_->measures().sync), syncs + 1);
  EXPECT_EQ(CountOf(driver_->measures().queue), 2u);
}

TEST_F(ShardMeasuresTest, TheInboxIsAsDeepAsWhatHasNotBegun) {
  std::int64_t depth = -1;
  ASSERT_EQ(Task([&](ShardTurn&) {
    for (int i = 0; i < 5; ++i) Send(EntryOf(0, "x"));
    depth = driver_->measures().inbox_depth();
    return absl::OkStatus();
  }), absl::OkStatus());
  EXPECT_EQ(depth, 5);
  Await(*ops_.back());
  EXPECT_EQ(driver_->measures().inbox_depth(), 0);
}

}  // namespace
}  // namespace cordwood::broker
