// SPDX-License-Identifier: Apache-2.0
// SipHash-2-4-128 as published: two rounds a word, four at the end, twice.
#include "storage/log/compaction/key_hash.h"

#include <bit>
#include <cstddef>
#include <cstring>

namespace cordwood {
namespace {

struct SipState {
  std::uint64_t v0, v1, v2, v3;

  void Round() {
    v0 += v1;
    v1 = std::rotl(v1, 13) ^ v0;
    v0 = std::rotl(v0, 32);
    v2 += v3;
    v3 = std::rotl(v3, 16) ^ v2;
    v0 += v3;
    v3 = std::rotl(v3, 21) ^ v0;
    v2 += v1;
    v1 = std::rotl(v1, 17) ^ v2;
    v2 = std::rotl(v2, 32);
  }
  void Add(std::uint64_t word) {
    v3 ^= word;
    Round();
    Round();
    v0 ^= word;
  }
  std::uint64_t Finish() {
    for (int i = 0; i < 4; ++i) Round();
    return v0 ^ v1 ^ v2 ^ v3;
  }
};

// Little-endian, as the algorithm is defined and x86-64 is.
std::uint64_t LoadWord(const char* from, std::size_t bytes) {
  std::uint64_t word = 0;
  std::memcpy(&word, from, bytes);
  return word;
}

}  // namespace

KeyHash HashKey(const KeyHashSecret& secret, std::string_view key) {
  static_assert(std::endian::native == std::endian::little);
  SipState state{0x736f6d6570736575 ^ secret[0], 0x646f72616e646f6d ^ secret[1] ^ 0xee, 0x6c7967656e657261 ^ secret[0], 0x7465646279746573 ^ secret[1]};
  std::size_t at = 0;
  for (; key.size() - at >= 8; at += 8) state.Add(LoadWord(key.data() + at, 8));
  const std::size_t rest = key.size() - at;
  state.Add((rest == 0 ? 0 : LoadWord(key.data() + at, rest)) | static_cast<std::uint64_t>(key.size()) << 56);
  state.v2 ^= 0xee;
  KeyHash hash;
  hash.low = state.Finish();
  state.v1 ^= 0xdd;
  hash.high = state.Finish();
  return hash;
}

}  // namespace cordwood
