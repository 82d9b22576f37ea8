// SPDX-License-Identifier: Apache-2.0
// Facts about integers on disk and wire.
#include "storage/base/coding.h"

#include <gtest/gtest.h>

#include <limits>
#include <random>
#include <vector>

namespace cordwood {
namespace {

using Limits32 = std::numeric_limits<std::int32_t>;
using Limits64 = std::numeric_limits<std::int64_t>;

std::string Varlong(std::int64_t value) {
  std::string bytes;
  AppendVarlong(&bytes, value);
  return bytes;
}

std::vector<std::int64_t> InterestingNumbers() {
  std::vector<std::int64_t> numbers = {Limits64::min(), Limits64::max(), Limits32::min(), Limits32::max()};
  for (int bit = 0; bit < 63; ++bit) {
    for (const std::int64_t near : {-1, 0, 1}) {
      numbers.push_back((std::int64_t{1} << bit) + near);
      numbers.push_back(-(std::int64_t{1} << bit) + near);
    }
  }
  return numbers;
}

TEST(CodingTest, IntegersAreBigEndian) {
  std::string bytes;
  AppendBigEndian(&bytes, std::int8_t{-2});
  AppendBigEndian(&bytes, std::uint16_t{0x0102});
  AppendBigEndian(&bytes, std::int32_t{0x03040506});
  AppendBigEndian(&bytes, std::int64_t{-2});
  EXPECT_EQ(bytes, std::string("\xFE\x01\x02\x03\x04\x05\x06\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFE", 15));
}

TEST(CodingTest, ReaderGivesBackWhatWasAppended) {
  std::string bytes;
  AppendBigEndian(&bytes, std::int16_t{-300});
  AppendBigEndian(&bytes, std::uint64_t{0xFFEEDDCCBBAA9988});
  bytes += "tail";
  ByteReader in(bytes);
  EXPECT_EQ(in.Read<std::int16_t>(), -300);
  EXPECT_EQ(in.Read<std::uint64_t>(), 0xFFEEDDCCBBAA9988);
  EXPECT_EQ(in.ReadBytes(4), "tail");
  EXPECT_TRUE(in.done());
}

TEST(CodingTest, ReaderPastItsEndFailsForGood) {
  ByteReader in("abc");
  EXPECT_EQ(in.Read<std::int32_t>(), 0);
  EXPECT_FALSE(in.ok());
  EXPECT_EQ(in.Read<std::int8_t>(), 0);
  EXPECT_EQ(in.ReadBytes(1), "");
  EXPECT_FALSE(in.done());
}

TEST(CodingTest, VarintsHaveKafkasBytes) {
  EXPECT_EQ(Varlong(0), std::string(1, '\0'));
  EXPECT_EQ(Varlong(-1), "\x01");
  EXPECT_EQ(Varlong(1), "\x02");
  EXPECT_EQ(Varlong(63), "\x7E");
  EXPECT_EQ(Varlong(64), "\x80\x01");
  EXPECT_EQ(Varlong(-8192), "\xFF\x7F");
  EXPECT_EQ(Varlong(8192), "\x80\x80\x01");
  EXPECT_EQ(Varlong(Limits32::max()), "\xFE\xFF\xFF\xFF\x0F");
  EXPECT_EQ(Varlong(Limits64::min()), "\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x01");
}

TEST(CodingTest, EveryVarlongComesBackAndHasItsAnnouncedSize) {
  for (const std::int64_t number : InterestingNumbers()) {
    const std::string bytes = Varlong(number);
    EXPECT_EQ(VarlongSize(number), bytes.size());
    ByteReader in(bytes);
    EXPECT_EQ(in.ReadVarlong(), number);
    EXPECT_TRUE(in.done());
  }
}

TEST(CodingTest, EveryVarintComesBackAndWiderNumbersAreRefused) {
  for (const std::int64_t number : InterestingNumbers()) {
    const std::string bytes = Varlong(number);
    ByteReader in(bytes);
    const bool fits = number >= Limits32::min() && number <= Limits32::max();
    EXPECT_EQ(in.ReadVarint(), fits ? number : 0);
    EXPECT_EQ(in.done(), fits) << number;
  }
}

TEST(CodingTest, VarintCutAtAnyLengthFails) {
  for (const std::int64_t number : InterestingNumbers()) {
    const std::string bytes = Varlong(number);
    for (std::size_t size = 0; size < bytes.size(); ++size) {
      ByteReader in(std::string_view(bytes).substr(0, size));
      EXPECT_EQ(in.ReadVarlong(), 0);
      EXPECT_FALSE(in.ok());
    }
  }
}

TEST(CodingTest, VarintOfTooManyBytesFails) {
  ByteReader varint(std::string_view("\x80\x80\x80\x80\x80\x00", 6));
  varint.ReadVarint();
  EXPECT_FALSE(varint.ok());
  ByteReader varlong(std::string_view("\x80\x80\x80\x80\x80\x80\x80\x80\x80\x80\x00", 11));
  varlong.ReadVarlong();
  EXPECT_FALSE(varlong.ok());
}

TEST(CodingTest, VarintWithBitsBeyondItsTypeFails) {
  ByteReader varint("\xFF\xFF\xFF\xFF\x1F");
  varint.ReadVarint();
  EXPECT_FALSE(varint.ok());
  ByteReader varlong("\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\xFF\x03");
  varlong.ReadVarlong();
  EXPECT_FALSE(varlong.ok());
}

TEST(CodingTest, RandomBytesNeverReadPastTheEnd) {
  std::mt19937 random(7);
  for (int round = 0; round < 2000; ++round) {
    std::string bytes(random() % 40, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random());
    ByteReader in(bytes);
    while (in.ok() && !in.done()) random() % 2 == 0 ? in.ReadVarlong() : in.ReadVarint();
    EXPECT_LE(in.rest().size(), bytes.size());
  }
}

}  // namespace
}  // namespace cordwood
