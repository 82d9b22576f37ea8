// SPDX-License-Identifier: Apache-2.0
// Mutant: the side file is neither read nor written. Linked before storage/shard, it takes the place of synced_file.cc.
#include <utility>

#include "rocksdb/env.h"
#include "storage/shard/internal/synced_file.h"

namespace cordwood {

SyncedFile::SyncedFile(std::string path, std::unique_ptr<rocksdb::RandomRWFile> file) : path_(std::move(path)), file_(std::move(file)) {}
SyncedFile::~SyncedFile() = default;

// The directory is synced as by the real one: the shard's own entry depends on it.
StatusOr<std::unique_ptr<SyncedFile>> SyncedFile::Create(rocksdb::Env& env, const std::string& path) {
  std::unique_ptr<rocksdb::Directory> directory;
  const rocksdb::Status opened = env.NewDirectory(path.substr(0, path.rfind('/')), &directory);
  if (!opened.ok() || !directory->Fsync().ok()) return Error(Reason::kStorageError, path);
  return Open(env, path);
}

StatusOr<std::unique_ptr<SyncedFile>> SyncedFile::Open(rocksdb::Env&, const std::string& path) {
  return std::unique_ptr<SyncedFile>(new SyncedFile(path, nullptr));
}

Status SyncedFile::Write(std::uint64_t sequence) {
  sequence_ = sequence;
  return absl::OkStatus();
}

Status SyncedFile::Mark(std::uint64_t) { return absl::OkStatus(); }

}  // namespace cordwood
