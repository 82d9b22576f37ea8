// SPDX-License-Identifier: Apache-2.0
// A burst, a trickle, a load.
#include "broker/server/memory_trim.h"

#include <gtest/gtest.h>

namespace cordwood::broker {
namespace {

constexpr std::uint64_t kMiB = 1024 * 1024;

TEST(MemoryTrimTest, ABurstIsTrimmedOnceWhenItIsOver) {
  MemoryTrim trim;
  EXPECT_FALSE(trim.IsDue(300 * kMiB)) << "it goes on";
  EXPECT_TRUE(trim.IsDue(310 * kMiB));
  EXPECT_FALSE(trim.IsDue(310 * kMiB));
}

TEST(MemoryTrimTest, AFewCallsAtATimeAreTrimmedOnceThereAreMany) {
  MemoryTrim trim;
  int trims = 0;
  for (std::uint64_t freed = 0; freed <= 160 * kMiB; freed += kMiB) trims += trim.IsDue(freed);
  EXPECT_EQ(trims, 10);
}

TEST(MemoryTrimTest, ASteadyLoadIsLeftAlone) {
  MemoryTrim trim;
  for (std::uint64_t freed = 10 * kMiB; freed < 1000 * kMiB; freed += 10 * kMiB) EXPECT_FALSE(trim.IsDue(freed));
}

}  // namespace
}  // namespace cordwood::broker
