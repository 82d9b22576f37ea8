// SPDX-License-Identifier: Apache-2.0
// RocksDB's file classes over the simulated disk.
#include "tests/fault/power_loss_fs.h"

#include <string>
#include <utility>
#include <vector>

namespace cordwood::testing {
namespace {

using rocksdb::FileOptions;
using rocksdb::IODebugContext;
using rocksdb::IOOptions;
using rocksdb::IOStatus;
using rocksdb::Slice;

IOStatus ToStatus(DiskResult result, const std::string& path) {
  switch (result) {
    case DiskResult::kOk: return IOStatus::OK();
    case DiskResult::kNotFound: return IOStatus::PathNotFound(path, "no such file or directory");
    case DiskResult::kIoError: return IOStatus::IOError(path, "injected input/output error");
    case DiskResult::kNoSpace: return IOStatus::NoSpace(path, "injected: no space left on device");
  }
  return IOStatus::IOError(path);
}

std::string_view View(const Slice& slice) { return {slice.data(), slice.size()}; }

struct OpenFile {
  SimulatedDisk& disk;
  SimulatedDisk::File file;
  std::string path;

  IOStatus Read(std::uint64_t offset, std::size_t n, Slice* result, char* scratch) const {
    std::size_t got = 0;
    const DiskResult outcome = disk.Read(*file, offset, n, scratch, &got);
    *result = Slice(scratch, got);
    return ToStatus(outcome, path);
  }
};

class SequentialFile final : public rocksdb::FSSequentialFile {
 public:
  explicit SequentialFile(OpenFile open) : open_(std::move(open)) {}
  IOStatus Read(std::size_t n, const IOOptions&, Slice* result, char* scratch, IODebugContext*) override {
    const IOStatus status = open_.Read(at_, n, result, scratch);
    at_ += result->size();
    return status;
  }
  IOStatus Skip(std::uint64_t n) override {
    at_ += n;
    return IOStatus::OK();
  }

 private:
  OpenFile open_;
  std::uint64_t at_ = 0;
};

class RandomAccessFile final : public rocksdb::FSRandomAccessFile {
 public:
  explicit RandomAccessFile(OpenFile open) : open_(std::move(open)) {}
  IOStatus Read(std::uint64_t offset, std::size_t n, const IOOptions&, Slice* result, char* scratch, IODebugContext*) const override {
    return open_.Read(offset, n, result, scratch);
  }
  IOStatus Prefetch(std::uint64_t, std::size_t, const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  OpenFile open_;
};

class WritableFile final : public rocksdb::FSWritableFile {
 public:
  explicit WritableFile(OpenFile open) : open_(std::move(open)) {}
  using rocksdb::FSWritableFile::Append;
  IOStatus Append(const Slice& bytes, const IOOptions&, IODebugContext*) override {
    return ToStatus(open_.disk.Append(*open_.file, View(bytes)), open_.path);
  }
  IOStatus Truncate(std::uint64_t size, const IOOptions&, IODebugContext*) override {
    if (open_.disk.Size(*open_.file) == size) return IOStatus::OK();
    return ToStatus(open_.disk.Truncate(*open_.file, size), open_.path);
  }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return ToStatus(open_.disk.Sync(*open_.file), open_.path); }
  bool IsSyncThreadSafe() const override { return true; }
  std::uint64_t GetFileSize(const IOOptions&, IODebugContext*) override { return open_.disk.Size(*open_.file); }

 private:
  OpenFile open_;
};

class RandomRWFile final : public rocksdb::FSRandomRWFile {
 public:
  explicit RandomRWFile(OpenFile open) : open_(std::move(open)) {}
  IOStatus Write(std::uint64_t offset, const Slice& bytes, const IOOptions&, IODebugContext*) override {
    return ToStatus(open_.disk.WriteAt(*open_.file, offset, View(bytes)), open_.path);
  }
  IOStatus Read(std::uint64_t offset, std::size_t n, const IOOptions&, Slice* result, char* scratch, IODebugContext*) const override {
    return open_.Read(offset, n, result, scratch);
  }
  IOStatus Flush(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }
  IOStatus Sync(const IOOptions&, IODebugContext*) override { return ToStatus(open_.disk.Sync(*open_.file), open_.path); }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  OpenFile open_;
};

class Directory final : public rocksdb::FSDirectory {
 public:
  Directory(SimulatedDisk& disk, std::string path) : disk_(disk), path_(std::move(path)) {}
  IOStatus Fsync(const IOOptions&, IODebugContext*) override { return ToStatus(disk_.SyncDirectory(path_), path_); }
  IOStatus Close(const IOOptions&, IODebugContext*) override { return IOStatus::OK(); }

