// SPDX-License-Identifier: Apache-2.0
// The side file of a shard: the last sequence number known to be on stable storage. Format: docs/reference/on-disk-format.md.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>

#include "storage/base/reason.h"

namespace rocksdb {
class Env;
class RandomRWFile;
}  // namespace rocksdb

namespace cordwood {

// Three slots (storage/log/synced_slot.h). Two are written in turn and synced each time: a torn one leaves the other, which is at most one write
// older. The third, the mark, is only written: it is ahead of them after the death of the process, and after a power cut it may be old or torn,
// which harms nobody, since every sequence that was ever in it was synced. Not thread-safe.
class SyncedFile {
 public:
  // Writes all slots with sequence 0 and syncs file and directory. An existing file is replaced.
  static StatusOr<std::unique_ptr<SyncedFile>> Create(rocksdb::Env& env, const std::string& path);
  // SHARD_DAMAGED if the file is missing or neither synced slot is valid; STORAGE_ERROR if it cannot be read.
  static StatusOr<std::unique_ptr<SyncedFile>> Open(rocksdb::Env& env, const std::string& path);
  ~SyncedFile();

  // After Open() the largest of all slots; then the last one of Write().
  std::uint64_t sequence() const { return sequence_; }
  // Durable when it returns OK. `sequence` must not be below sequence(). After an error the file must not be written again.
  Status Write(std::uint64_t sequence);
  // Survives the process when it returns OK; about a microsecond. `sequence` must not be below an earlier one, and must have been synced.
  Status Mark(std::uint64_t sequence);

 private:
  SyncedFile(std::string path, std::unique_ptr<rocksdb::RandomRWFile> file);
  StatusOr<std::optional<std::uint64_t>> ReadSlot(int slot) const;
  Status WriteSlot(int slot, std::uint64_t sequence);

  const std::string path_;
  std::unique_ptr<rocksdb::RandomRWFile> file_;
  std::uint64_t sequence_ = 0;
  int next_slot_ = 0;
};

}  // namespace cordwood
