// SPDX-License-Identifier: Apache-2.0
// Goes through rocksdb::Env, so that a test's power loss reaches this file as it reaches the database.
#include "storage/shard/internal/synced_file.h"

#include <algorithm>
#include <utility>

#include "rocksdb/env.h"
#include "storage/log/synced_slot.h"
#include "storage/shard/internal/rocksdb_access.h"

namespace cordwood {
namespace {

constexpr int kMarkSlot = 2;

std::string DirectoryOf(const std::string& path) {
  const std::size_t slash = path.rfind('/');
  return slash == std::string::npos ? "." : path.substr(0, slash);
}

}  // namespace

SyncedFile::SyncedFile(std::string path, std::unique_ptr<rocksdb::RandomRWFile> file) : path_(std::move(path)), file_(std::move(file)) {}
SyncedFile::~SyncedFile() = default;

StatusOr<std::unique_ptr<SyncedFile>> SyncedFile::Create(rocksdb::Env& env, const std::string& path) {
  const rocksdb::EnvOptions env_options;
  std::unique_ptr<rocksdb::WritableFile> empty;  // makes the file: a RandomRWFile opens only what exists
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(env.NewWritableFile(path, &empty, env_options), path));
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(empty->Close(), path));
  std::unique_ptr<rocksdb::RandomRWFile> file;
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(env.NewRandomRWFile(path, &file, env_options), path));
  std::unique_ptr<SyncedFile> created(new SyncedFile(path, std::move(file)));
  for (const int slot : {0, 1, kMarkSlot}) CORDWOOD_RETURN_IF_ERROR(created->WriteSlot(slot, 0));
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(created->file_->Sync(), path));
  std::unique_ptr<rocksdb::Directory> directory;
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(env.NewDirectory(DirectoryOf(path), &directory), path));
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(directory->Fsync(), path));
  return created;
}

StatusOr<std::unique_ptr<SyncedFile>> SyncedFile::Open(rocksdb::Env& env, const std::string& path) {
  const rocksdb::Status exists = env.FileExists(path);
  if (exists.IsNotFound()) return Error(Reason::kShardDamaged, path + ": missing; it says what must be in the shard beside it");
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(exists, path));
  std::unique_ptr<rocksdb::RandomRWFile> file;
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(env.NewRandomRWFile(path, &file, rocksdb::EnvOptions()), path));
  std::unique_ptr<SyncedFile> opened(new SyncedFile(path, std::move(file)));
  std::optional<std::uint64_t> best;
  for (const int slot : {0, 1}) {
    CORDWOOD_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> sequence, opened->ReadSlot(slot));
    if (!sequence.has_value() || (best.has_value() && *sequence < *best)) continue;
    best = sequence;
    opened->next_slot_ = 1 - slot;
  }
  if (!best.has_value()) return Error(Reason::kShardDamaged, path + ": neither slot is valid");
  CORDWOOD_ASSIGN_OR_RETURN(const std::optional<std::uint64_t> mark, opened->ReadSlot(kMarkSlot));
  opened->sequence_ = std::max(*best, mark.value_or(0));
  return opened;
}

Status SyncedFile::Mark(std::uint64_t sequence) { return WriteSlot(kMarkSlot, sequence); }

Status SyncedFile::Write(std::uint64_t sequence) {
  CORDWOOD_RETURN_IF_ERROR(WriteSlot(next_slot_, sequence));
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(file_->Sync(), path_));
  next_slot_ = 1 - next_slot_;
  sequence_ = sequence;
  return absl::OkStatus();
}

StatusOr<std::optional<std::uint64_t>> SyncedFile::ReadSlot(int slot) const {
  char scratch[kSyncedSlotUsedBytes];
  rocksdb::Slice bytes;
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(file_->Read(slot * kSyncedSlotDistance, sizeof scratch, &bytes, scratch), path_));
  return DecodeSyncedSlot(ToView(bytes));
}

Status SyncedFile::WriteSlot(int slot, std::uint64_t sequence) {
  const SyncedSlot bytes = EncodeSyncedSlot(sequence);
  return FromRocksDb(file_->Write(slot * kSyncedSlotDistance, {bytes.data(), bytes.size()}), path_);
}

}  // namespace cordwood
