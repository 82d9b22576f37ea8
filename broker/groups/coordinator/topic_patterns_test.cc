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
    patterns_.Work();
  }
  std::vector<std::string> Match(const std::string& pattern) { return *patterns_.Match(pattern).value(); }
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
  EXPECT_TRUE(patterns_.Resolve({"a(", "payments"}));
  EXPECT_THAT(patterns_.MatchAll({"a(", "payments"}), ElementsAre(::testing::Pair("payments", ::testing::Pointee(ElementsAre("payments")))));
}

TEST_F(TopicPatternsTest, ThereAreOnlySoManyAtATime) {
  for (std::size_t i = 0; i < TopicPatterns::kPatternsMax; ++i) Match(absl::StrCat("orders", i));
  EXPECT_EQ(Refusal("payments"), Reason::kLimitExceeded);
  patterns_.Keep({"orders7"});
  EXPECT_EQ(patterns_.size(), 1u);
  EXPECT_THAT(Match("payments"), ElementsAre("payments"));
}

TEST_F(TopicPatternsTest, WhatStaysAsItIsIsSharedNotCopied) {
  const PatternMatches before = patterns_.Match("orders.*").value();
  SetTopics({"orders", "orders.eu", "another"});
  EXPECT_EQ(patterns_.MatchAll({"orders.*"}).at("orders.*"), before);
  EXPECT_EQ(patterns_.Match("orders.*").value(), before);
}

// Each look at it takes `step`.
class SteppingClock final : public Clock {
 public:
  std::int64_t WallMs() const override { return 0; }
  absl::Duration Monotonic() const override { return now += step; }

  absl::Duration step;
  mutable absl::Duration now;
};

class SlowPatternsTest : public ::testing::Test {
 protected:
  SlowPatternsTest() { SetTopics(100); }
  void SetTopics(int count) {
    auto topics = std::make_shared<TopicView>();
    for (int i = 0; i < count; ++i) topics->Add(absl::StrCat("t", i), {TopicId::Random(), 1});
    patterns_.SetTopics(topics);
  }
  Reason Ask(const std::string& pattern) { return ReasonOf(patterns_.Match(pattern).status()); }
  // Slices until there is no more to do.
  int Finish() {
    int slices = 0;
    for (; patterns_.unfinished(); ++slices) {
      clock_.now += TopicPatterns::kWindow;
      more_ |= patterns_.Work();
    }
    return slices;
  }

  SteppingClock clock_;
  TopicPatterns patterns_{clock_};
  bool more_ = false;
};

TEST_F(SlowPatternsTest, OneThatTakesTooLongIsRefusedAndNotTriedAgainWhileTheTopicsStand) {
  clock_.step = 2 * TopicPatterns::kPatience;
  EXPECT_EQ(Ask(".*"), Reason::kInvalidRegularExpression);
  clock_.now += TopicPatterns::kWindow;
  EXPECT_EQ(Ask(".*"), Reason::kInvalidRegularExpression);
  EXPECT_EQ(patterns_.compilations(), 1u);
  clock_.step = absl::ZeroDuration();
  SetTopics(101);
  clock_.now += TopicPatterns::kWindow;
  EXPECT_EQ(patterns_.Match(".*").value()->size(), 101u);
}

TEST_F(SlowPatternsTest, AllTogetherTakeOneSliceOfEachWindow) {
  clock_.step = absl::Milliseconds(1);
  for (int i = 0; i < 20; ++i) EXPECT_EQ(Ask(absl::StrCat("t", i, ".*")), Reason::kCoordinatorLoadInProgress);
  EXPECT_LE(patterns_.compilations(), 10u);
  EXPECT_FALSE(patterns_.Work());
  clock_.step = absl::Microseconds(100);
  EXPECT_GE(Finish(), 20);  // 2 000 names and 20 programs, at most 100 of them in a slice
  for (int i = 1; i < 20; ++i) EXPECT_EQ(patterns_.Match(absl::StrCat("t", i, ".*")).value()->size(), i < 10 ? 11u : 1u);
  EXPECT_FALSE(more_) << "nobody has them yet";
}

TEST_F(SlowPatternsTest, NewTopicsAreMatchedInSlicesAndWhatIsKnownStaysKnown) {
  EXPECT_EQ(patterns_.Match(".*").value()->size(), 100u);
  clock_.step = absl::Microseconds(200);
  clock_.now += TopicPatterns::kWindow;
  SetTopics(300);
  EXPECT_EQ(patterns_.Match(".*").value()->size(), 100u);
  SetTopics(200);
  EXPECT_GE(Finish(), 4);
  EXPECT_TRUE(more_);
  EXPECT_EQ(patterns_.Match(".*").value()->size(), 200u);
}

TEST_F(SlowPatternsTest, ThoseOfMembersAreWaitedForHoweverLongTheyTake) {
  clock_.step = absl::Microseconds(800);
  SetTopics(300);
  EXPECT_FALSE(patterns_.Resolve({"t.*"}));
  EXPECT_GE(Finish(), 20);
  EXPECT_TRUE(patterns_.Resolve({"t.*"}));
  EXPECT_EQ(patterns_.MatchAll({"t.*"}).at("t.*")->size(), 300u);
  EXPECT_EQ(Ask("t.+"), Reason::kCoordinatorLoadInProgress);
  Finish();
  EXPECT_EQ(Ask("t.+"), Reason::kInvalidRegularExpression);
}

TEST_F(SlowPatternsTest, WhatIsCostlyToCompileIsRefusedUncompiled) {
  std::string classes, escaped;
  for (std::size_t i = 0; i <= TopicPatterns::kCostlyMax; ++i) {
    classes += "\\pL";
    escaped += "\\.|\\\\p|";
  }
  EXPECT_EQ(Ask(classes), Reason::kInvalidRegularExpression);
  EXPECT_EQ(patterns_.compilations(), 0u);
  EXPECT_EQ(Ask(escaped), Reason::kNone);
}

}  // namespace
}  // namespace cordwood::broker
