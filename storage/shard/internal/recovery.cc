// SPDX-License-Identifier: Apache-2.0
// The second of the two WAL filters, the one that lets the log in up to its first hole; the first is LogSurvey.
#include "storage/shard/internal/recovery.h"

#include <utility>

#include "rocksdb/env.h"
#include "rocksdb/metadata.h"
#include "rocksdb/wal_filter.h"
#include "rocksdb/write_batch.h"
#include "storage/log/sequence_gate.h"
#include "storage/rocksdb/log_survey.h"
#include "storage/shard/internal/rocksdb_access.h"

namespace cordwood {
namespace {

class GateFilter final : public rocksdb::WalFilter {
 public:
  explicit GateFilter(std::uint64_t flushed) : gate_(flushed) {}
  const char* Name() const override { return "cordwood.GateFilter"; }
  WalProcessingOption LogRecordFound(unsigned long long, const std::string&, const rocksdb::WriteBatch& batch, rocksdb::WriteBatch*,
                                     bool*) override {
    return gate_.Admit(SequenceOfWriteBatch(batch.Data()), batch.Count()) ? WalProcessingOption::kContinueProcessing : WalProcessingOption::kStopReplay;
  }
  const SequenceGate& gate() const { return gate_; }

 private:
  SequenceGate gate_;
};

// What RocksDB says about a broken file at open. It names a missing table by the extension it tried last, LevelDB's.
Status OpenError(const rocksdb::Status& status, const std::string& directory) {
  const bool damaged = status.IsCorruption() || status.IsPathNotFound() || status.IsNotFound() || status.IsInvalidArgument();
  std::string message = directory + ": " + TextWithin(status, directory);
  for (std::size_t at = 0; (at = message.find(".ldb", at)) != std::string::npos;) message.replace(at, 4, ".sst");
  return Error(damaged ? Reason::kShardDamaged : Reason::kStorageError, std::move(message));
}

// RocksDB opens blob files at the first read; one that is gone or short must be named at once.
Status CheckBlobFiles(rocksdb::DB& db, const std::string& directory) {
  rocksdb::ColumnFamilyMetaData column_family;
  db.GetColumnFamilyMetaData(&column_family);
  for (const rocksdb::BlobMetaData& blob : column_family.blob_files) {
    const std::string path = directory + blob.blob_file_name;
    std::uint64_t bytes = 0;
    const rocksdb::Status status = db.GetEnv()->GetFileSize(path, &bytes);
    if (!status.ok()) return FromRocksDb(status, directory, status.IsPathNotFound() ? Reason::kShardDamaged : Reason::kStorageError);
    if (bytes < blob.blob_file_size) {
      return Error(Reason::kShardDamaged, path + ": " + std::to_string(bytes) + " bytes of " + std::to_string(blob.blob_file_size));
    }
  }
  return absl::OkStatus();
}

}  // namespace

StatusOr<ShardSurvey> SurveyShard(const rocksdb::Options& options, const std::string& directory) {
  LogSurvey filter;
  rocksdb::Options read_only = options;
  read_only.wal_filter = &filter;
  read_only.listeners.clear();
  read_only.sst_file_manager = nullptr;  // so this opening removes the trash: two with one manager would count it twice, and for ever
  rocksdb::DB* raw = nullptr;
  const rocksdb::Status opened = rocksdb::DB::OpenForReadOnly(read_only, directory, &raw);
  if (!opened.ok()) return OpenError(opened, directory);
  const std::unique_ptr<rocksdb::DB> db(raw);
  CORDWOOD_RETURN_IF_ERROR(CheckBlobFiles(*db, directory));
  ShardSurvey survey;
  survey.flushed_sequence = db->GetLatestSequenceNumber();  // no record of the log was applied
  LogSurvey::Belief belief = filter.BeliefFrom(survey.flushed_sequence, *options.env, directory);
  survey.recovered_sequence = belief.last_sequence;
  survey.log_cut = std::move(belief.cut);
  return survey;
}

StatusOr<std::unique_ptr<rocksdb::DB>> OpenGated(rocksdb::Options options, const std::string& directory, ShardSurvey& survey) {
  GateFilter filter(survey.flushed_sequence);
  options.wal_filter = &filter;
  rocksdb::DB* raw = nullptr;
  const rocksdb::Status opened = rocksdb::DB::Open(options, directory, &raw);
  if (!opened.ok()) return OpenError(opened, directory);
  std::unique_ptr<rocksdb::DB> db(raw);
  survey.recovered_sequence = filter.gate().last();
  return db;
}

}  // namespace cordwood
