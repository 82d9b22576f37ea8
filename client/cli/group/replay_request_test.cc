// SPDX-License-Identifier: Apache-2.0
// What may stand on the command line of cord group replay.
#include "client/cli/group/replay_request.h"

#include <gtest/gtest.h>

namespace cordwood::client {
namespace {

GroupOptions Options() {
  GroupOptions options;
  options.group = "billing";
  options.topic = "orders";
  options.from = "@-1h";
  options.to = "@-30m";
  return options;
}
std::string Refused(const GroupOptions& options) { return MessageOf(ReplayRequest(options, 0).status()); }

TEST(ReplayRequestTest, TheCommandOfTheManualIsARequest) {
  GroupOptions options = Options();
  options.rate = "5MB/s";
  options.as = "again";
  options.partitions = {1, 2};
  EXPECT_EQ(ReplayRequest(options, 7'200'000)->ShortDebugString(),
            "source: \"billing\" group: \"again\" ranges { topic: \"orders\" partitions: 1 partitions: 2 from { timestamp_ms: 3600000 } to { timestamp_ms: 5400000 } } "
            "bytes_per_second: 5000000");
}

TEST(ReplayRequestTest, WithoutANameAnEndOrARateItIsTheGroupsReplayToTheEndAsFastAsCanBe) {
  GroupOptions options = Options();
  options.from = "-10";
  options.to.clear();
  EXPECT_EQ(ReplayRequest(options, 0)->ShortDebugString(),
            "source: \"billing\" group: \"billing.replay\" ranges { topic: \"orders\" from { before_end: 10 } to { end: true } }");
  options.pace = "original";
  EXPECT_TRUE(ReplayRequest(options, 0)->original_pace());
}

TEST(ReplayRequestTest, WhatIsMissingOrWrongIsSaid) {
  GroupOptions options;
  EXPECT_EQ(Refused(options), "beside which group? Say its id");
  options.group = "billing";
  EXPECT_EQ(Refused(options), "of which topic? Say --topic");
  options.topic = "orders";
  EXPECT_EQ(Refused(options), "from where? Say --from");
  options = Options();
  options.to = "yesterday";
  EXPECT_EQ(Refused(options).substr(0, 5), "--to:");
  options = Options();
  options.rate = "5MB/s";
  options.pace = "original";
  EXPECT_EQ(Refused(options), "--rate or --pace: not both");
  options.rate.clear();
  options.pace = "double";
  EXPECT_EQ(Refused(options), "--pace \"double\": there is original, by the timestamps of the records");
}

TEST(ReplayRequestTest, ARateIsBytesInATime) {
  EXPECT_EQ(*ParseByteRate("5MB/s"), 5'000'000);
  EXPECT_EQ(*ParseByteRate("64KiB/s"), 65'536);
  EXPECT_EQ(*ParseByteRate("6MB/m"), 100'000);
  EXPECT_EQ(*ParseByteRate("1000"), 1000);
  for (const char* bad : {"", "0", "0/s", "-5MB/s", "5MB/", "5MB/d", "fast", "59/m", "99999999999GB/s", "/s"}) EXPECT_FALSE(ParseByteRate(bad).ok()) << bad;
}

}  // namespace
}  // namespace cordwood::client
