// SPDX-License-Identifier: Apache-2.0
// Flags and files of cord group seek as a request.
#include "client/cli/group/seek_request.h"

#include <gtest/gtest.h>

#include <functional>

namespace cordwood::client {
namespace {

constexpr std::int64_t kNowMs = 1'700'000'000'000;

// The request in short, or what is wrong.
std::string Ask(const std::function<void(GroupOptions&)>& flags) {
  GroupOptions options;
  options.group = "g";
  options.topic = "t";
  flags(options);
  const auto request = SeekRequest(options, kNowMs);
  if (!request.ok()) return "error: " + MessageOf(request.status());
  EXPECT_EQ(request->group(), "g");
  std::string text = request->targets(0).ShortDebugString();
  return text;
}

TEST(SeekRequestTest, EveryPositionHasItsPlaceOnTheWire) {
  const auto to = [](const std::string& position) { return Ask([&](GroupOptions& options) { options.to = position; }); };
  EXPECT_EQ(to("start"), "topic: \"t\" start: true");
  EXPECT_EQ(to("end"), "topic: \"t\" end: true");
  EXPECT_EQ(to("123"), "topic: \"t\" offset: 123");
  EXPECT_EQ(to("-10"), "topic: \"t\" before_end: 10");
  EXPECT_EQ(to("-0"), "topic: \"t\" end: true");
  EXPECT_EQ(to("@-1h"), "topic: \"t\" timestamp_ms: 1699996400000");
  EXPECT_EQ(to("@2023-11-14T22:13:20Z"), "topic: \"t\" timestamp_ms: 1700000000000");
}

TEST(SeekRequestTest, AShiftGoesBothWays) {
  EXPECT_EQ(Ask([](GroupOptions& options) { options.shift = "-1000"; }), "topic: \"t\" shift: -1000");
  EXPECT_EQ(Ask([](GroupOptions& options) { options.shift = "+5"; }), "topic: \"t\" shift: 5");
  for (const char* bad : {"0", "x", "1.5", "99999999999999999999", "+"}) {
    EXPECT_NE(Ask([&](GroupOptions& options) { options.shift = bad; }).find("error: --shift"), std::string::npos) << bad;
  }
}

TEST(SeekRequestTest, PartitionsAreNamedOrAllAreMeant) {
  EXPECT_EQ(Ask([](GroupOptions& options) {
    options.to = "end";
    options.partitions = {3, 1};
  }), "topic: \"t\" partitions: 3 partitions: 1 end: true");
}

TEST(SeekRequestTest, ExactlyOneWayIsTaken) {
  EXPECT_EQ(Ask([](GroupOptions&) {}), "error: where to? Say --to, --shift or --from-file");
  EXPECT_EQ(Ask([](GroupOptions& options) { options.to = options.shift = "1"; }), "error: say one of --to, --shift and --from-file");
  EXPECT_EQ(Ask([](GroupOptions& options) {
    options.to = "1";
    options.topic.clear();
  }), "error: of which topic? Say --topic");
  EXPECT_EQ(Ask([](GroupOptions& options) { options.file = "f"; }), "error: with --from-file the file names topics and partitions");
}

TEST(SeekRequestTest, ABadPositionIsNamed) {
  EXPECT_EQ(Ask([](GroupOptions& options) { options.to = "yesterday"; }).rfind("error: --to: position \"yesterday\": ", 0), 0u);
}

TEST(SeekRequestTest, ALineOfAFileIsATopicAPartitionAndAPosition) {
  v1::ResetOffsetsRequest request;
  for (const char* line : {"orders 0 123", "orders,1,-10", "  logs\t2  @-1h ", "", "   ", "# a comment", "orders 3 start\r"}) {
    EXPECT_EQ(AddSeekLine(line, kNowMs, &request), absl::OkStatus()) << line;
  }
  ASSERT_EQ(request.targets_size(), 4);
  EXPECT_EQ(request.targets(1).ShortDebugString(), "topic: \"orders\" partitions: 1 before_end: 10");
  EXPECT_EQ(request.targets(2).ShortDebugString(), "topic: \"logs\" partitions: 2 timestamp_ms: 1699996400000");
  EXPECT_EQ(request.targets(3).ShortDebugString(), "topic: \"orders\" partitions: 3 start: true");
}

TEST(SeekRequestTest, ABadLineAddsNothing) {
  v1::ResetOffsetsRequest request;
  for (const char* line : {"orders", "orders 1", "orders x 1", "orders -1 1", "orders 1 1 1", "orders 1 noon", "orders 99999999999 1"}) {
    EXPECT_EQ(ReasonOf(AddSeekLine(line, kNowMs, &request)), Reason::kInvalidRequest) << line;
  }
  EXPECT_EQ(request.targets_size(), 0);
}

TEST(SeekRequestTest, AFileThatIsNotThereIsSaid) {
  EXPECT_NE(Ask([](GroupOptions& options) {
    options.topic.clear();
    options.file = "/nowhere/offsets";
  }).find("/nowhere/offsets"), std::string::npos);
}

}  // namespace
}  // namespace cordwood::client
