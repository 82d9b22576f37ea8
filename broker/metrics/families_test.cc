// SPDX-License-Identifier: Apache-2.0
// What the text looks like, to the letter.
#include "broker/metrics/families.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/metrics/metrics_page.h"

namespace cordwood::broker {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

TEST(FamiliesTest, AFamilyWithoutASeriesIsThere) {
  Families families;
  families.Counter("cordwood_a_total", "what a is");
  EXPECT_EQ(families.Text(), "# HELP cordwood_a_total what a is\n# TYPE cordwood_a_total counter\n");
}

TEST(FamiliesTest, LabelsAreEscaped) {
  Families families;
  families.Gauge("cordwood_a", "a").Add(1, {{"topic", "x\"\n\\"}});
  EXPECT_THAT(families.Text(), HasSubstr("cordwood_a{topic=\"x\\\"\\n\\\\\"} 1\n"));
}

TEST(FamiliesTest, BucketsAreCumulativeAndEndWithAll) {
  LatencyHistogram one;
  LatencyHistogram two;
  one.Record(absl::Microseconds(16));
  two.Record(absl::Microseconds(20));
  two.Record(absl::Seconds(100));
  LatencyTotals totals;
  totals.Add(one);
  totals.Add(two);
  Families families;
  families.Histogram("cordwood_a_seconds", "a").Add(totals);
  const std::string text = families.Text();
  EXPECT_THAT(text, HasSubstr("cordwood_a_seconds_bucket{le=\"1.6e-05\"} 1\n"));
  EXPECT_THAT(text, HasSubstr("cordwood_a_seconds_bucket{le=\"2.4e-05\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("cordwood_a_seconds_bucket{le=\"16.777216\"} 2\n"));
  EXPECT_THAT(text, HasSubstr("cordwood_a_seconds_bucket{le=\"+Inf\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("cordwood_a_seconds_count 3\n"));
  EXPECT_EQ(totals.count(), 3u);
  EXPECT_DOUBLE_EQ(totals.sum_seconds(), 100.000036);
}

TEST(FamiliesTest, ErrorsOfOneKindAddUpOverTheirSources) {
  ReasonCounts call;
  ReasonCounts entry;
  call.Count(Reason::kThrottled);
  entry.Count(Reason::kThrottled);
  Families families;
  families.AddErrors("produce", {&call});
  families.AddErrors("produce", {&entry, &entry});
  families.AddErrors("fetch", {&call});
  const std::string text = families.Text();
  EXPECT_THAT(text, HasSubstr("cordwood_errors_total{kind=\"produce\",reason=\"THROTTLING_QUOTA_EXCEEDED\"} 3\n"));
  EXPECT_THAT(text, HasSubstr("cordwood_errors_total{kind=\"fetch\",reason=\"THROTTLING_QUOTA_EXCEEDED\"} 1\n"));
  EXPECT_THAT(text, Not(HasSubstr("DISK_FULL")));
}

TEST(FamiliesTest, NoMaximumIsNoLimit) {
  Families families;
  families.AddLimit("topics", 5, 0, "topics.max");
  EXPECT_EQ(families.Text(), "");
  families.AddLimit("topics", 5, 10, "topics.max");
  EXPECT_THAT(families.Text(), HasSubstr("cordwood_limit_used{limit=\"topics\"} 5\n"));
  EXPECT_THAT(families.Text(), HasSubstr("cordwood_limit_max{limit=\"topics\"} 10\n"));
}

TEST(MetricsPageTest, LimitsAreAskedOfThoseThatHaveThem) {
  MetricsPage page;
  page.Add([](Families&) { FAIL() << "has no limits"; });
  page.AddWithLimits([](Families& families) { families.AddLimit("topics", 5, 10, "topics.max"); });
  const std::vector<LimitUse> limits = page.Limits();
  ASSERT_EQ(limits.size(), 1U);
  EXPECT_EQ(limits.front().name + " " + limits.front().setting, "topics topics.max");
}

TEST(MetricsPageTest, NoSourceIsAskedAfterTheEnd) {
  int asked = 0;
  MetricsPage page;
  page.Add([&](Families& families) { families.Gauge("cordwood_asked", "a").Add(++asked); });
  EXPECT_THAT(page.Text(), HasSubstr("cordwood_asked 1\n"));
  page.Close();
  EXPECT_EQ(page.Text(), "");
  EXPECT_EQ(asked, 1);
}

}  // namespace
}  // namespace cordwood::broker
