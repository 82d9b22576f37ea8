// SPDX-License-Identifier: Apache-2.0
// What RocksDB does to a big file that it no longer needs, call by call, on a real file system.
#include "storage/shard/internal/deletion_pace.h"

#include <gmock/gmock.h>

#include <memory>
#include <mutex>
#include <string>
#include <utility>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/file_system.h"
#include "storage/shard/internal/database_log.h"
#include "storage/shard/testing/shard_fixture.h"
#include "tests/support/temp_dir.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

using ::testing::ElementsAre;

// Writes down what happens to logs and to trash, by file names without their directory and sizes in steps, rounded up.
class WatchedFiles final : public rocksdb::FileSystemWrapper {
 public:
  WatchedFiles() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "WatchedFiles"; }

  rocksdb::IOStatus RenameFile(const std::string& from, const std::string& to, const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
    if (IsTrash(to)) Note("rename " + End(from) + " " + End(to));
    return target()->RenameFile(from, to, options, debug);
  }
  rocksdb::IOStatus DeleteFile(const std::string& name, const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
    if (IsTrash(name) || name.ends_with(".log")) Note("delete " + End(name));
    return target()->DeleteFile(name, options, debug);
  }
  rocksdb::IOStatus ReopenWritableFile(const std::string& name, const rocksdb::FileOptions& options, std::unique_ptr<rocksdb::FSWritableFile>* file,
                                       rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = target()->ReopenWritableFile(name, options, file, debug);
    if (status.ok()) *file = std::make_unique<File>(std::move(*file), *this, End(name));
    return status;
  }
  std::vector<std::string> seen() {
    const std::lock_guard<std::mutex> lock(mu_);
    return seen_;
  }

 private:
  class File final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(std::unique_ptr<rocksdb::FSWritableFile> file, WatchedFiles& files, std::string name)
        : FSWritableFileOwnerWrapper(std::move(file)), files_(files), name_(std::move(name)) {}
    rocksdb::IOStatus Truncate(std::uint64_t size, const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
      files_.Note("cut " + name_ + " to " + std::to_string((size + kDeletionStepBytes - 1) / kDeletionStepBytes));
      return FSWritableFileOwnerWrapper::Truncate(size, options, debug);
    }

   private:
    WatchedFiles& files_;
    const std::string name_;
  };

  static std::string End(const std::string& path) { return path.substr(path.rfind('/') + 1); }
  void Note(std::string event) {
    const std::lock_guard<std::mutex> lock(mu_);
    seen_.push_back(std::move(event));
  }

  std::mutex mu_;
  std::vector<std::string> seen_;
};

class DeletionPaceTest : public ::testing::Test {
 protected:
  void Open() {
    rocksdb::Options options;
    options.create_if_missing = true;
    options.env = env_.get();
    options.write_buffer_size = 64 * 1024 * 1024;
    options.compression = rocksdb::kNoCompression;
    options.info_log = std::make_shared<DatabaseLog>(log_directory_.path());
    DeletionPace::AddTo(options);
    managed_ = options.sst_file_manager;
    pace_ = options.listeners.front();
    rocksdb::DB* db = nullptr;
    ASSERT_TRUE(rocksdb::DB::Open(options, directory_.path(), &db).ok());
    db_.reset(db);
  }
  void WriteSteps(int steps) {
    const std::string value(kDeletionStepBytes - 1024, 'x');
    for (int i = 0; i < steps; ++i) ASSERT_TRUE(db_->Put({}, "key", value).ok());
  }

  std::string ReadLog() const { return ReadFile(log_directory_.Sub("LOG")); }

  const TempDir directory_;
  const std::shared_ptr<WatchedFiles> files_ = std::make_shared<WatchedFiles>();
  const std::unique_ptr<rocksdb::Env> env_ = rocksdb::NewCompositeEnv(files_);
  const TempDir log_directory_;
  std::shared_ptr<rocksdb::SstFileManager> managed_;
  std::shared_ptr<rocksdb::EventListener> pace_;
  std::unique_ptr<rocksdb::DB> db_;
};

TEST_F(DeletionPaceTest, ALogIsRenamedAndCutFromItsEndBeforeItGoes) {
  Open();
  WriteSteps(3);
  ASSERT_TRUE(db_->Flush({}).ok());
  EXPECT_TRUE(WaitUntil([&] { return files_->seen().size() >= 4; }));
  const std::string name = files_->seen().at(0).substr(7, 10);
  EXPECT_THAT(files_->seen(), ElementsAre("rename " + name + " " + name + ".trash", "cut " + name + ".trash to 2", "cut " + name + ".trash to 1",
                                          "delete " + name + ".trash"));
}

TEST_F(DeletionPaceTest, ItsStepsAreNotLogged) {
  Open();
  WriteSteps(3);
  ASSERT_TRUE(db_->Flush({}).ok());
  EXPECT_TRUE(WaitUntil([&] { return files_->seen().size() >= 4; }));
  db_.reset();
  EXPECT_THAT(ReadLog(), ::testing::Not(::testing::HasSubstr("Rate limiting")));
}

TEST_F(DeletionPaceTest, TheBoundOfTheTrashStaysWhenTheDatabaseGrows) {
  Open();
  for (const char* const key : {"a", "b"}) {
    ASSERT_TRUE(db_->Put({}, key, std::string(100'000, 'x')).ok());
    ASSERT_TRUE(db_->Flush({}).ok());
  }
  pace_->OnCompactionCompleted(nullptr, {});
  EXPECT_GT(managed_->GetTotalSize(), 200'000u);
  EXPECT_DOUBLE_EQ(managed_->GetMaxTrashDBRatio() * static_cast<double>(managed_->GetTotalSize()), static_cast<double>(kTrashBytesMax));
}

TEST_F(DeletionPaceTest, TheBoundIsSetByFlushes) {
  Open();
  for (const char* const key : {"a", "b"}) {
    ASSERT_TRUE(db_->Put({}, key, std::string(100'000, 'x')).ok());
    ASSERT_TRUE(db_->Flush({}).ok());
  }
  EXPECT_LT(managed_->GetMaxTrashDBRatio(), static_cast<double>(kTrashBytesMax) / 100'000);
}

class ShardDeletionPaceTest : public ShardFixture {};

TEST_F(ShardDeletionPaceTest, AShardOnARealDiskHasOne) {
  ASSERT_OK(Open());
  EXPECT_EQ(store_->db().GetDBOptions().sst_file_manager->GetDeleteRateBytesPerSecond(), kDeletionRate);
}

// Or a reclaim would look as if it had freed nothing, and blob files would be rewritten for it.
TEST_F(ShardDeletionPaceTest, WhatOnlyWaitsToBeFreedIsNotTheShardsAnyMore) {
  ASSERT_OK(Open());
  const std::uint64_t before = store_->disk_bytes();
  WriteFile(options_.directory + "/000001.log.trash", std::string(1 << 20, 'x'));
  EXPECT_LT(store_->disk_bytes(), before + (1 << 20));
}

}  // namespace
}  // namespace cordwood::testing
