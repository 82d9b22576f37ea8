// SPDX-License-Identifier: Apache-2.0
// Which partition a key belongs to, the same here, in our client and in Kafka's.
#pragma once

#include <cstdint>
#include <string_view>

#include "storage/base/ids.h"

namespace cordwood {

// Kafka's murmur2 (seed 0x9747b28c), as a Java int. Thread-safe.
std::int32_t Murmur2(std::string_view bytes);

// toPositive(murmur2(key)) % partitions. partitions >= 1. Thread-safe.
PartitionIndex PartitionOfKey(std::string_view key, std::int32_t partitions);

}  // namespace cordwood
