// SPDX-License-Identifier: Apache-2.0
// Positions, durations, sizes and rates as people write them.
#include "client/cli/position.h"

#include <gtest/gtest.h>
#include <stdlib.h>
#include <time.h>

#include <string>

namespace cordwood::client {
namespace {

using Kind = Position::Kind;
constexpr std::int64_t kNow = 1'795'000'000'000;  // 2026-11-18T11:06:40Z

class PositionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    setenv("TZ", "UTC-2", 1);  // POSIX: two hours east of Greenwich
    tzset();
  }
  void TearDown() override {
    unsetenv("TZ");
    tzset();
  }
  static std::string Parse(std::string_view text) {
    const auto position = ParsePosition(text, kNow);
    if (!position.ok()) return "error";
    static constexpr const char* kNames[] = {"start", "end", "offset", "from end", "time"};
    return std::string(kNames[static_cast<int>(position->kind)]) + " " + std::to_string(position->value);
  }
};

TEST_F(PositionTest, WordsAndNumbers) {
  EXPECT_EQ(Parse("start"), "start 0");
  EXPECT_EQ(Parse("end"), "end 0");
  EXPECT_EQ(Parse("0"), "offset 0");
  EXPECT_EQ(Parse("9223372036854775807"), "offset 9223372036854775807");
  EXPECT_EQ(Parse("-10"), "from end 10");
  EXPECT_EQ(Parse("-0"), "from end 0");
}

TEST_F(PositionTest, NonsenseIsRefusedWithAHint) {
  for (const char* text : {"", "begin", "START", "+5", "1.5", "--5", "12 ", "0x10", "9223372036854775808", "-9223372036854775808"}) {
    EXPECT_EQ(Parse(text), "error") << text;
  }
  EXPECT_NE(MessageOf(ParsePosition("begin", kNow).status()).find("write start, end, an offset"), std::string::npos);
}

TEST_F(PositionTest, TimesWithAZone) {
  EXPECT_EQ(Parse("@2026-11-20T10:00Z"), "time 1795168800000");
  EXPECT_EQ(Parse("@2026-11-20T10:00:30Z"), "time 1795168830000");
  EXPECT_EQ(Parse("@2026-11-20T10:00:30.25Z"), "time 1795168830250");
  EXPECT_EQ(Parse("@2026-11-20T12:00+02:00"), "time 1795168800000");
  EXPECT_EQ(Parse("@2026-11-20T04:30-0530"), "time 1795168800000");
  EXPECT_EQ(Parse("@2026-11-20T12:00+02"), "time 1795168800000");
}

TEST_F(PositionTest, ATimeWithoutZoneIsLocal) {
  EXPECT_EQ(Parse("@2026-11-20T12:00"), "time 1795168800000");
  EXPECT_EQ(Parse("@2026-11-20 12:00:00"), "time 1795168800000");
  EXPECT_EQ(Parse("@2026-11-20"), "time 1795125600000");
  EXPECT_EQ(Parse("@13:06"), "time 1794999960000");  // today: it is 13:06:40 here
}

TEST_F(PositionTest, AgoCountsFromNow) {
  EXPECT_EQ(Parse("@-15m"), "time " + std::to_string(kNow - 900'000));
  EXPECT_EQ(Parse("@-1h30m"), "time " + std::to_string(kNow - 5'400'000));
  EXPECT_EQ(Parse("@-250ms"), "time " + std::to_string(kNow - 250));
  EXPECT_EQ(Parse("@-2d"), "time " + std::to_string(kNow - 172'800'000));
  EXPECT_EQ(Parse("@-9999w"), "time 0");
  EXPECT_EQ(Parse("@1795168800000"), "time 1795168800000");
}

TEST_F(PositionTest, TimesThatDoNotExistAreRefused) {
  for (const char* text : {"@", "@-", "@-5", "@-5y", "@now", "@2026", "@2026-13-01", "@2026-02-29", "@2026-11-20T", "@2026-11-20T24:00", "@2026-11-20T10", "@2026-11-20T10:00+",
                           "@2026-11-20T10:00+25:00", "@2026-11-20T10:00Zx", "@10:60", "@2026-11-20T10:00:00."}) {
    EXPECT_EQ(Parse(text), "error") << text;
  }
  EXPECT_NE(Parse("@2028-02-29"), "error");
}

TEST(ResolvePositionTest, EachKindWithinALog) {
  const auto resolve = [](Kind kind, std::int64_t value) { return ResolvePosition({kind, value}, Offset(100), Offset(200))->value(); };
  EXPECT_EQ(resolve(Kind::kStart, 0), 100);
  EXPECT_EQ(resolve(Kind::kEnd, 0), 200);
  EXPECT_EQ(resolve(Kind::kOffset, 150), 150);
  EXPECT_EQ(resolve(Kind::kFromEnd, 10), 190);
  EXPECT_EQ(resolve(Kind::kFromEnd, 1000), 100);
  EXPECT_EQ(resolve(Kind::kFromEnd, INT64_MAX), 100);
}

TEST(ResolvePositionTest, TheEndIsAPositionButNotWhatLiesBeyond) {
  EXPECT_TRUE(ResolvePosition({Kind::kOffset, 200}, Offset(100), Offset(200)).ok());
  const auto above = ResolvePosition({Kind::kOffset, 201}, Offset(100), Offset(200));
  EXPECT_EQ(ReasonOf(above.status()), Reason::kOffsetOutOfRange);
  EXPECT_EQ(MessageOf(above.status()), "offset 201 is above the log end: the log starts at 100 and ends at 200");
  const auto below = ResolvePosition({Kind::kOffset, 99}, Offset(100), Offset(200));
  EXPECT_EQ(MessageOf(below.status()), "offset 99 is below the log start: the log starts at 100 and ends at 200");
  EXPECT_TRUE(ResolvePosition({Kind::kOffset, 201}, Offset(100), Offset(200), true).ok());
}

TEST(ParseBytesTest, UnitsOfBothKinds) {
  EXPECT_EQ(*ParseBytes("128KiB"), 131072);
  EXPECT_EQ(*ParseBytes("1MiB"), 1048576);
  EXPECT_EQ(*ParseBytes("1MB"), 1000000);
  EXPECT_EQ(*ParseBytes("77"), 77);
  for (const char* text : {"", "KiB", "-1", "1.5MiB", "9999999999GiB", "1Kib"}) EXPECT_FALSE(ParseBytes(text).ok()) << text;
}

TEST(ParseRateTest, PerSecondMinuteHour) {
  EXPECT_EQ(*ParseRate("1000/s"), 1000);
  EXPECT_EQ(*ParseRate("60/m"), 1);
  EXPECT_EQ(*ParseRate("3600/h"), 1);
  EXPECT_EQ(*ParseRate("5"), 5);
  EXPECT_EQ(MessageOf(ParseRate("fast").status()), "rate \"fast\": write it as 1000, 1000/s, 60/m or 5/h");
  for (const char* text : {"", "0/s", "-1/s", "5/d", "x/s", "/s"}) EXPECT_FALSE(ParseRate(text).ok()) << text;
}

}  // namespace
}  // namespace cordwood::client
