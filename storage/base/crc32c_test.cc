// SPDX-License-Identifier: Apache-2.0
// Facts about the CRC and about the definition that stands in for RocksDB's.
#include "storage/base/crc32c.h"

#include <gtest/gtest.h>

#include <string>

namespace rocksdb::crc32c {
std::uint32_t Extend(std::uint32_t crc, const char* bytes, std::size_t n);
}

namespace cordwood {
namespace {

constexpr std::string_view kDigits = "123456789";

// Bit by bit, from the definition.
std::uint32_t SlowCrc32c(std::string_view bytes) {
  std::uint32_t crc = 0xFFFFFFFF;
  for (const char byte : bytes) {
    crc ^= static_cast<unsigned char>(byte);
    for (int bit = 0; bit < 8; ++bit) crc = (crc >> 1) ^ ((crc & 1) != 0 ? 0x82F63B78U : 0);
  }
  return ~crc;
}

TEST(Crc32cTest, CheckValueIsCastagnolis) { EXPECT_EQ(Crc32c(kDigits), 0xE3069283); }

TEST(Crc32cTest, NothingHasCrcZeroAndAddsNothing) {
  EXPECT_EQ(Crc32c(""), 0u);
  EXPECT_EQ(Crc32c(std::string_view()), 0u);
  EXPECT_EQ(ExtendCrc32c(0xE3069283, ""), 0xE3069283);
}

TEST(Crc32cTest, EveryLengthAndAlignmentAgreesWithTheDefinition) {
  std::string bytes;
  for (int i = 0; i < 600; ++i) bytes.push_back(static_cast<char>(i * 131 + i / 7));
  for (std::size_t start = 0; start < 9; ++start) {
    for (std::size_t n = 0; start + n <= bytes.size(); n += 1 + n / 16) {
      const std::string_view part = std::string_view(bytes).substr(start, n);
      ASSERT_EQ(Crc32c(part), SlowCrc32c(part)) << start << " " << n;
    }
  }
}

TEST(Crc32cTest, ExtendingAtAnyPointGivesTheWholesCrc) {
  for (std::size_t cut = 0; cut <= kDigits.size(); ++cut) {
    EXPECT_EQ(ExtendCrc32c(Crc32c(kDigits.substr(0, cut)), kDigits.substr(cut)), 0xE3069283);
  }
}

TEST(Crc32cTest, CallThroughRocksDbsNameIsOursAndIsNoticed) {
  EXPECT_EQ(rocksdb::crc32c::Extend(0, kDigits.data(), kDigits.size()), 0xE3069283);
  EXPECT_EQ(rocksdb::crc32c::Extend(Crc32c("1234"), "56789", 5), 0xE3069283);
  EXPECT_TRUE(RocksDbUsesOurCrc32c());
}

}  // namespace
}  // namespace cordwood
