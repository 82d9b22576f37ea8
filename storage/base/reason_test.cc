// SPDX-License-Identifier: Apache-2.0
// Facts about the table of reasons and the statuses made of it.
#include "storage/base/reason.h"

#include <gtest/gtest.h>

#include <fstream>
#include <map>
#include <regex>
#include <set>
#include <string>

namespace cordwood {
namespace {

// Every number that stands for a reason.
std::set<int> KnownNumbers() {
  std::set<int> numbers;
  for (int number = -10; number < 3000; ++number) {
    if (ReasonFromNumber(number).has_value()) numbers.insert(number);
  }
  return numbers;
}

TEST(ReasonTest, EveryReasonHasItsOwnNameInUpperSnakeCase) {
  std::set<std::string_view> names;
  for (const int number : KnownNumbers()) {
    const std::string_view name = ReasonName(*ReasonFromNumber(number));
    EXPECT_TRUE(names.insert(name).second) << name;
    EXPECT_EQ(name.find_first_not_of("ABCDEFGHIJKLMNOPQRSTUVWXYZ_"), std::string_view::npos) << name;
  }
  EXPECT_EQ(names.size(), 58u);
}

TEST(ReasonTest, EveryReasonSurvivesItsStatus) {
  for (const int number : KnownNumbers()) {
    if (number == 0) continue;
    const Reason reason = *ReasonFromNumber(number);
    const Status status = Error(reason, "why");
    EXPECT_EQ(ReasonOf(status), reason);
    EXPECT_EQ(status.code(), CodeOf(reason));
    EXPECT_NE(status.code(), absl::StatusCode::kOk);
    EXPECT_EQ(MessageOf(status), "why");
  }
}

// "NAME = number CERTAINTY" of each, as the table here has it.
std::set<std::string> ReasonsOfTheTable() {
  std::set<std::string> lines;
  for (const int number : KnownNumbers()) {
    const Reason reason = *ReasonFromNumber(number);
    const std::string certainty = CertaintyOf(reason) == Certainty::kDefinite ? " DEFINITE" : " INDEFINITE";
    lines.insert(std::string(ReasonName(reason)) + " = " + std::to_string(number) + (number == 0 ? "" : certainty));
  }
  return lines;
}

TEST(ReasonTest, ProtocolFileListsTheSameReasons) {
  std::ifstream proto(CORDWOOD_SOURCE_DIR "/proto/cordwood/v1/error.proto");
  const std::regex reason(R"(^  ([A-Z_]+ = -?\d+);\s+//( DEFINITE| INDEFINITE)?.*$)");
  std::set<std::string> listed;
  std::smatch match;
  bool inside = false;
  for (std::string line; std::getline(proto, line);) {
    if (line.rfind("enum Reason", 0) == 0) inside = true;
    if (line == "}") inside = false;
    if (inside && std::regex_match(line, match, reason)) listed.insert(match[1].str() + match[2].str());
  }
  EXPECT_EQ(listed, ReasonsOfTheTable());
}

TEST(ReasonTest, KafkasNumbersAndOursAreWhereTheyBelong) {
  EXPECT_EQ(ReasonName(*ReasonFromNumber(3)), "UNKNOWN_TOPIC_OR_PARTITION");
  EXPECT_EQ(ReasonName(*ReasonFromNumber(47)), "INVALID_PRODUCER_EPOCH");
  EXPECT_EQ(ReasonName(*ReasonFromNumber(1011)), "CONFLICT");
  EXPECT_EQ(ReasonFromNumber(4), std::nullopt);
  EXPECT_EQ(ReasonFromNumber(999), std::nullopt);
}

TEST(ReasonTest, OnlyAnswersThatMayFollowAnAppendAreIndefinite) {
  std::set<std::string_view> indefinite;
  for (const int number : KnownNumbers()) {
    const Reason reason = *ReasonFromNumber(number);
    if (CertaintyOf(reason) == Certainty::kIndefinite) indefinite.insert(ReasonName(reason));
  }
  EXPECT_EQ(indefinite, (std::set<std::string_view>{"UNKNOWN_SERVER_ERROR", "REQUEST_TIMED_OUT",
                                                    "DUPLICATE_SEQUENCE_NUMBER", "KAFKA_STORAGE_ERROR", "POISONED"}));
}

TEST(ReasonTest, CodeSaysWhatTheCallerShouldDo) {
  const std::map<Reason, absl::StatusCode> expected = {
      {Reason::kUnknownTopicOrPartition, absl::StatusCode::kNotFound},
      {Reason::kOffsetOutOfRange, absl::StatusCode::kOutOfRange},
      {Reason::kCorruptMessage, absl::StatusCode::kDataLoss},
      {Reason::kNotLeaderOrFollower, absl::StatusCode::kUnavailable},
      {Reason::kRequestTimedOut, absl::StatusCode::kDeadlineExceeded},
      {Reason::kConflict, absl::StatusCode::kAborted},
      {Reason::kDiskFull, absl::StatusCode::kResourceExhausted},
      {Reason::kCompactionUnsupported, absl::StatusCode::kUnimplemented},
  };
  for (const auto& [reason, code] : expected) EXPECT_EQ(CodeOf(reason), code) << ReasonName(reason);
}

TEST(ReasonTest, StatusWithoutAReasonIsAnUnknownServerErrorAndOkIsNone) {
  EXPECT_EQ(ReasonOf(absl::OkStatus()), Reason::kNone);
  EXPECT_EQ(ReasonOf(absl::InternalError("x")), Reason::kUnknownServerError);
}

TEST(ReasonTest, ForgedPayloadIsAnUnknownServerError) {
  for (const char* forged : {"", "0", "4", "x", "99999999999999999999"}) {
    Status status = absl::InternalError("x");
    status.SetPayload("cordwood/reason", absl::Cord(forged));
    EXPECT_EQ(ReasonOf(status), Reason::kUnknownServerError) << forged;
  }
}

TEST(ReasonTest, AnnotatingKeepsCodeAndReason) {
  const Status status = Annotate(Error(Reason::kDiskFull, "no space left"), "append orders-3");
  EXPECT_EQ(MessageOf(status), "append orders-3: no space left");
  EXPECT_EQ(ReasonOf(status), Reason::kDiskFull);
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_TRUE(Annotate(absl::OkStatus(), "append").ok());
}

StatusOr<int> Half(int n) {
  if (n % 2 != 0) return Error(Reason::kInvalidRequest, "odd");
  return n / 2;
}
StatusOr<int> Quarter(int n) {
  CORDWOOD_ASSIGN_OR_RETURN(const int half, Half(n));
  CORDWOOD_RETURN_IF_ERROR(Half(half).status());
  return half / 2;
}

TEST(ReasonTest, MacrosReturnTheFirstError) {
  EXPECT_EQ(*Quarter(8), 2);
  EXPECT_EQ(ReasonOf(Quarter(3).status()), Reason::kInvalidRequest);
  EXPECT_EQ(ReasonOf(Quarter(6).status()), Reason::kInvalidRequest);
}

TEST(ReasonDeathTest, ErrorWithoutAReasonIsABug) { EXPECT_DEATH((void)Error(Reason::kNone, "x"), "check failed"); }

}  // namespace
}  // namespace cordwood
