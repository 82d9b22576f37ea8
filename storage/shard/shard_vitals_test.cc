// SPDX-License-Identifier: Apache-2.0
// Vital signs move as the shard is written to and flushed.
#include "storage/shard/shard_vitals.h"

#include "storage/shard/testing/shard_fixture.h"

namespace cordwood::testing {
namespace {

class ShardVitalsTest : public ShardFixture {};

TEST_F(ShardVitalsTest, AnAppendIsInTheMemtableAndTheWriteAheadLog) {
  Start();
  const ShardVitals before = ReadShardVitals(*store_);
  ASSERT_OK(Append(BatchOfText({std::string(100'000, 'x')})).status());
  const ShardVitals after = ReadShardVitals(*store_);
  EXPECT_GE(after.memtable_bytes, before.memtable_bytes + 100'000);
  EXPECT_GE(after.wal_bytes, before.wal_bytes + 100'000);
  EXPECT_EQ(after.blob_bytes, 0u);
}

TEST_F(ShardVitalsTest, AFlushMovesItToFiles) {
  Start();
  ASSERT_OK(Append(BatchOfText({std::string(100'000, 'x')})).status());
  ASSERT_OK(store_->Reclaim(false));
  const ShardVitals vitals = ReadShardVitals(*store_);
  EXPECT_GE(vitals.blob_bytes, 100'000u);
  EXPECT_GT(vitals.table_bytes, 0u);
  EXPECT_EQ(vitals.background_errors, 0u);
  EXPECT_FALSE(vitals.writes_stopped);
}

}  // namespace
}  // namespace cordwood::testing
