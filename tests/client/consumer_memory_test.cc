// SPDX-License-Identifier: Apache-2.0
// What the public consumer holds at most, and that it is in nobody's way.
#include <gtest/gtest.h>

#include "tests/client/consumer_fixture.h"

namespace cordwood::testing {
namespace {

using ConsumerMemoryTest = ConsumerTest;

TEST_F(ConsumerMemoryTest, ASlowConsumerHoldsItsMemoryAndSlowsNobody) {
  constexpr std::size_t kMemory = 512 * 1024;
  constexpr std::size_t kBatch = 100 * 1100;
  Fill("t", 40, 1000);
  Consumer quick = NewConsumer();
  consumer_options_.memory_bytes_max = kMemory;
  Consumer slow = NewConsumer();
  ASSERT_TRUE(slow.Assign(At(), Position::Start()).ok());
  ASSERT_TRUE(WaitUntil([&] { return slow.buffered_bytes() > kMemory - kBatch; }));
  const auto read_all = [&] {
    ASSERT_TRUE(quick.Assign(At(), Position::Start()).ok());
    ASSERT_TRUE(quick.SeekAll(Position::Start()).ok());
    EXPECT_EQ(Read(quick, 4000).size(), 4000 * 1001U);
  };
  read_all();
  EXPECT_LE(slow.buffered_bytes(), kMemory + kBatch);
  slow.Pause(At());
  slow.Resume(At());
  broker_->Kill9();
  Start();
  ASSERT_TRUE(WaitUntil([&] { return slow.connection().ok(); }));
  read_all();
  EXPECT_LE(slow.buffered_bytes(), kMemory + kBatch);
  EXPECT_EQ(Read(slow, 4000).size(), 4000 * 1001U);
}

TEST_F(ConsumerMemoryTest, PausedPartitionsLeaveRoomForTheOthers) {
  constexpr std::size_t kMemory = 512 * 1024;
  CreateTopic("two", 2);
  Fill("two", 20, 1000, 0);
  consumer_options_.memory_bytes_max = kMemory;
  Consumer consumer = NewConsumer();
  ASSERT_TRUE(consumer.AssignTopic("two", Position::Start()).ok());
  ASSERT_TRUE(WaitUntil([&] { return consumer.buffered_bytes() > kMemory / 2; }));
  consumer.Pause({"two", 0});
  EXPECT_LE(consumer.buffered_bytes(), kMemory / 2);
  Append("two", {"x"}, 1);
  EXPECT_EQ(Read(consumer, 1), "x ");
  consumer.Resume({"two", 0});
  EXPECT_EQ(Read(consumer, 2000).size(), 2000 * 1001U);
}

}  // namespace
}  // namespace cordwood::testing
