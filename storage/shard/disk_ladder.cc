// SPDX-License-Identifier: Apache-2.0
// Steps of the disk ladder, and what the file system says.
#include "storage/shard/disk_ladder.h"

#include <sys/statvfs.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

namespace cordwood {

std::uint64_t DiskLadder::ThresholdOf(const DiskStep& step, std::uint64_t total_bytes) const {
  const auto share = static_cast<std::uint64_t>(static_cast<double>(total_bytes) * step.percent / 100.0);
  return std::max(std::min(share, step.bytes), floor_bytes);
}

DiskLevel DiskLadder::LevelOf(std::uint64_t free_bytes, std::uint64_t total_bytes) const {
  const auto reached = [&](const DiskStep& step) { return free_bytes < ThresholdOf(step, total_bytes); };
  if (reached(refuse_produce)) return DiskLevel::kRefuseProduce;
  if (reached(refuse_partitions)) return DiskLevel::kRefusePartitions;
  if (reached(warn)) return DiskLevel::kWarn;
  return DiskLevel::kNormal;
}

StatusOr<DiskSpace> ReadDiskSpace(const std::string& path) {
  struct statvfs space;
  if (statvfs(path.c_str(), &space) != 0) return Error(Reason::kStorageError, path + ": " + std::strerror(errno));
  return DiskSpace{std::uint64_t{space.f_bavail} * space.f_frsize, std::uint64_t{space.f_blocks} * space.f_frsize};
}

}  // namespace cordwood
