// SPDX-License-Identifier: Apache-2.0
// The protocol's reasons are the storage's: numbers, names, and what their comments promise.
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <string>

#include "cordwood/v1/error.pb.h"
#include "storage/base/reason.h"

namespace cordwood::broker {
namespace {

TEST(ReasonProtoTest, EveryNumberOfTheProtocolIsAReasonOfTheSameName) {
  const auto* descriptor = cordwood::v1::Reason_descriptor();
  ASSERT_GT(descriptor->value_count(), 30);
  for (int i = 0; i < descriptor->value_count(); ++i) {
    const auto reason = ReasonFromNumber(descriptor->value(i)->number());
    ASSERT_TRUE(reason.has_value()) << descriptor->value(i)->name();
    EXPECT_EQ(ReasonName(*reason), descriptor->value(i)->name());
  }
}

TEST(ReasonProtoTest, EveryReasonIsInTheProtocol) {
  for (int number = -10; number < 2000; ++number) {
    EXPECT_EQ(ReasonFromNumber(number).has_value(), cordwood::v1::Reason_IsValid(number)) << number;
  }
}

TEST(ReasonProtoTest, CommentsSayWhetherTheReasonIsDefinite) {
  std::ifstream file(CORDWOOD_SOURCE_DIR "/proto/cordwood/v1/error.proto");
  const std::regex row(R"(^\s+[A-Z_]+ = (-?\d+);\s+// (DEFINITE|INDEFINITE))");
  int rows = 0;
  for (std::string line; std::getline(file, line);) {
    std::smatch match;
    if (!std::regex_search(line, match, row)) continue;
    ++rows;
    const Reason reason = ReasonFromNumber(std::stoi(match[1])).value();
    EXPECT_EQ(match[2], CertaintyOf(reason) == Certainty::kDefinite ? "DEFINITE" : "INDEFINITE") << line;
  }
  EXPECT_EQ(rows, cordwood::v1::Reason_descriptor()->value_count() - 1);  // NONE is neither
}

}  // namespace
}  // namespace cordwood::broker
