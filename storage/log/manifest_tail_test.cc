// SPDX-License-Identifier: Apache-2.0
#include "storage/log/manifest_tail.h"

#include <gtest/gtest.h>

#include <string>

#include "storage/base/crc32c.h"

namespace cordwood {
namespace {

constexpr std::size_t kBlock = 32 * 1024;

std::string Fragment(char type, const std::string& payload) {
  const std::uint32_t crc = Crc32c(type + payload);
  const std::uint32_t masked = (crc >> 15 | crc << 17) + 0xA282EAD8;
  std::string bytes;
  for (int shift = 0; shift < 32; shift += 8) bytes.push_back(static_cast<char>(masked >> shift));
  bytes.push_back(static_cast<char>(payload.size()));
  bytes.push_back(static_cast<char>(payload.size() >> 8));
  return bytes + type + payload;
}

const std::string kOne = Fragment(1, "first edit");
const std::string kTwo = Fragment(1, "second edit");

TEST(ManifestTailTest, AWholeManifestIsNotCut) {
  EXPECT_EQ(TornManifestEnd(""), std::nullopt);
  EXPECT_EQ(TornManifestEnd(kOne + kTwo), std::nullopt);
  const std::string padded = Fragment(1, std::string(kBlock - 7 - 3, 'x')) + std::string(3, '\0');
  EXPECT_EQ(TornManifestEnd(padded + kTwo), std::nullopt);
}

TEST(ManifestTailTest, ARecordThatEveryLengthCutsEndsTheOneBefore) {
  for (std::size_t left = 1; left < kTwo.size(); ++left) EXPECT_EQ(TornManifestEnd(kOne + kTwo.substr(0, left)), kOne.size()) << left;
}

TEST(ManifestTailTest, ALastRecordWithAnyBitWrongIsCut) {
  for (std::size_t at = 0; at < kTwo.size(); ++at) {
    std::string torn = kOne + kTwo;
    torn[kOne.size() + at] ^= 1;
    EXPECT_EQ(TornManifestEnd(torn), kOne.size()) << at;
  }
}

TEST(ManifestTailTest, ZerosAtTheEndAreCut) { EXPECT_EQ(TornManifestEnd(kOne + std::string(5000, '\0')), kOne.size()); }

TEST(ManifestTailTest, ARecordOfSeveralBlocksIsCutWhole) {
  const std::string first = kOne + Fragment(2, std::string(kBlock - kOne.size() - 7, 'x'));
  EXPECT_EQ(TornManifestEnd(first + Fragment(4, "rest")), std::nullopt);
  EXPECT_EQ(TornManifestEnd(first + Fragment(4, "rest").substr(0, 9)), kOne.size());
}

TEST(ManifestTailTest, WhatIsBrokenBeforeAWholeRecordIsDamage) {
  for (std::size_t at = 0; at < kOne.size(); ++at) {
    std::string damaged = kOne + kTwo;
    damaged[at] ^= 1;
    EXPECT_EQ(TornManifestEnd(damaged), std::nullopt) << at;
  }
  EXPECT_EQ(TornManifestEnd(std::string(100, '\0')), std::nullopt);
}

}  // namespace
}  // namespace cordwood
