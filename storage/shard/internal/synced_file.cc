// SPDX-License-Identifier: Apache-2.0
// Goes through rocksdb::Env, so that a test's power loss reaches this file as it reaches the database.
#include "storage/shard/internal/synced_file.h"

#include <array>
#include <optional>
#include <utility>

#include "rocksdb/env.h"
#include "storage/base/coding.h"
#include "storage/base/crc32c.h"
#include "storage/shard/internal/rocksdb_access.h"

namespace cordwood {
namespace {

constexpr std::uint64_t kMagic = 0x434F524453594E43;  // "CORDSYNC"
constexpr std::size_t kSlotBytes = 512;
constexpr std::size_t kSlotDistance = 4096;
constexpr std::size_t kUsedBytes = 20;

using Slot = std::array<char, kSlotBytes>;

Slot EncodeSlot(std::uint64_t sequence) {
  Slot slot{};
  StoreBigEndian(slot.data(), kMagic);
  StoreBigEndian(slot.data() + 8, sequence);
  StoreBigEndian(slot.data() + 16, Crc32c({slot.data(), 16}));
  return slot;
}

std::optional<std::uint64_t> DecodeSlot(std::string_view bytes) {
  ByteReader reader(bytes);
  const auto magic = reader.Read<std::uint64_t>();
  const auto sequence = reader.Read<std::uint64_t>();
  const auto crc = reader.Read<std::uint32_t>();
  if (!reader.ok() || magic != kMagic || crc != Crc32c(bytes.substr(0, 16))) return std::nullopt;
  return sequence;
}

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
  CORDWOOD_RETURN_IF_ERROR(created->WriteSlot(0, 0));
  CORDWOOD_RETURN_IF_ERROR(created->WriteSlot(1, 0));
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
  for (int slot = 0; slot < 2; ++slot) {
    Slot scratch;
    rocksdb::Slice bytes;
    CORDWOOD_RETURN_IF_ERROR(FromRocksDb(opened->file_->Read(slot * kSlotDistance, kUsedBytes, &bytes, scratch.data()), path));
    const std::optional<std::uint64_t> sequence = DecodeSlot(ToView(bytes));
    if (!sequence.has_value() || (best.has_value() && *sequence < *best)) continue;
    best = sequence;
    opened->next_slot_ = 1 - slot;
  }
  if (!best.has_value()) return Error(Reason::kShardDamaged, path + ": neither slot is valid");
  opened->sequence_ = *best;
  return opened;
}

Status SyncedFile::Write(std::uint64_t sequence) {
  CORDWOOD_RETURN_IF_ERROR(WriteSlot(next_slot_, sequence));
  next_slot_ = 1 - next_slot_;
  sequence_ = sequence;
  return absl::OkStatus();
}

Status SyncedFile::WriteSlot(int slot, std::uint64_t sequence) {
  const Slot bytes = EncodeSlot(sequence);
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(file_->Write(slot * kSlotDistance, {bytes.data(), bytes.size()}), path_));
  return FromRocksDb(file_->Sync(), path_);
}

}  // namespace cordwood
