// SPDX-License-Identifier: Apache-2.0
// Facts about failures and results, and that users see the numbers the broker sends.
#include "cordwood/result.h"

#include <gtest/gtest.h>

#include <fstream>
#include <memory>
#include <regex>
#include <set>
#include <sstream>
#include <string>
#include <type_traits>
#include <vector>

#include "client/failure.h"
#include "client/internal/rpc_error.h"

namespace cordwood {
namespace {

std::string TextOf(const std::string& path) {
  std::ifstream file(CORDWOOD_SOURCE_DIR "/" + path);
  std::stringstream text;
  text << file.rdbuf();
  return text.str();
}

// "kName = number" of each enumerator in a header.
std::set<std::string> EnumeratorsOf(const std::string& header) {
  const std::string all = TextOf(header);
  const std::regex enumerator(R"((k\w+ = -?\d+),)");
  return {std::sregex_token_iterator(all.begin(), all.end(), enumerator, 1), std::sregex_token_iterator()};
}

TEST(ErrcTest, IsTheListOfReasonsAndTransport) {
  std::set<std::string> expected = EnumeratorsOf("storage/base/reason.h");
  EXPECT_GT(expected.size(), 40u);
  expected.insert("kTransport = -100");
  EXPECT_EQ(EnumeratorsOf("client/cordwood/errc.h"), expected);
  EXPECT_FALSE(ReasonFromNumber(static_cast<int>(Errc::kTransport)).has_value());
}

TEST(ErrcTest, ThePageOfTheLibraryNamesCodesAsProgramsDoAndSaysHowAResultIsRead) {
  const std::string page = TextOf("docs/reference/client-library.md");
  for (const std::string& enumerator : EnumeratorsOf("client/cordwood/errc.h")) {
    const std::string name = enumerator.substr(0, enumerator.find(' '));
    if (name == "kNone") continue;  // of an option
    EXPECT_EQ(page.find("`" + name + "`"), std::string::npos) << name;
  }
  for (const char* reader : {"`ok()`", "`if (result)`", "`*result`", "`error()`", "`value()`"}) EXPECT_NE(page.find(reader), std::string::npos) << reader;
}

TEST(FailureTest, KeepsTheReasonOfAStatus) {
  const Failure failure = client::ToFailure(Error(Reason::kOffsetOutOfRange, "offset 9 of orders-0"));
  EXPECT_EQ(failure.code(), Errc::kOffsetOutOfRange);
  EXPECT_EQ(failure.name(), "OFFSET_OUT_OF_RANGE");
  EXPECT_EQ(failure.ToString(), "offset 9 of orders-0  [OFFSET_OUT_OF_RANGE]");
  EXPECT_TRUE(failure.definite());
  EXPECT_FALSE(failure.retriable());
  EXPECT_EQ(failure.retry_after().count(), 0);
}

TEST(FailureTest, OfTheTransportIsIndefiniteAndHasAName) {
  const Failure failure = client::ToFailure(client::TransportError("connection refused"));
  EXPECT_EQ(failure.ToString(), "connection refused  [TRANSPORT]");
  EXPECT_EQ(failure.code(), Errc::kTransport);
  EXPECT_FALSE(failure.definite());
  EXPECT_TRUE(failure.retriable());
  EXPECT_EQ(failure, Failure(Errc::kTransport, "connection refused"));
}

TEST(FailureTest, OfWhatNeverLeftTheProcessIsDefinite) {
  const Status full = Error(Reason::kRequestTimedOut, "no memory");
  EXPECT_FALSE(client::ToFailure(full).definite());
  EXPECT_TRUE(client::ToRefusal(full).definite());
  EXPECT_TRUE(client::ToRefusal(full).retriable());
  EXPECT_TRUE(client::ToFailure(client::NeverSent(full)).definite());
}

TEST(ResultTest, HoldsAValueOrAFailure) {
  Result<std::unique_ptr<int>> good = std::make_unique<int>(7);
  ASSERT_TRUE(good.ok());
  EXPECT_EQ(**good, 7);
  EXPECT_EQ(*std::move(good).value(), 7);
  Result<std::string> bad = Failure(Errc::kInvalidTopic, "no");
  EXPECT_FALSE(bad);
  EXPECT_EQ(std::move(bad).value_or("other"), "other");
}

TEST(ResultTest, ALoopOverATemporaryKeepsIt) {
  const auto call = [] { return Result<std::vector<std::string>>(std::vector<std::string>{"a", "b"}); };
  std::string text;
  for (const std::string& each : call().value()) text += each;
  for (const std::string& each : *call()) text += each;
  EXPECT_EQ(text, "abab");
  static_assert(!std::is_reference_v<decltype(call().value())> && !std::is_reference_v<decltype(*call())>);
}

TEST(ResultTest, ValueThrowsTheFailure) {
  const Result<void> bad = Failure(Errc::kInvalidTopic, "no such name");
  try {
    bad.value();
    FAIL() << "nothing was thrown";
  } catch (const BadResult& thrown) {
    EXPECT_EQ(thrown.failure(), bad.error());
    EXPECT_STREQ(thrown.what(), "no such name  [INVALID_TOPIC_EXCEPTION]");
  }
  EXPECT_NO_THROW(Result<void>().value());
}

}  // namespace
}  // namespace cordwood
