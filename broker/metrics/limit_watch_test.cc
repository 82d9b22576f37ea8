// SPDX-License-Identifier: Apache-2.0
// Crossings, each told once.
#include "broker/metrics/limit_watch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cordwood::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

TEST(LimitWatchTest, PassingFourFifthsIsToldOnceWithTheSetting) {
  LimitWatch watch;
  EXPECT_THAT(watch.Look({{"topics", 79, 100, "topics.max"}}), IsEmpty());
  EXPECT_THAT(watch.Look({{"topics", 80, 100, "topics.max"}}), ElementsAre("limit topics: 80 of at most 100 (topics.max), above 80 %"));
  EXPECT_THAT(watch.Look({{"topics", 100, 100, "topics.max"}}), IsEmpty());
}

TEST(LimitWatchTest, SwingingAboutTheMarkIsNotNews) {
  LimitWatch watch;
  EXPECT_THAT(watch.Look({{"files", 80, 100, ""}}), ElementsAre("limit files: 80 of at most 100, above 80 %"));
  for (const std::int64_t used : {79, 81, 70, 90}) EXPECT_THAT(watch.Look({{"files", used, 100, ""}}), IsEmpty());
  EXPECT_THAT(watch.Look({{"files", 69, 100, ""}}), IsEmpty());
  EXPECT_THAT(watch.Look({{"files", 85, 100, ""}}), ElementsAre("limit files: 85 of at most 100, above 80 %"));
}

}  // namespace
}  // namespace cordwood::broker
