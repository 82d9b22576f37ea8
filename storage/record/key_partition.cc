// SPDX-License-Identifier: Apache-2.0
// Murmur2 as org.apache.kafka.common.utils.Utils computes it.
#include "storage/record/key_partition.h"

#include <cstddef>

namespace cordwood {

std::int32_t Murmur2(std::string_view bytes) {
  constexpr std::uint32_t kMultiplier = 0x5bd1e995;
  constexpr int kShift = 24;
  const auto byte_at = [&](std::size_t i) { return static_cast<std::uint32_t>(static_cast<unsigned char>(bytes[i])); };

  std::uint32_t h = 0x9747b28cU ^ static_cast<std::uint32_t>(bytes.size());
  std::size_t i = 0;
  for (; i + 4 <= bytes.size(); i += 4) {
    std::uint32_t k = byte_at(i) | byte_at(i + 1) << 8 | byte_at(i + 2) << 16 | byte_at(i + 3) << 24;
    k *= kMultiplier;
    k ^= k >> kShift;
    k *= kMultiplier;
    h *= kMultiplier;
    h ^= k;
  }
  const std::size_t rest = bytes.size() - i;
  if (rest >= 3) h ^= byte_at(i + 2) << 16;
  if (rest >= 2) h ^= byte_at(i + 1) << 8;
  if (rest >= 1) {
    h ^= byte_at(i);
    h *= kMultiplier;
  }
  h ^= h >> 13;
  h *= kMultiplier;
  h ^= h >> 15;
  return static_cast<std::int32_t>(h);
}

PartitionIndex PartitionOfKey(std::string_view key, std::int32_t partitions) {
  return PartitionIndex((Murmur2(key) & 0x7fffffff) % partitions);
}

}  // namespace cordwood
