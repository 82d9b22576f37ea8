// SPDX-License-Identifier: Apache-2.0
// A look that changes nothing but a torn end of the manifest comes first: RocksDB itself opens a log that is cut or damaged as if its end had never been.
#include "broker/metadata/local_metadata_store_open.h"

#include <cstdarg>
#include <optional>
#include <utility>

#include "rocksdb/db.h"
#include "rocksdb/env.h"
#include "rocksdb/options.h"
#include "storage/log/synced_slot.h"
#include "storage/rocksdb/has_database.h"
#include "storage/rocksdb/log_survey.h"
#include "storage/rocksdb/torn_manifest.h"

namespace cordwood::broker {
namespace {

Status Damaged(const std::string& what) { return Error(Reason::kShardDamaged, "metadata store: " + what); }

Status FromRocksDb(const rocksdb::Status& status, const std::string& path) {
  if (status.ok()) return absl::OkStatus();
  const bool damaged = status.IsCorruption() || status.IsNotFound() || status.IsPathNotFound() || status.IsInvalidArgument();
  return Error(damaged ? Reason::kShardDamaged : Reason::kStorageError, "metadata store: " + path + ": " + status.ToString());
}

// RocksDB 7.8's own logger asserts at the second line that meets a full disk, and the asserts of Debian's build are live.
class SilentLog final : public rocksdb::Logger {
 public:
  using rocksdb::Logger::Logv;
  void Logv(const char*, std::va_list) override {}
};

rocksdb::Options MakeOptions(rocksdb::Env& env) {
  rocksdb::Options options;
  options.env = &env;
  options.write_buffer_size = 4 * 1024 * 1024;
  options.max_write_buffer_number = 2;
  options.max_background_jobs = 2;
  options.max_bgerror_resume_count = 0;
  options.compression = rocksdb::kNoCompression;
  options.info_log = std::make_shared<SilentLog>();
  // Each write is synced before the next begins, so that at most one transaction, which nobody was told of, can be torn at the end.
  options.wal_recovery_mode = rocksdb::WALRecoveryMode::kPointInTimeRecovery;
  return options;
}

// What an opening will find.
StatusOr<LogSurvey::Belief> SurveyDatabase(const rocksdb::Options& options, const std::string& directory) {
  LogSurvey survey;
  rocksdb::Options read_only = options;
  read_only.wal_filter = &survey;
  rocksdb::DB* raw = nullptr;
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(rocksdb::DB::OpenForReadOnly(read_only, directory, &raw), directory));
  const std::unique_ptr<rocksdb::DB> db(raw);
  LogSurvey::Belief belief = survey.BeliefFrom(db->GetLatestSequenceNumber(), *options.env, directory);
  if (belief.has_hole()) return Damaged(directory + ": its log has a hole at " + Describe(*belief.cut));
  return belief;
}

}  // namespace

MetadataSyncedFile::MetadataSyncedFile(std::string path, std::unique_ptr<rocksdb::RandomRWFile> file)
    : path_(std::move(path)), file_(std::move(file)) {}
MetadataSyncedFile::~MetadataSyncedFile() = default;

StatusOr<std::unique_ptr<MetadataSyncedFile>> MetadataSyncedFile::Create(rocksdb::Env& env, const std::string& path) {
  std::unique_ptr<rocksdb::WritableFile> empty;  // makes the file: a RandomRWFile opens only what exists
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(env.NewWritableFile(path, &empty, rocksdb::EnvOptions()), path));
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(empty->Close(), path));
  std::unique_ptr<rocksdb::RandomRWFile> file;
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(env.NewRandomRWFile(path, &file, rocksdb::EnvOptions()), path));
  std::unique_ptr<MetadataSyncedFile> created(new MetadataSyncedFile(path, std::move(file)));
  for (const int slot : {0, 1}) CORDWOOD_RETURN_IF_ERROR(created->WriteSlot(slot, 0));
  std::unique_ptr<rocksdb::Directory> directory;
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(env.NewDirectory(path.substr(0, path.rfind('/')), &directory), path));
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(directory->Fsync(), path));
  return created;
}

