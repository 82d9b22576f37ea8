// SPDX-License-Identifier: Apache-2.0
// What a filling disk still allows: warn, then refuse new partitions, then refuse produce. Reads and deletes always go on.
#pragma once

#include <cstdint>
#include <string>

#include "storage/base/reason.h"

namespace cordwood {

enum class DiskLevel { kNormal, kWarn, kRefusePartitions, kRefuseProduce };

// A step is taken when free space is below the smaller of its percentage of the disk and its absolute value, but never below `floor_bytes`
// (four write buffers), so that neither a laptop nor a tmpfs refuses everything.
struct DiskStep {
  double percent;
  std::uint64_t bytes;
};
struct DiskLadder {
  DiskStep warn{10.0, 20ULL << 30};
  DiskStep refuse_partitions{7.0, 10ULL << 30};
  DiskStep refuse_produce{5.0, 5ULL << 30};
  std::uint64_t floor_bytes = 256ULL << 20;

  std::uint64_t ThresholdOf(const DiskStep& step, std::uint64_t total_bytes) const;
  DiskLevel LevelOf(std::uint64_t free_bytes, std::uint64_t total_bytes) const;
};

struct DiskSpace {
  std::uint64_t free_bytes;   // available to us
  std::uint64_t total_bytes;
};
StatusOr<DiskSpace> ReadDiskSpace(const std::string& path);

}  // namespace cordwood
