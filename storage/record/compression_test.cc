// SPDX-License-Identifier: Apache-2.0
// Facts about the four codecs: what comes back, what is refused, and how much memory a lie can cost.
#include "storage/record/compression.h"

#include <gtest/gtest.h>
#include <snappy.h>

#include <random>
#include <string>
#include <vector>

#include "storage/record/batches_for_test.h"
#include "storage/record/codecs.h"

namespace cordwood {
namespace {

constexpr std::size_t kMax = 1 << 20;

// Log-like text: compressible, but not trivially.
std::string SomeText(std::size_t size) {
  std::mt19937 random(11);
  std::string text;
  while (text.size() < size) text += "081109 INFO dfs.DataNode: block blk_" + std::to_string(random()) + " served\n";
  text.resize(size);
  return text;
}

std::string Compressed(Codec codec, std::string_view plain) {
  std::string out;
  EXPECT_TRUE(Compress(codec, plain, &out).ok());
  return out;
}

bool IsBoundedOrCorrupt(const StatusOr<std::string>& result, std::size_t plain_max) {
  return result.ok() ? result->size() <= plain_max : ReasonOf(result.status()) == Reason::kCorruptMessage;
}

class CodecTest : public ::testing::TestWithParam<Codec> {};
class RealCodecTest : public CodecTest {};

TEST_P(CodecTest, EverySizeComesBack) {
  for (const std::size_t size : {0u, 1u, 7u, 100u, 32767u, 32768u, 32769u, 65536u, 65537u, 300'000u}) {
    const std::string plain = SomeText(size);
    EXPECT_EQ(*Decompress(GetParam(), Compressed(GetParam(), plain), kMax), plain) << size;
  }
}

TEST_P(CodecTest, RandomBytesComeBack) {
  std::mt19937 random(3);
  std::string plain(100'000, '\0');
  for (char& byte : plain) byte = static_cast<char>(random());
  EXPECT_EQ(*Decompress(GetParam(), Compressed(GetParam(), plain), kMax), plain);
}

TEST_P(CodecTest, CompressAppends) {
  std::string out = "before";
  ASSERT_TRUE(Compress(GetParam(), "plain", &out).ok());
  EXPECT_EQ(out.substr(0, 6), "before");
  EXPECT_EQ(*Decompress(GetParam(), out.substr(6), kMax), "plain");
}

TEST_P(CodecTest, ExactlyThePermittedSizeIsReadAndOneByteMoreIsRefused) {
  for (const std::size_t size : {1u, 5000u, 32768u, 200'000u}) {
    const std::string frame = Compressed(GetParam(), SomeText(size));
    EXPECT_EQ(Decompress(GetParam(), frame, size)->size(), size);
    EXPECT_EQ(ReasonOf(Decompress(GetParam(), frame, size - 1).status()), Reason::kCorruptMessage);
  }
}

TEST_P(CodecTest, NameComesBack) {
  Codec codec = Codec::kNone;
  EXPECT_TRUE(CodecFromName(CodecName(GetParam()), &codec));
  EXPECT_EQ(codec, GetParam());
  EXPECT_FALSE(CodecFromName("brotli", &codec));
}

// A xerial stream has no end mark: cut between two blocks it is a shorter stream. The batch's CRC guards that.
TEST_P(RealCodecTest, FrameCutAtAnyLengthIsRefused) {
  const std::string plain = SomeText(3000);
  const std::string frame = Compressed(GetParam(), plain);
  for (std::size_t size = 0; size < frame.size(); ++size) {
    const auto result = Decompress(GetParam(), std::string_view(frame).substr(0, size), kMax);
    if (GetParam() == Codec::kSnappy && size == 16) {
      EXPECT_EQ(*result, "");
    } else {
      EXPECT_EQ(ReasonOf(result.status()), Reason::kCorruptMessage) << size;
    }
  }
}

// None of the formats guards each of its bytes; what counts is that none of them makes us crash or exceed the bound.
TEST_P(RealCodecTest, FlippedByteIsRefusedOrStaysWithinTheBound) {
  std::string frame = Compressed(GetParam(), SomeText(3000));
  int refused = 0;
  for (char& byte : frame) {
    byte = static_cast<char>(~byte);
    const auto result = Decompress(GetParam(), frame, 5000);
    byte = static_cast<char>(~byte);
    EXPECT_TRUE(IsBoundedOrCorrupt(result, 5000));
    refused += result.ok() ? 0 : 1;
  }
  EXPECT_GT(refused, 0);
}

TEST_P(RealCodecTest, FurtherBytesAreRefused) {
  const std::string frame = Compressed(GetParam(), SomeText(3000));
  EXPECT_EQ(ReasonOf(Decompress(GetParam(), frame + "x", kMax).status()), Reason::kCorruptMessage);
  if (GetParam() == Codec::kSnappy) return;  // a second stream's magic reads as a block length, far too long: the line above
  EXPECT_EQ(ReasonOf(Decompress(GetParam(), frame + frame, kMax).status()), Reason::kCorruptMessage);
}

TEST_P(RealCodecTest, BombIsRefusedAtTheBound) {
  const std::string bomb = Compressed(GetParam(), std::string(64 << 20, '\0'));
  EXPECT_EQ(ReasonOf(Decompress(GetParam(), bomb, kMax).status()), Reason::kCorruptMessage);
}

TEST_P(RealCodecTest, RandomBytesAreRefusedOrBounded) {
  std::mt19937 random(5);
  for (int round = 0; round < 300; ++round) {
    std::string frame = Compressed(GetParam(), SomeText(200));
    for (int i = 0; i < 4; ++i) frame[random() % frame.size()] = static_cast<char>(random());
    const auto result = Decompress(GetParam(), frame, 1000);
    EXPECT_TRUE(IsBoundedOrCorrupt(result, 1000));
  }
}

std::string NameOf(const ::testing::TestParamInfo<Codec>& codec) { return std::string(CodecName(codec.param)); }
INSTANTIATE_TEST_SUITE_P(All, CodecTest, ::testing::ValuesIn(kAllCodecs), NameOf);
INSTANTIATE_TEST_SUITE_P(All, RealCodecTest, ::testing::Values(Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd), NameOf);

TEST(CodecFramingTest, FramesBeginAsKafkaExpects) {
  EXPECT_EQ(Compressed(Codec::kGzip, "x").substr(0, 3), "\x1F\x8B\x08");
  EXPECT_EQ(Compressed(Codec::kSnappy, "x").substr(0, 16), std::string("\x82SNAPPY\0\0\0\0\1\0\0\0\1", 16));
  EXPECT_EQ(Compressed(Codec::kLz4, "x").substr(0, 6), "\x04\x22\x4D\x18\x60\x40");  // version 1, independent blocks, 64 KiB
  EXPECT_EQ(Compressed(Codec::kZstd, "x").substr(0, 4), "\x28\xB5\x2F\xFD");
}

TEST(CodecFramingTest, RawSnappyIsRead) {
  const std::string plain = SomeText(100'000);
  std::string raw;
  snappy::Compress(plain.data(), plain.size(), &raw);
  EXPECT_EQ(*Decompress(Codec::kSnappy, raw, kMax), plain);
  EXPECT_EQ(ReasonOf(Decompress(Codec::kSnappy, raw, 99'999).status()), Reason::kCorruptMessage);
}

TEST(CodecFramingTest, SnappyBlockThatClaimsMoreThanItCanHoldCostsNoMemory) {
  const std::string claims_64_mib = "\x80\x80\x80\x20\x01x";
  const auto result = Decompress(Codec::kSnappy, claims_64_mib, std::size_t{1} << 30);
  EXPECT_EQ(MessageOf(result.status()), "snappy: claims more than it can hold");
}

TEST(CodecFramingTest, OutputGrowsWithWhatWasWritten) {
  BoundedOutput out(1 << 30, 0);
  EXPECT_EQ(out.room(), 4096u);
  EXPECT_TRUE(out.Wrote(4096));
  EXPECT_EQ(out.room(), 4096u);
  EXPECT_TRUE(out.Wrote(100));
  EXPECT_EQ(std::move(out).Take().size(), 4196u);
}

TEST(CodecFramingTest, UnknownCodecIsRefused) {
  std::string out;
  EXPECT_EQ(ReasonOf(Compress(static_cast<Codec>(5), "x", &out)), Reason::kUnsupportedCompression);
  EXPECT_EQ(ReasonOf(Decompress(static_cast<Codec>(5), "x", kMax).status()), Reason::kUnsupportedCompression);
}

}  // namespace
}  // namespace cordwood
