// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/run_counts.h"

#include <gtest/gtest.h>

namespace cordwood::testing {
namespace {

TEST(RunCountsTest, EveryCountComesBackFromText) {
  RunCounts counts;
  std::uint64_t n = 0;
  for (const CountField& field : CountFields()) counts.*field.member = ++n;
  const StatusOr<RunCounts> read = RunCounts::FromText(counts.ToText());
  ASSERT_TRUE(read.ok());
  for (const CountField& field : CountFields()) EXPECT_EQ((*read).*field.member, counts.*field.member) << field.name;
}

TEST(RunCountsTest, CountsOfTwoRunsAddUp) {
  RunCounts a;
  RunCounts b;
  a.power_losses = 3;
  b.power_losses = 4;
  b.lost = 1;
  a.Add(b);
  EXPECT_EQ(a.power_losses, 7u);
  EXPECT_EQ(a.lost, 1u);
}

TEST(RunCountsTest, TextThatIsNoNumberIsRefused) {
  EXPECT_EQ(ReasonOf(RunCounts::FromText("lost = many\n").status()), Reason::kInvalidConfig);
}

}  // namespace
}  // namespace cordwood::testing
