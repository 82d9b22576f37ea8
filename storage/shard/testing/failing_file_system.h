// SPDX-License-Identifier: Apache-2.0
// The system's files with one fault: calls of one kind on files of one kind fail. For the tests of this room.
#pragma once

#include <atomic>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>

#include "rocksdb/env.h"
#include "rocksdb/file_system.h"

namespace cordwood::testing {

enum class FailingCall { kNone, kAppend, kSync, kRandomWrite };

// Thread-safe once made; Fail() may be called while the database runs.
class FailingFileSystem final : public rocksdb::FileSystemWrapper {
 public:
  FailingFileSystem() : FileSystemWrapper(rocksdb::FileSystem::Default()) {}
  const char* Name() const override { return "FailingFileSystem"; }

  // From now on `call` fails on each file whose name contains `name_part`, which must be a literal.
  void Fail(FailingCall call, const char* name_part, bool no_space = false) {
    name_part_.store(name_part);
    no_space_.store(no_space);
    call_.store(call);
  }
  // From now on this much is said to be free.
  void SetFreeSpace(std::uint64_t bytes) { free_space_.store(bytes); }
  rocksdb::IOStatus GetFreeSpace(const std::string&, const rocksdb::IOOptions&, std::uint64_t* bytes, rocksdb::IODebugContext*) override {
    *bytes = free_space_.load();
    return rocksdb::IOStatus::OK();
  }
  int failures() const { return failures_.load(); }

  rocksdb::IOStatus Judge(FailingCall call, const std::string& name) {
    if (call_.load() != call || name.find(name_part_.load()) == std::string::npos) return rocksdb::IOStatus::OK();
    ++failures_;
    return no_space_.load() ? rocksdb::IOStatus::NoSpace("injected") : rocksdb::IOStatus::IOError("injected");
  }

  rocksdb::IOStatus NewWritableFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSWritableFile>* file, rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = target()->NewWritableFile(name, options, file, debug);
    if (status.ok()) *file = std::make_unique<File>(std::move(*file), *this, name);
    return status;
  }
  rocksdb::IOStatus NewRandomRWFile(const std::string& name, const rocksdb::FileOptions& options,
                                    std::unique_ptr<rocksdb::FSRandomRWFile>* file, rocksdb::IODebugContext* debug) override {
    rocksdb::IOStatus status = target()->NewRandomRWFile(name, options, file, debug);
    if (status.ok()) *file = std::make_unique<RandomFile>(std::move(*file), *this, name);
    return status;
  }

 private:
  class File final : public rocksdb::FSWritableFileOwnerWrapper {
   public:
    File(std::unique_ptr<rocksdb::FSWritableFile> file, FailingFileSystem& system, std::string name)
        : FSWritableFileOwnerWrapper(std::move(file)), system_(system), name_(std::move(name)) {}
    using FSWritableFileOwnerWrapper::Append;
    rocksdb::IOStatus Append(const rocksdb::Slice& bytes, const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
      const rocksdb::IOStatus status = system_.Judge(FailingCall::kAppend, name_);
      return status.ok() ? FSWritableFileOwnerWrapper::Append(bytes, options, debug) : status;
    }
    rocksdb::IOStatus Append(const rocksdb::Slice& bytes, const rocksdb::IOOptions& options, const rocksdb::DataVerificationInfo& info,
                             rocksdb::IODebugContext* debug) override {
      const rocksdb::IOStatus status = system_.Judge(FailingCall::kAppend, name_);
      return status.ok() ? FSWritableFileOwnerWrapper::Append(bytes, options, info, debug) : status;
    }
    rocksdb::IOStatus Sync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
      const rocksdb::IOStatus status = system_.Judge(FailingCall::kSync, name_);
      return status.ok() ? FSWritableFileOwnerWrapper::Sync(options, debug) : status;
    }
    rocksdb::IOStatus Fsync(const rocksdb::IOOptions& options, rocksdb::IODebugContext* debug) override {
      const rocksdb::IOStatus status = system_.Judge(FailingCall::kSync, name_);
      return status.ok() ? FSWritableFileOwnerWrapper::Fsync(options, debug) : status;
    }

   private:
    FailingFileSystem& system_;
    const std::string name_;
  };
  class RandomFile final : public rocksdb::FSRandomRWFileOwnerWrapper {
   public:
    RandomFile(std::unique_ptr<rocksdb::FSRandomRWFile> file, FailingFileSystem& system, std::string name)
        : FSRandomRWFileOwnerWrapper(std::move(file)), system_(system), name_(std::move(name)) {}
    rocksdb::IOStatus Write(uint64_t offset, const rocksdb::Slice& bytes, const rocksdb::IOOptions& options,
                            rocksdb::IODebugContext* debug) override {
      const rocksdb::IOStatus status = system_.Judge(FailingCall::kRandomWrite, name_);
      return status.ok() ? FSRandomRWFileOwnerWrapper::Write(offset, bytes, options, debug) : status;
    }

   private:
    FailingFileSystem& system_;
    const std::string name_;
  };

  std::atomic<FailingCall> call_{FailingCall::kNone};
  std::atomic<const char*> name_part_{""};
  std::atomic<bool> no_space_{false};
  std::atomic<int> failures_{0};
  std::atomic<std::uint64_t> free_space_{~0ULL};
};

}  // namespace cordwood::testing
