// SPDX-License-Identifier: Apache-2.0
// How the local metadata store opens what is on disk: nothing that was ever acknowledged may be missing. For this room alone.
#pragma once

#include <cstdint>
#include <memory>
#include <string>

#include "storage/base/reason.h"

namespace rocksdb {
class DB;
class Env;
class RandomRWFile;
}  // namespace rocksdb

namespace cordwood::broker {

// Two slots (storage/log/synced_slot.h), written in turn and synced each time: the last sequence number of which somebody was told. Not thread-safe.
class MetadataSyncedFile {
 public:
  // Writes both slots with 0; file and directory are synced.
  static StatusOr<std::unique_ptr<MetadataSyncedFile>> Create(rocksdb::Env& env, const std::string& path);
  // SHARD_DAMAGED if the file is missing or has no valid slot; STORAGE_ERROR if it cannot be read.
  static StatusOr<std::unique_ptr<MetadataSyncedFile>> Open(rocksdb::Env& env, const std::string& path);
  ~MetadataSyncedFile();

  std::uint64_t sequence() const { return sequence_; }
  Status Write(std::uint64_t sequence);  // durable when it returns OK

 private:
  MetadataSyncedFile(std::string path, std::unique_ptr<rocksdb::RandomRWFile> file);
  Status WriteSlot(int slot, std::uint64_t sequence);

  const std::string path_;
  const std::unique_ptr<rocksdb::RandomRWFile> file_;
  std::uint64_t sequence_ = 0;
  int next_slot_ = 0;
};

struct OpenedMetadata {
  std::unique_ptr<rocksdb::DB> db;
  std::unique_ptr<MetadataSyncedFile> synced_file;  // `directory`.synced
};
// Creates what is not there, unless it `must_exist`. SHARD_DAMAGED, with nothing changed (but a torn end of
// the manifest cut off), if something is missing or ends below what was synced.
StatusOr<OpenedMetadata> OpenMetadata(rocksdb::Env& env, const std::string& directory, bool must_exist);

}  // namespace cordwood::broker
