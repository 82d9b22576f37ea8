// SPDX-License-Identifier: Apache-2.0
// Format strings and JSON lines.
#include "client/cli/record_format.h"

#include <gtest/gtest.h>

#include <string>

#include "client/cli/record_json.h"
#include "storage/base/names.h"

namespace cordwood::client {
namespace {

using namespace std::string_view_literals;

class RecordFormatTest : public ::testing::Test {
 protected:
  RecordView record_{Offset(42), 1'795'168'830'250, "k1"sv, "v\0\xff\r"sv, {{"h", "1"sv}, {"n", std::nullopt}}};

  std::string Format(std::string_view format) {
    const auto parsed = RecordFormat::Parse(format);
    if (!parsed.ok()) return MessageOf(parsed.status());
    std::string out;
    parsed->Append({"orders", PartitionIndex(3), LeaderEpoch(7), &record_}, &out);
    return out;
  }
  std::string Json() {
    std::string out;
    AppendJsonLine({"orders", PartitionIndex(3), LeaderEpoch(7), &record_}, &out);
    return out;
  }
};

TEST_F(RecordFormatTest, EveryEscape) {
  EXPECT_EQ(Format("%t %p %o %k %e"), "orders 3 42 k1 7");
  EXPECT_EQ(Format("%d %d{rfc3339}"), "1795168830250 2026-11-20T10:00:30.250Z");
  EXPECT_EQ(Format("%h|%H|%T|%K|%V"), "h=1,n=|2|6|2|4");
  EXPECT_EQ(Format("100%%\\n\\t\\r\\0\\\\\\x41"), "100%\n\t\r\0\\A"sv);
}

TEST_F(RecordFormatTest, ValuesGoOutAsTheyAre) {
  EXPECT_EQ(Format("%v\\n"), "v\0\xff\r\n"sv);
  EXPECT_EQ(Format("%s"), "v\0\xff\r"sv);
  EXPECT_EQ(Format("%v{hex} %k{base64}"), "7600ff0d azE=");
}

TEST_F(RecordFormatTest, NullsPrintAsNothing) {
  record_.key = record_.value = std::nullopt;
  EXPECT_EQ(Format("[%k][%v][%K]"), "[][][0]");
}

TEST_F(RecordFormatTest, WhatDoesNotExistIsNamedWithItsPlace) {
  EXPECT_EQ(Format("%p %y"), "format \"%p %y\": there is no %y at character 4");
  EXPECT_EQ(Format("%"), "format \"%\": a lone % (write %%) at character 1");
  EXPECT_EQ(Format("a\\"), "format \"a\\\": a lone \\ (write \\\\) at character 2");
  EXPECT_EQ(Format("\\q"), "format \"\\q\": there is no \\q at character 1");
  EXPECT_EQ(Format("\\x4"), "format \"\\x4\": \\x takes two hex digits at character 1");
  EXPECT_EQ(Format("%v{hex"), "format \"%v{hex\": { without } at character 3");
  EXPECT_EQ(Format("%v{foo}"), "format \"%v{foo}\": there is no %v{foo}; write %v{hex} or %v{base64}, and \\x7b for a brace as text at character 3");
  EXPECT_EQ(Format("%p{hex}"), "format \"%p{hex}\": there is no %p{hex}; write %p, and \\x7b for a brace as text at character 3");
}

TEST_F(RecordFormatTest, JsonLineNamesItsEncodings) {
  EXPECT_EQ(Json(),
            "{\"topic\":\"orders\",\"partition\":3,\"offset\":\"42\",\"timestamp\":\"2026-11-20T10:00:30.250Z\",\"key\":\"k1\","
            "\"value\":\"dgD/DQ==\",\"value_encoding\":\"base64\",\"headers\":[{\"key\":\"h\",\"value\":\"1\"},{\"key\":\"n\",\"value\":null}]}\n");
}

TEST_F(RecordFormatTest, JsonValuesStandAsSuch) {
  record_ = {Offset(1), kNoTimestampMs, std::nullopt, "{\"id\": 1}"sv, {}};
  EXPECT_EQ(Json(), "{\"topic\":\"orders\",\"partition\":3,\"offset\":\"1\",\"key\":null,\"value\":{\"id\": 1},\"value_encoding\":\"json\"}\n");
  record_.value = "{\"id\": 1";
  EXPECT_EQ(Json(), "{\"topic\":\"orders\",\"partition\":3,\"offset\":\"1\",\"key\":null,\"value\":\"{\\\"id\\\": 1\"}\n");
  record_.value = "12";  // a number is a line of text
  EXPECT_EQ(Json(), "{\"topic\":\"orders\",\"partition\":3,\"offset\":\"1\",\"key\":null,\"value\":\"12\"}\n");
}

TEST(RecordJsonTest, ControlCharactersAreEscaped) {
  std::string out;
  AppendJsonString("a\"\\\n\r\t\x01\0b\x7f\xc3\xa4"sv, &out);
  EXPECT_EQ(out, "\"a\\\"\\\\\\n\\r\\t\\u0001\\u0000b\\u007f\xc3\xa4\"");
}

TEST(RecordJsonTest, Utf8IsJudgedStrictly) {
  for (const std::string_view good : {""sv, "a"sv, "\xc3\xa4"sv, "\xe2\x82\xac"sv, "\xf0\x9f\x98\x80"sv, "\0"sv}) EXPECT_TRUE(IsUtf8(good));
  for (const std::string_view bad : {"\xff"sv, "\xc0\x80"sv, "\xc3"sv, "\xe0\x80\x80"sv, "\xed\xa0\x80"sv, "\xf4\x90\x80\x80"sv, "\xf5\x80\x80\x80"sv, "\x80"sv}) {
    EXPECT_FALSE(IsUtf8(bad)) << HexOf(bad);
  }
}

TEST(RecordJsonTest, OnlyObjectsAndArraysOnOneLineAreDocuments) {
  EXPECT_TRUE(IsJsonDocument("{}"));
  EXPECT_TRUE(IsJsonDocument("[1,{\"a\":null}]"));
  for (const char* other : {"", "1", "\"x\"", "null", "{", "{}x", "[1,]", "{\"a\":\n1}"}) EXPECT_FALSE(IsJsonDocument(other)) << other;
}

TEST(RecordJsonTest, DeepNestingIsNoTrouble) {
  std::string deep(200'000, '[');
  deep.append(200'000, ']');
  EXPECT_TRUE(IsJsonDocument(deep));
}

TEST_F(RecordFormatTest, OnlyAPlainValueAndALineFeedIsAValueLine) {
  for (const char* line : {"%v\n", "%s\n", "%v\\n"}) EXPECT_TRUE(RecordFormat::Parse(line)->is_value_line()) << line;
  for (const char* other : {"", "%v", "%k\n", "%v{hex}\n", "%v\n\n", "x%v\n", "%v\n%k"}) EXPECT_FALSE(RecordFormat::Parse(other)->is_value_line()) << other;
}

}  // namespace
}  // namespace cordwood::client
