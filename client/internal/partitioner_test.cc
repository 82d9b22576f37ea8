// SPDX-License-Identifier: Apache-2.0
// Keys go where Kafka's clients put them.
#include "client/internal/partitioner.h"

#include <gtest/gtest.h>

#include <set>
#include <string>

namespace cordwood::client {
namespace {

// org.apache.kafka.common.utils.UtilsTest.testMurmur2
TEST(Murmur2Test, KafkasOwnVectors) {
  EXPECT_EQ(Murmur2("21"), -973932308);
  EXPECT_EQ(Murmur2("foobar"), -790332482);
  EXPECT_EQ(Murmur2("a-little-bit-long-string"), -985981536);
  EXPECT_EQ(Murmur2("a-little-bit-longer-string"), -1486304829);
  EXPECT_EQ(Murmur2("lkjh234lh9fiuh90y23oiuhsafujhadof229phr9h19h89h8"), -58897971);
  EXPECT_EQ(Murmur2("abc"), 479470107);
}

TEST(Murmur2Test, BytesAboveAsciiAreBytes) {
  EXPECT_NE(Murmur2("\xff"), Murmur2("\x7f"));
  EXPECT_EQ(Murmur2(std::string_view("\0", 1)), Murmur2(std::string(1, '\0')));
}

TEST(PartitionOfKeyTest, IsKafkasToPositiveModulo) {
  EXPECT_EQ(PartitionOfKey("21", 7).value(), (-973932308 & 0x7fffffff) % 7);
  EXPECT_EQ(PartitionOfKey("abc", 7).value(), 479470107 % 7);
  EXPECT_EQ(PartitionOfKey("anything", 1).value(), 0);
}

TEST(StickyPartitionerTest, StaysUntilItsBatchIsClosed) {
  StickyPartitioner sticky(1);
  const PartitionIndex first = sticky.Current(8);
  EXPECT_EQ(sticky.Current(8), first);
  sticky.BatchClosed(PartitionIndex((first.value() + 1) % 8), 8);  // somebody else's
  EXPECT_EQ(sticky.Current(8), first);
  sticky.BatchClosed(first, 8);
  EXPECT_NE(sticky.Current(8), first);
}

TEST(StickyPartitionerTest, ReachesEveryPartition) {
  StickyPartitioner sticky(7);
  std::set<std::int32_t> seen;
  for (int i = 0; i < 200; ++i) {
    const PartitionIndex at = sticky.Current(5);
    seen.insert(at.value());
    sticky.BatchClosed(at, 5);
  }
  EXPECT_EQ(seen, (std::set<std::int32_t>{0, 1, 2, 3, 4}));
}

TEST(StickyPartitionerTest, OnePartitionIsKept) {
  StickyPartitioner sticky(1);
  sticky.BatchClosed(sticky.Current(1), 1);
  EXPECT_EQ(sticky.Current(1).value(), 0);
}

}  // namespace
}  // namespace cordwood::client
