// SPDX-License-Identifier: Apache-2.0
// A data directory: FORMAT, LOCK, and where each shard and the local metadata store live.
#pragma once

#include <string>

#include "storage/base/ids.h"
#include "storage/base/reason.h"

namespace cordwood {

inline constexpr int kFormatMajor = 1;
inline constexpr int kFormatMinor = 0;

// Holds the lock until destroyed. Threading: immutable after Open.
class DataDir {
 public:
  // Creates an empty directory's files (FORMAT last, by rename, directory synced). Errors, each naming the path:
  // DIRECTORY_LOCKED (with the holder's pid), FORMAT_TOO_NEW, STORAGE_ERROR (unreadable, not a data directory, damaged FORMAT).
  static StatusOr<DataDir> Open(const std::string& path);
  DataDir(DataDir&& other) noexcept;
  DataDir& operator=(DataDir&&) = delete;
  ~DataDir();

  const std::string& path() const { return path_; }
  const Uuid& id() const { return id_; }
  std::string ShardPath(ShardId shard) const;       // D/shard-000
  std::string SyncedFilePath(ShardId shard) const;  // D/shard-000.synced
  std::string MetadataPath() const;                 // D/meta

 private:
  DataDir(std::string path, int lock_fd, const Uuid& id);
  std::string path_;
  int lock_fd_ = -1;
  Uuid id_;
};

}  // namespace cordwood
