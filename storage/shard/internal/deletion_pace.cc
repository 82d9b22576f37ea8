// SPDX-License-Identifier: Apache-2.0
// RocksDB's own deletion does the work.
#include "storage/shard/internal/deletion_pace.h"

#include <algorithm>
#include <cstdarg>
#include <utility>

#include "rocksdb/env.h"

namespace cordwood {
namespace {

// RocksDB would write a line for each step.
class WarningsOnly final : public rocksdb::Logger {
 public:
  explicit WarningsOnly(std::shared_ptr<rocksdb::Logger> log) : Logger(rocksdb::InfoLogLevel::WARN_LEVEL), log_(std::move(log)) {}
  using rocksdb::Logger::Logv;
  void Logv(const char* format, std::va_list arguments) override { log_->Logv(format, arguments); }

 private:
  const std::shared_ptr<rocksdb::Logger> log_;
};

}  // namespace

void DeletionPace::AddTo(rocksdb::Options& options) {
  options.sst_file_manager.reset(rocksdb::NewSstFileManager(options.env, options.env->GetFileSystem(), std::make_shared<WarningsOnly>(options.info_log),
                                                            /*trash_dir=*/"", kDeletionRate, /*delete_existing_trash=*/true, /*status=*/nullptr,
                                                            /*max_trash_db_ratio=*/0, kDeletionStepBytes));
  options.listeners.push_back(std::shared_ptr<DeletionPace>(new DeletionPace(options.sst_file_manager)));
}

// Both are called right before the files that the job made superfluous go.
void DeletionPace::OnFlushCompleted(rocksdb::DB*, const rocksdb::FlushJobInfo&) { Bound(); }
void DeletionPace::OnCompactionCompleted(rocksdb::DB*, const rocksdb::CompactionJobInfo&) { Bound(); }

void DeletionPace::Bound() {
  const std::uint64_t database_bytes = std::max<std::uint64_t>(files_->GetTotalSize(), 1);
  files_->SetMaxTrashDBRatio(static_cast<double>(kTrashBytesMax) / static_cast<double>(database_bytes));
}

}  // namespace cordwood
