// SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/payloads.h"

#include <gmock/gmock.h>
#include <zlib.h>

#include <set>
#include <string>

namespace cordwood::client {
namespace {

double CompressionRatio(const Payloads& payloads) {
  std::string batch;
  for (std::uint64_t n = 0; n < 128; ++n) batch += payloads.value(n);
  uLongf size = compressBound(batch.size());
  std::string packed(size, '\0');
  EXPECT_EQ(compress(reinterpret_cast<Bytef*>(packed.data()), &size, reinterpret_cast<const Bytef*>(batch.data()), batch.size()), Z_OK);
  return static_cast<double>(batch.size()) / static_cast<double>(size);
}

TEST(PayloadsTest, ValuesHaveTheSizeAndDiffer) {
  for (const std::size_t size : {0U, 1U, 7U, 100U, 1024U, 3U << 20}) {
    const Payloads payloads(size, false, 0);
    std::set<std::string_view> seen;
    for (std::uint64_t n = 0; n < 16; ++n) {
      EXPECT_EQ(payloads.value(n).size(), size);
      seen.insert(payloads.value(n));
    }
    if (size >= 7) {
      EXPECT_EQ(seen.size(), 16U);
    }
  }
}

TEST(PayloadsTest, RandomBytesDoNotCompressAndTextDoes) {
  EXPECT_LT(CompressionRatio(Payloads(1024, false, 0)), 1.01);
  EXPECT_GT(CompressionRatio(Payloads(1024, true, 0)), 3);
  EXPECT_LT(CompressionRatio(Payloads(1024, true, 0)), 6);
}

TEST(PayloadsTest, EveryKeyComesAndNoOther) {
  const Payloads payloads(1, false, 10);
  std::set<std::string_view> keys;
  for (std::uint64_t n = 0; n < 1000; ++n) keys.insert(*payloads.key(n));
  EXPECT_EQ(keys.size(), 10U);
  EXPECT_EQ(*keys.begin(), "key-00000000");
  EXPECT_EQ(*keys.rbegin(), "key-00000009");
  EXPECT_FALSE(Payloads(1, false, 0).key(0).has_value());
}

}  // namespace
}  // namespace cordwood::client