StatusOr<std::unique_ptr<MetadataSyncedFile>> MetadataSyncedFile::Open(rocksdb::Env& env, const std::string& path) {
  const rocksdb::Status exists = env.FileExists(path);
  if (exists.IsNotFound()) return Damaged(path + ": missing; it says what must be in the directory beside it");
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(exists, path));
  std::unique_ptr<rocksdb::RandomRWFile> file;
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(env.NewRandomRWFile(path, &file, rocksdb::EnvOptions()), path));
  std::unique_ptr<MetadataSyncedFile> opened(new MetadataSyncedFile(path, std::move(file)));
  bool valid = false;
  for (const int slot : {0, 1}) {
    char scratch[kSyncedSlotUsedBytes];
    rocksdb::Slice bytes;
    CORDWOOD_RETURN_IF_ERROR(FromRocksDb(opened->file_->Read(slot * kSyncedSlotDistance, sizeof scratch, &bytes, scratch), path));
    const std::optional<std::uint64_t> sequence = DecodeSyncedSlot({bytes.data(), bytes.size()});
    if (!sequence.has_value() || (valid && *sequence < opened->sequence_)) continue;
    valid = true;
    opened->sequence_ = *sequence;
    opened->next_slot_ = 1 - slot;
  }
  if (!valid) return Damaged(path + ": neither slot is valid");
  return opened;
}

Status MetadataSyncedFile::Write(std::uint64_t sequence) {
  CORDWOOD_RETURN_IF_ERROR(WriteSlot(next_slot_, sequence));
  next_slot_ = 1 - next_slot_;
  sequence_ = sequence;
  return absl::OkStatus();
}

Status MetadataSyncedFile::WriteSlot(int slot, std::uint64_t sequence) {
  const SyncedSlot bytes = EncodeSyncedSlot(sequence);
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(file_->Write(slot * kSyncedSlotDistance, {bytes.data(), bytes.size()}), path_));
  return FromRocksDb(file_->Sync(), path_);
}

// The side file is made before the first transaction: a database with transactions but without it is damaged; one without both was being created.
StatusOr<OpenedMetadata> OpenMetadata(rocksdb::Env& env, const std::string& directory, bool must_exist) {
  const std::string synced_path = directory + ".synced";
  auto synced_file = MetadataSyncedFile::Open(env, synced_path);
  if (!synced_file.ok() && (must_exist || ReasonOf(synced_file.status()) != Reason::kShardDamaged)) return synced_file.status();
  const std::uint64_t synced = synced_file.ok() ? (*synced_file)->sequence() : 0;
  bool has_database = false;
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(HasDatabase(env, directory, &has_database), directory));
  if (!has_database && must_exist) return Damaged(directory + ": missing or empty, but this data directory had it");

  rocksdb::Options options = MakeOptions(env);
  options.create_if_missing = !has_database;
  LogSurvey::Belief belief;
  if (has_database) {
    CORDWOOD_RETURN_IF_ERROR(FromRocksDb(CutTornManifest(env, directory), directory));
    CORDWOOD_ASSIGN_OR_RETURN(belief, SurveyDatabase(options, directory));
  }
  const std::uint64_t recovered = belief.last_sequence;
  if (recovered < synced) {
    return Damaged(directory + ": recovered up to sequence " + std::to_string(recovered) + ", but " + synced_path + " says that " +
                   std::to_string(synced) + " was synced" + (belief.cut.has_value() ? "; its log is believed up to " + Describe(*belief.cut) : ""));
  }
  if (recovered > 0 && !synced_file.ok()) return synced_file.status();

  OpenedMetadata opened;
  rocksdb::DB* db = nullptr;
  CORDWOOD_RETURN_IF_ERROR(FromRocksDb(rocksdb::DB::Open(options, directory, &db), directory));
  opened.db.reset(db);
  if (!synced_file.ok()) synced_file = MetadataSyncedFile::Create(env, synced_path);
  CORDWOOD_RETURN_IF_ERROR(synced_file.status());
  opened.synced_file = *std::move(synced_file);
  const std::uint64_t found = db->GetLatestSequenceNumber();
  if (found != recovered) return Damaged(directory + ": opened up to sequence " + std::to_string(found) + ", expected " + std::to_string(recovered));
  if (found > synced) CORDWOOD_RETURN_IF_ERROR(opened.synced_file->Write(found));  // what will be seen from now on
  return opened;
}

}  // namespace cordwood::broker
