// SPDX-License-Identifier: Apache-2.0
// Lines byte for byte, whatever they hold and however they arrive.
#include "client/cli/line_reader.h"

#include <fcntl.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include <string>
#include <thread>
#include <vector>

#include "client/cli/stdout_writer.h"
#include "client/cli/table.h"

namespace cordwood::client {
namespace {

using namespace std::string_literals;

std::vector<std::string> ReadLines(const std::string& input, std::size_t max = 1 << 20, std::size_t step = 0) {
  int ends[2];
  EXPECT_EQ(pipe(ends), 0);
  std::thread writer([&] {
    for (std::size_t at = 0; at < input.size(); at += step == 0 ? input.size() : step) {
      const std::string_view piece = std::string_view(input).substr(at, step == 0 ? input.size() : step);
      EXPECT_EQ(write(ends[1], piece.data(), piece.size()), static_cast<ssize_t>(piece.size()));
    }
    close(ends[1]);
  });
  LineReader reader(ends[0], max, [] { return false; });
  std::vector<std::string> lines;
  while (auto line = *reader.Next()) lines.push_back(std::string(line->text) + (line->cut() ? "+" + std::to_string(line->bytes) : ""));
  writer.join();
  close(ends[0]);
  return lines;
}

using Lines = std::vector<std::string>;

TEST(LineReaderTest, TheLastLineNeedsNoNewline) {
  EXPECT_EQ(ReadLines("a\nb"), (Lines{"a", "b"}));
  EXPECT_EQ(ReadLines("a\nb\n"), (Lines{"a", "b"}));
  EXPECT_EQ(ReadLines(""), Lines{});
}

TEST(LineReaderTest, AnEmptyLineIsAnEmptyRecord) {
  EXPECT_EQ(ReadLines("\n"), (Lines{""}));
  EXPECT_EQ(ReadLines("a\n\n\nb\n\n"), (Lines{"a", "", "", "b", ""}));
}

TEST(LineReaderTest, CarriageReturnsAndNulsStay) { EXPECT_EQ(ReadLines("a\r\n\0b\0\nc\r"s), (Lines{"a\r", "\0b\0"s, "c\r"})); }

TEST(LineReaderTest, PiecesMakeNoDifference) {
  const std::string input = "one\r\n\ntwo\nthree and more\nlast";
  for (std::size_t step = 1; step < input.size(); ++step) EXPECT_EQ(ReadLines(input, 1 << 20, step), ReadLines(input)) << step;
}

TEST(LineReaderTest, VeryLongLinesAreWhole) {
  const std::string longest(3'000'000, 'x');
  EXPECT_EQ(ReadLines("a\n" + longest + "\nb\n", 4'000'000), (Lines{"a", longest, "b"}));
}

TEST(LineReaderTest, ALineAboveTheLimitIsCutAndTheNextOneIsWhole) {
  EXPECT_EQ(ReadLines("a\n" + std::string(1'000'000, 'x') + "\nb\n", 10), (Lines{"a", "xxxxxxxxxx+1000000", "b"}));
  EXPECT_EQ(ReadLines(std::string(1'000'000, 'x'), 10), (Lines{"xxxxxxxxxx+1000000"}));
}

TEST(LineReaderTest, LinesAreNumberedFromOne) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  ASSERT_EQ(write(ends[1], "a\n\nb\n", 5), 5);
  LineReader reader(ends[0], 100, [] { return false; });
  EXPECT_EQ((*reader.Next())->number, 1U);
  EXPECT_TRUE(reader.ready());
  EXPECT_EQ((*reader.Next())->number, 2U);
  EXPECT_EQ((*reader.Next())->number, 3U);
  EXPECT_FALSE(reader.ready());
  close(ends[0]);
  close(ends[1]);
}

TEST(LineReaderTest, AnInterruptEndsTheInput) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  int asked = 0;
  LineReader reader(ends[0], 100, [&asked] { return ++asked > 1; });
  EXPECT_FALSE((*reader.Next()).has_value());
  close(ends[0]);
  close(ends[1]);
}

TEST(LineInputTest, WhatCannotBeReadIsNamedBeforeAnythingIsRead) {
  EXPECT_EQ(MessageOf(LineInput::Open("/").status()), "cannot read /: Is a directory");
  EXPECT_EQ(MessageOf(LineInput::Open("/nowhere").status()), "cannot open /nowhere: No such file or directory");
  EXPECT_EQ(LineInput::Open("/dev/null")->name(), "/dev/null");
  EXPECT_EQ(LineInput::Open("-")->name(), "standard input");
}

TEST(LineReaderTest, AReadErrorIsTold) {
  LineReader reader(999, 100, [] { return false; });
  EXPECT_EQ(MessageOf(reader.Next().status()), "Bad file descriptor");
}

TEST(StdoutWriterTest, ABrokenPipeIsTheEndAndNoError) {
  int ends[2];
  ASSERT_EQ(pipe(ends), 0);
  signal(SIGPIPE, SIG_IGN);
  close(ends[0]);
  StdoutWriter writer(ends[1]);
  writer.Write("x");
  writer.Flush();
  EXPECT_TRUE(writer.closed());
  EXPECT_EQ(writer.error(), 0);
  close(ends[1]);
}

TEST(StdoutWriterTest, AFullDiskIsAnErrorInWords) {
  const int full = open("/dev/full", O_WRONLY | O_CLOEXEC);
  StdoutWriter out(full);
  EXPECT_TRUE(out.status().ok());
  out.Write("x");
  out.Flush();
  EXPECT_EQ(MessageOf(out.status()), "cannot write to stdout: No space left on device");
  EXPECT_EQ(out.status().code(), absl::StatusCode::kResourceExhausted);
  EXPECT_FALSE(out.closed());
  close(full);
}

TEST(TableTest, NumbersStandRightWordsLeft) {
  Table table({"TOPIC", "RECORDS"});
  table.Add({"a", "1,000"});
  table.Add({"orders", "7"});
  EXPECT_EQ(table.Text(), "TOPIC   RECORDS\na         1,000\norders        7\n");
}

TEST(TableTest, NumbersForPeople) {
  EXPECT_EQ(HumanBytes(0), "0 B");
  EXPECT_EQ(HumanBytes(999), "999 B");
  EXPECT_EQ(HumanBytes(1500), "1.5 KB");
  EXPECT_EQ(HumanBytes(999'999), "1.0 MB");
  EXPECT_EQ(HumanBytes(UINT64_MAX), "18.4 EB");
  EXPECT_EQ(WithCommas(0), "0");
  EXPECT_EQ(WithCommas(1234567), "1,234,567");
}

}  // namespace
}  // namespace cordwood::client