 private:
  SimulatedDisk& disk_;
  std::string path_;
};

class SilentLogger final : public rocksdb::Logger {
 public:
  SilentLogger() : Logger(rocksdb::InfoLogLevel::NUM_INFO_LOG_LEVELS) {}
  using rocksdb::Logger::Logv;
  void Logv(const char*, va_list) override {}
  std::size_t GetLogFileSize() const override { return 0; }
};

struct HeldLock final : rocksdb::FileLock {
  explicit HeldLock(std::string locked) : path(std::move(locked)) {}
  std::string path;
};

class PowerLossFileSystem final : public rocksdb::FileSystem {
 public:
  explicit PowerLossFileSystem(SimulatedDisk& disk) : disk_(disk) {}
  const char* Name() const override { return "PowerLossFileSystem"; }

  IOStatus NewSequentialFile(const std::string& name, const FileOptions&, std::unique_ptr<rocksdb::FSSequentialFile>* result,
                             IODebugContext*) override {
    return Open<SequentialFile>(name, result);
  }
  IOStatus NewRandomAccessFile(const std::string& name, const FileOptions&, std::unique_ptr<rocksdb::FSRandomAccessFile>* result,
                               IODebugContext*) override {
    return Open<RandomAccessFile>(name, result);
  }
  IOStatus NewRandomRWFile(const std::string& name, const FileOptions&, std::unique_ptr<rocksdb::FSRandomRWFile>* result,
                           IODebugContext*) override {
    return Open<RandomRWFile>(name, result);
  }
  IOStatus NewWritableFile(const std::string& name, const FileOptions&, std::unique_ptr<rocksdb::FSWritableFile>* result,
                           IODebugContext*) override {
    const std::string path = NormalPath(name);
    SimulatedDisk::File file;
    const DiskResult outcome = disk_.Create(path, &file);
    if (outcome == DiskResult::kOk) *result = std::make_unique<WritableFile>(OpenFile{disk_, file, path});
    return ToStatus(outcome, path);
  }
  IOStatus ReopenWritableFile(const std::string& name, const FileOptions& options, std::unique_ptr<rocksdb::FSWritableFile>* result,
                              IODebugContext* context) override {
    if (disk_.Find(NormalPath(name)) == nullptr) return NewWritableFile(name, options, result, context);
    return Open<WritableFile>(name, result);
  }
  IOStatus NewDirectory(const std::string& name, const IOOptions&, std::unique_ptr<rocksdb::FSDirectory>* result,
                        IODebugContext*) override {
    const std::string path = NormalPath(name);
    if (disk_.Find(path) == nullptr) return ToStatus(DiskResult::kNotFound, path);
    *result = std::make_unique<Directory>(disk_, path);
    return IOStatus::OK();
  }
  IOStatus FileExists(const std::string& name, const IOOptions&, IODebugContext*) override {
    return disk_.Find(NormalPath(name)) != nullptr ? IOStatus::OK() : IOStatus::NotFound(name);
  }
  IOStatus GetChildren(const std::string& name, const IOOptions&, std::vector<std::string>* result, IODebugContext*) override {
    const std::string path = NormalPath(name);
    if (disk_.Find(path) == nullptr) return IOStatus::NotFound(path);
    *result = disk_.List(path);
    return IOStatus::OK();
  }
  IOStatus DeleteFile(const std::string& name, const IOOptions&, IODebugContext*) override {
    return ToStatus(disk_.Delete(CutToPieces(NormalPath(name))), name);
  }
  IOStatus Truncate(const std::string& name, std::size_t size, const IOOptions&, IODebugContext*) override {
    const SimulatedDisk::File file = disk_.Find(NormalPath(name));
    return ToStatus(file == nullptr ? DiskResult::kNotFound : disk_.Truncate(*file, size), name);
  }
  IOStatus CreateDir(const std::string& name, const IOOptions&, IODebugContext*) override {
    return ToStatus(disk_.CreateDirectory(NormalPath(name)), name);
  }
  IOStatus CreateDirIfMissing(const std::string& name, const IOOptions&, IODebugContext*) override {
    const std::string path = NormalPath(name);
    return disk_.Find(path) != nullptr ? IOStatus::OK() : ToStatus(disk_.CreateDirectory(path), path);
  }
  IOStatus DeleteDir(const std::string& name, const IOOptions&, IODebugContext*) override {
    return ToStatus(disk_.Delete(NormalPath(name)), name);
  }
  IOStatus GetFileSize(const std::string& name, const IOOptions&, std::uint64_t* size, IODebugContext*) override {
    const SimulatedDisk::File file = disk_.Find(NormalPath(name));
    if (file == nullptr) return ToStatus(DiskResult::kNotFound, name);
    *size = disk_.Size(*file);
    return IOStatus::OK();
  }
  IOStatus GetFileModificationTime(const std::string& name, const IOOptions&, std::uint64_t* seconds, IODebugContext*) override {
    *seconds = 0;
    return ToStatus(disk_.Find(NormalPath(name)) == nullptr ? DiskResult::kNotFound : DiskResult::kOk, name);
  }
  IOStatus RenameFile(const std::string& from, const std::string& to, const IOOptions&, IODebugContext*) override {
    return ToStatus(disk_.Rename(NormalPath(from), NormalPath(to)), from);
  }
  IOStatus LockFile(const std::string& name, const IOOptions&, rocksdb::FileLock** lock, IODebugContext*) override {
    const std::string path = NormalPath(name);
    if (!disk_.Lock(path)) return IOStatus::IOError("lock is held: " + path);
    *lock = new HeldLock(path);
    return IOStatus::OK();
  }
  IOStatus UnlockFile(rocksdb::FileLock* lock, const IOOptions&, IODebugContext*) override {
    const std::unique_ptr<HeldLock> held(static_cast<HeldLock*>(lock));
    disk_.Unlock(held->path);
    return IOStatus::OK();
  }
  IOStatus GetTestDirectory(const IOOptions&, std::string* path, IODebugContext*) override {
    path->assign(1, '/');
    return IOStatus::OK();
  }
  IOStatus NewLogger(const std::string&, const IOOptions&, std::shared_ptr<rocksdb::Logger>* result, IODebugContext*) override {
    *result = std::make_shared<SilentLogger>();
    return IOStatus::OK();
  }
  IOStatus GetAbsolutePath(const std::string& name, const IOOptions&, std::string* path, IODebugContext*) override {
    *path = NormalPath(name);
    return IOStatus::OK();
  }
  IOStatus IsDirectory(const std::string& name, const IOOptions&, bool* is_directory, IODebugContext*) override {
    const SimulatedDisk::File file = disk_.Find(NormalPath(name));
    if (file == nullptr) return ToStatus(DiskResult::kNotFound, name);
    *is_directory = file->directory;
    return IOStatus::OK();
  }
  IOStatus GetFreeSpace(const std::string&, const IOOptions&, std::uint64_t* bytes, IODebugContext*) override {
    *bytes = std::uint64_t{1} << 40;
    return IOStatus::OK();
  }

