// SPDX-License-Identifier: Apache-2.0
// Random bytes, or lines as an order service might write them.
#include "client/cli/bench/payloads.h"

#include <algorithm>
#include <cstdio>
#include <cstring>
#include <random>

namespace cordwood::client {
namespace {

constexpr std::size_t kSlotsMin = 16;

std::string RandomBytes(std::size_t size) {
  std::mt19937_64 random(1);
  std::string bytes(size, '\0');
  for (std::size_t at = 0; at < size; at += sizeof(std::uint64_t)) {
    const std::uint64_t word = random();
    std::memcpy(bytes.data() + at, &word, std::min(sizeof word, size - at));
  }
  return bytes;
}

std::string CompressibleText(std::size_t size) {
  static constexpr const char* kItems[] = {"apple", "pear", "plum", "cherry", "quince", "medlar", "damson", "greengage"};
  std::mt19937_64 random(1);
  std::string text;
  text.reserve(size + 160);
  while (text.size() < size) {
    char line[160];
    std::snprintf(line, sizeof line, "{\"order\":%07llu,\"customer\":\"c-%05llu\",\"item\":\"%s\",\"quantity\":%llu,\"price\":%llu.%02llu}\n",
                  static_cast<unsigned long long>(random() % 10'000'000), static_cast<unsigned long long>(random() % 100'000), kItems[random() % 8],
                  static_cast<unsigned long long>(random() % 20), static_cast<unsigned long long>(random() % 500), static_cast<unsigned long long>(random() % 100));
    text += line;
  }
  text.resize(size);
  return text;
}

}  // namespace

Payloads::Payloads(std::size_t size, bool compressible, std::uint64_t keys)
    : size_(size), slots_(std::max(kPoolBytes / std::max<std::size_t>(size, 1), kSlotsMin)), key_count_(keys) {
  values_ = compressible ? CompressibleText(size_ * slots_) : RandomBytes(size_ * slots_);
  keys_.reserve(keys * kKeyBytes);
  for (std::uint64_t k = 0; k < keys; ++k) {
    char key[32];
    std::snprintf(key, sizeof key, "key-%08llu", static_cast<unsigned long long>(k));
    keys_.append(key, kKeyBytes);
  }
}

std::optional<std::string_view> Payloads::key(std::uint64_t n) const {
  if (key_count_ == 0) return std::nullopt;
  // splitmix64: neighbours land far apart, and every key comes.
  std::uint64_t mixed = n + 0x9E37'79B9'7F4A'7C15;
  mixed = (mixed ^ mixed >> 30) * 0xBF58'476D'1CE4'E5B9;
  mixed = (mixed ^ mixed >> 27) * 0x94D0'49BB'1331'11EB;
  return std::string_view(keys_).substr((mixed ^ mixed >> 31) % key_count_ * kKeyBytes, kKeyBytes);
}

}  // namespace cordwood::client
