// SPDX-License-Identifier: Apache-2.0
// A data directory: FORMAT, LOCK, and where each shard and the local metadata store live.
#pragma once

#include <optional>
#include <string>

#include "storage/base/ids.h"
#include "storage/base/reason.h"

namespace cordwood {

inline constexpr int kFormatMajor = 1;
inline constexpr int kFormatMinor = 1;  // 1: there may be a shard of kind compact; written only where there is

// Holds the lock until destroyed. Threading: NoteParts() and NoteCompactShard() by one thread at a time, as what they change; else immutable after Open.
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
  // How many shards, from 0 on, and whether the metadata store were once whole, by FORMAT: what of them is missing was lost. Before the first
  // NoteParts() it is 0, and nothing was acknowledged yet.
  int shards() const { return shards_; }
  bool in_use() const { return shards_ > 0; }
  // Writes that into FORMAT, durable when it returns OK. Call it when all `shards` shards and the metadata store are open, before anybody is served.
  Status NoteParts(int shards);
  // The shard of kind compact, whether or not it has been made; nullopt: there never was a compacted topic.
  std::optional<ShardId> compact_shard() const { return compact_shard_; }
  // Writes that into FORMAT, durable when it returns OK, before the shard is made: what is found under its name is of no other kind.
  Status NoteCompactShard(ShardId shard);
  std::string ShardPath(ShardId shard) const;       // D/shard-000
  std::string SyncedFilePath(ShardId shard) const;  // D/shard-000.synced
  std::string MetadataPath() const;                 // D/meta; beside it D/meta.synced

 private:
  DataDir(std::string path, int lock_fd, const Uuid& id, int shards, std::optional<ShardId> compact_shard);
  std::string path_;
  int lock_fd_ = -1;
  Uuid id_;
  int shards_ = 0;
  std::optional<ShardId> compact_shard_;
};

}  // namespace cordwood
