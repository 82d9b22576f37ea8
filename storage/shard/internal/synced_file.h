// SPDX-License-Identifier: Apache-2.0
// The side file of a shard: the last sequence number known to be on stable storage. Format: docs/reference/on-disk-format.md.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "storage/base/reason.h"

namespace rocksdb {
class Env;
class RandomRWFile;
}  // namespace rocksdb

namespace cordwood {

// Two slots of 512 bytes, 4096 bytes apart so that no page holds both: {magic u64, sequence u64, crc32c u32 over those 16}, big-endian,
// rest zero. Writes alternate and each is synced; a torn slot leaves the other, which is at most one write older. Not thread-safe.
class SyncedFile {
 public:
  // Writes both slots with sequence 0 and syncs file and directory. An existing file is replaced.
  static StatusOr<std::unique_ptr<SyncedFile>> Create(rocksdb::Env& env, const std::string& path);
  // SHARD_DAMAGED if the file is missing or neither slot is valid; STORAGE_ERROR if it cannot be read.
  static StatusOr<std::unique_ptr<SyncedFile>> Open(rocksdb::Env& env, const std::string& path);
  ~SyncedFile();

  std::uint64_t sequence() const { return sequence_; }
  // Durable when it returns OK. `sequence` must not be below sequence(). After an error the file must not be written again.
  Status Write(std::uint64_t sequence);

 private:
  SyncedFile(std::string path, std::unique_ptr<rocksdb::RandomRWFile> file);
  Status WriteSlot(int slot, std::uint64_t sequence);

  const std::string path_;
  std::unique_ptr<rocksdb::RandomRWFile> file_;
  std::uint64_t sequence_ = 0;
  int next_slot_ = 0;
};

}  // namespace cordwood
