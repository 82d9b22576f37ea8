// SPDX-License-Identifier: Apache-2.0
// Keys of records as 128 bits, so that a map over many millions of them fits its bound.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>

namespace cordwood {

// Two keys with one hash would lose a record. By chance that takes some 10^19 keys; on purpose it cannot be done without the secret: SipHash-2-4 with
// 128 bits (Aumasson and Bernstein), a pseudorandom function.
struct KeyHash {
  std::uint64_t low = 0;
  std::uint64_t high = 0;
  friend bool operator==(const KeyHash&, const KeyHash&) = default;
};

using KeyHashSecret = std::array<std::uint64_t, 2>;

KeyHash HashKey(const KeyHashSecret& secret, std::string_view key);

}  // namespace cordwood