 private:
  template <class T, class Handle>
  IOStatus Open(const std::string& name, std::unique_ptr<Handle>* result) {
    const std::string path = NormalPath(name);
    SimulatedDisk::File file = disk_.Find(path);
    if (file == nullptr) return ToStatus(DiskResult::kNotFound, path);
    *result = std::make_unique<T>(OpenFile{disk_, std::move(file), path});
    return IOStatus::OK();
  }

  // What RocksDB does to a big file while the shard paces its deletions, all in one go: a name that recovery does not see, then piece by piece from the
  // end. The name under which the rest stands.
  std::string CutToPieces(const std::string& path) {
    const SimulatedDisk::File file = disk_.Find(path);
    const bool paced = path.ends_with(".log") || path.ends_with(".sst") || path.ends_with(".blob");
    const std::string trash = path + ".trash";
    if (!paced || file == nullptr || disk_.Rename(path, trash) != DiskResult::kOk) return path;
    constexpr std::size_t kPieces = 3;
    const std::size_t piece = disk_.Size(*file) / kPieces;
    for (std::size_t left = kPieces - 1; left > 0; --left) {
      if (disk_.Truncate(*file, left * piece) != DiskResult::kOk || disk_.Sync(*file) != DiskResult::kOk) break;
    }
    return trash;
  }

  SimulatedDisk& disk_;
};

}  // namespace

std::shared_ptr<rocksdb::FileSystem> MakePowerLossFileSystem(SimulatedDisk& disk) { return std::make_shared<PowerLossFileSystem>(disk); }

}  // namespace cordwood::testing
