// SPDX-License-Identifier: Apache-2.0
#include "broker/groups/coordinator/topic_patterns.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/str_cat.h"

namespace cordwood::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

class TopicPatternsTest : public ::testing::Test {
 protected:
  TopicPatternsTest() { SetTopics({"orders", "orders.eu", "payments", "__consumer_offsets"}); }
  void SetTopics(const std::vector<std::string>& names) {
    auto topics = std::make_shared<TopicView>();
    for (const std::string& name : names) topics->Add(name, {TopicId::Random(), 1});
    patterns_.SetTopics(topics);
  }
  std::vector<std::string> Match(const std::string& pattern) { return patterns_.Match(pattern).value(); }
  Reason Refusal(const std::string& pattern) { return ReasonOf(patterns_.Match(pattern).status()); }

  SimulatedClock clock_;
  TopicPatterns patterns_{clock_};
};

TEST_F(TopicPatternsTest, WholeNamesMatch) {
  EXPECT_THAT(Match("orders"), ElementsAre("orders"));
  EXPECT_THAT(Match("orders.*"), ElementsAre("orders", "orders.eu"));
  EXPECT_THAT(Match("rders"), IsEmpty());
}

TEST_F(TopicPatternsTest, InternalTopicsNeverMatch) { EXPECT_THAT(Match(".*"), ElementsAre("orders", "orders.eu", "payments")); }

TEST_F(TopicPatternsTest, TopicsThatComeAndGoAreFollowed) {
  EXPECT_THAT(Match("orders.*"), ElementsAre("orders", "orders.eu"));
  SetTopics({"orders.eu", "orders.asia", "other"});
  EXPECT_THAT(Match("orders.*"), ElementsAre("orders.asia", "orders.eu"));
}

TEST_F(TopicPatternsTest, WhatIsNoPatternOrTooLargeIsRefused) {
  EXPECT_EQ(Refusal("a("), Reason::kInvalidRegularExpression);
  EXPECT_EQ(Refusal("((a{100}){100}){100}"), Reason::kInvalidRegularExpression);
  EXPECT_EQ(Refusal(std::string(kPatternBytesMax + 1, 'a')), Reason::kInvalidRegularExpression);
  EXPECT_EQ(Refusal("(\\w+)\\1"), Reason::kInvalidRegularExpression) << "RE2 has no back references";
  EXPECT_EQ(patterns_.size(), 0u);
  EXPECT_THAT(patterns_.MatchAll({"a(", "payments"}), ElementsAre(::testing::Pair("payments", ElementsAre("payments"))));
}

TEST_F(TopicPatternsTest, ThereAreOnlySoManyAtATime) {
  for (std::size_t i = 0; i < TopicPatterns::kPatternsMax; ++i) Match(absl::StrCat("orders", i));
  EXPECT_EQ(Refusal("payments"), Reason::kLimitExceeded);
  patterns_.Keep({"orders7"});
  EXPECT_EQ(patterns_.size(), 1u);
  EXPECT_THAT(Match("payments"), ElementsAre("payments"));
}

// Each look at the clock costs more than all the patience.
TEST_F(TopicPatternsTest, APatternThatTakesTooLongIsRefused) {
  class SlowClock final : public Clock {
   public:
    std::int64_t WallMs() const override { return 0; }
    absl::Duration Monotonic() const override { return ++looks_ * 2 * TopicPatterns::kPatience; }

   private:
    mutable int looks_ = 0;
  };
  SlowClock clock;
  TopicPatterns slow(clock);
  auto topics = std::make_shared<TopicView>();
  for (int i = 0; i < 100; ++i) topics->Add(absl::StrCat("t", i), {TopicId::Random(), 1});
  slow.SetTopics(topics);
  EXPECT_EQ(ReasonOf(slow.Match(".*").status()), Reason::kInvalidRegularExpression);
}

}  // namespace
}  // namespace cordwood::broker
