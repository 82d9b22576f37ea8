// SPDX-License-Identifier: Apache-2.0
#include "storage/log/compaction/key_offset_map.h"

#include <gtest/gtest.h>

#include <map>
#include <random>
#include <string>

namespace cordwood {
namespace {

std::string Hex(const KeyHash& hash) {
  char text[33];
  std::snprintf(text, sizeof text, "%016llx%016llx", static_cast<unsigned long long>(__builtin_bswap64(hash.low)),
                static_cast<unsigned long long>(__builtin_bswap64(hash.high)));
  return text;
}

// The authors' vectors: key 00 01 … 0f, messages of 0, 1 and 2 bytes 00 01 ….
TEST(KeyHashTest, IsSipHash128AsPublished) {
  const KeyHashSecret secret{0x0706050403020100, 0x0f0e0d0c0b0a0908};
  EXPECT_EQ(Hex(HashKey(secret, "")), "a3817f04ba25a8e66df67214c7550293");
  EXPECT_EQ(Hex(HashKey(secret, std::string(1, '\0'))), "da87c1d86b99af44347659119b22fc45");
  EXPECT_EQ(Hex(HashKey(secret, std::string("\0\1", 2))), "8177228da4a45dc7fca38bdef60affe4");
}

TEST(KeyHashTest, EveryByteOfAKeyOfAnyLengthCounts) {
  const KeyHashSecret secret{1, 2};
  for (std::size_t size = 1; size < 40; ++size) {
    std::string key(size, 'k');
    const KeyHash whole = HashKey(secret, key);
    EXPECT_NE(whole, HashKey(secret, key + '\0'));
    for (std::size_t i = 0; i < size; ++i) {
      key[i] = 'x';
      EXPECT_NE(whole, HashKey(secret, key));
      key[i] = 'k';
    }
  }
}

TEST(KeyOffsetMapTest, KnowsTheLastOffsetOfEachKeyUpToItsBound) {
  constexpr std::size_t kKeys = 20'000;
  KeyOffsetMap map(kKeys);
  std::map<std::string, std::int64_t> expected;
  std::mt19937_64 random(7);
  for (std::int64_t offset = 0; offset < 100'000; ++offset) {
    const std::string key = "key-" + std::to_string(random() % kKeys);
    map.Put(map.Prepare(key), Offset(offset));
    expected[key] = offset;
  }
  EXPECT_EQ(map.keys(), expected.size());
  for (const auto& [key, offset] : expected) ASSERT_EQ(map.Find(map.Prepare(key)), Offset(offset)) << key;
  EXPECT_EQ(map.Find(map.Prepare("another")), std::nullopt);
  EXPECT_EQ(map.Find(map.Prepare("")), std::nullopt);
}

TEST(KeyOffsetMapTest, TakesAsManyKeysAsItSaysAndMoreOnceAsked) {
  KeyOffsetMap map(3);
  for (const char* key : {"a", "b", "c"}) map.Put(map.Prepare(key), Offset(1));
  EXPECT_EQ(map.room(), 0u);
  map.Put(map.Prepare("a"), Offset(9));  // takes no room
  map.Reserve(100);
  for (int i = 0; i < 100; ++i) map.Put(map.Prepare(std::to_string(i)), Offset(10 + i));
  EXPECT_EQ(map.Find(map.Prepare("a")), Offset(9));
  EXPECT_EQ(map.Find(map.Prepare("c")), Offset(1));
  EXPECT_EQ(map.Find(map.Prepare("99")), Offset(109));
}

TEST(KeyOffsetMapTest, KeysWithinABoundOfBytes) {
  EXPECT_EQ(KeyOffsetMap::KeysWithin(0), 1u);
  const std::size_t keys = KeyOffsetMap::KeysWithin(1 << 20);
  EXPECT_GT(keys, std::size_t{1 << 20} / 24 * 8 / 10);
  EXPECT_LE((keys + keys / 9 + 1) * 24, std::size_t{1 << 20});
}

}  // namespace
}  // namespace cordwood
