// SPDX-License-Identifier: Apache-2.0
// FORMAT is the last of a new directory's own files: what lacks it and has anything else is somebody else's. It is written once more when
// the shards and the metadata store have been made.
#include "storage/shard/data_dir.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <charconv>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <optional>
#include <utility>

#include "storage/base/strings.h"

namespace cordwood {
namespace {

constexpr std::string_view kFormatName = "FORMAT";
constexpr std::string_view kLockName = "LOCK";
constexpr std::string_view kFormatTemporaryName = "FORMAT.new";
constexpr std::size_t kFormatBytesMax = 4096;

Status SystemError(const std::string& path) { return Error(Reason::kStorageError, path + ": " + std::strerror(errno)); }

class Descriptor {
 public:
  explicit Descriptor(int fd) : fd_(fd) {}
  ~Descriptor() {
    if (fd_ >= 0) close(fd_);
  }
  Descriptor(const Descriptor&) = delete;
  Descriptor& operator=(const Descriptor&) = delete;
  int get() const { return fd_; }
  int Release() { return std::exchange(fd_, -1); }

 private:
  int fd_;
};

// nullopt: there is no such file.
StatusOr<std::optional<std::string>> ReadSmallFile(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC));
  if (file.get() < 0) {
    if (errno == ENOENT) return std::optional<std::string>();
    return SystemError(path);
  }
  std::string bytes(kFormatBytesMax, '\0');
  const ssize_t n = read(file.get(), bytes.data(), bytes.size());
  if (n < 0) return SystemError(path);
  bytes.resize(static_cast<std::size_t>(n));
  return std::optional<std::string>(std::move(bytes));
}

Status SyncDirectory(const std::string& path) {
  const Descriptor directory(open(path.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  if (directory.get() < 0 || fsync(directory.get()) != 0) return SystemError(path);
  return absl::OkStatus();
}

// The descriptor that holds the lock.
StatusOr<int> Lock(const std::string& path) {
  const std::string name = path + "/" + std::string(kLockName);
  Descriptor file(open(name.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  if (file.get() < 0) return SystemError(name);
  if (flock(file.get(), LOCK_EX | LOCK_NB) != 0) {
    if (errno != EWOULDBLOCK) return SystemError(name);
    char holder[32];
    const ssize_t n = pread(file.get(), holder, sizeof holder, 0);
    std::string pid(holder, n > 0 ? static_cast<std::size_t>(n) : 0);
    while (!pid.empty() && pid.back() == '\n') pid.pop_back();
    return Error(Reason::kDirectoryLocked, path + ": in use by process " + (pid.empty() ? "unknown" : pid));
  }
  const std::string pid = std::to_string(getpid()) + "\n";
  if (ftruncate(file.get(), 0) != 0 || pwrite(file.get(), pid.data(), pid.size(), 0) != static_cast<ssize_t>(pid.size())) {
    return SystemError(name);
  }
  return file.Release();
}

Status WriteFormat(const std::string& path, const Uuid& id, int shards, std::optional<ShardId> compact_shard) {
  const std::string temporary = path + "/" + std::string(kFormatTemporaryName);
  const std::string text = "major=" + std::to_string(kFormatMajor) + "\nminor=" + std::to_string(compact_shard.has_value() ? kFormatMinor : 0) +
                           "\ndata_dir_id=" + id.ToString() + "\nshards=" + std::to_string(shards) + "\n" +
                           (compact_shard.has_value() ? "compact_shard=" + ToString(*compact_shard) + "\n" : "");
  const Descriptor file(open(temporary.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644));
  if (file.get() < 0 || write(file.get(), text.data(), text.size()) != static_cast<ssize_t>(text.size()) || fsync(file.get()) != 0) {
    return SystemError(temporary);
  }
  const std::string name = path + "/" + std::string(kFormatName);
  if (std::rename(temporary.c_str(), name.c_str()) != 0) return SystemError(name);
  return SyncDirectory(path);
}

std::optional<int> ParseNumber(std::string_view text) {
  int number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return number;
}

// 8-4-4-4-12 hex, as Uuid::ToString() writes it.
std::optional<Uuid> ParseUuid(std::string_view text) {
  Uuid id;
  std::size_t digits = 0;
  for (const char c : text) {
    if (c == '-') continue;
    const int value = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
    if (value < 0 || digits == 32) return std::nullopt;
    id.bytes[digits / 2] = static_cast<std::uint8_t>(id.bytes[digits / 2] << 4 | value);
    ++digits;
  }
  if (digits != 32 || id.ToString() != text) return std::nullopt;
  return id;
}

struct Format {
  Uuid id;
  int shards;
  std::optional<ShardId> compact_shard;
};

// FORMAT is lines of key=value. A key of a newer minor is not refused by itself: the minor is.
StatusOr<Format> CheckFormat(const std::string& name, std::string_view text) {
  std::optional<int> major, minor, shards, compact;
  bool has_compact = false;
  std::optional<Uuid> id;
  while (!text.empty()) {
    const std::size_t end = text.find('\n');
    if (end == std::string_view::npos) return Error(Reason::kStorageError, name + ": damaged: the last line is cut");
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(end + 1);
    const std::size_t equals = std::min(line.find('='), line.size());
    const std::string_view key = line.substr(0, equals);
    const std::string_view value = line.substr(std::min(equals + 1, line.size()));
    if (key == "major") major = ParseNumber(value);
    if (key == "minor") minor = ParseNumber(value);
    if (key == "shards") shards = ParseNumber(value);
    if (key == "compact_shard") {
      has_compact = true;
      compact = ParseNumber(value);
    }
    if (key == "data_dir_id") id = ParseUuid(value);
  }
  if (!major.has_value() || !minor.has_value()) return Error(Reason::kStorageError, name + ": damaged: no format number in it");
  if (*major > kFormatMajor || (*major == kFormatMajor && *minor > kFormatMinor)) {
    return Error(Reason::kFormatTooNew, name + ": format " + std::to_string(*major) + "." + std::to_string(*minor) +
                                            " is newer than this build's " + std::to_string(kFormatMajor) + "." +
                                            std::to_string(kFormatMinor));
  }
  if (*major < kFormatMajor - 1 || *major < 1) return Error(Reason::kStorageError, name + ": format " + std::to_string(*major) + " is too old");
  if (!id.has_value()) return Error(Reason::kStorageError, name + ": damaged: no data_dir_id in it");
  if (!shards.has_value()) return Error(Reason::kStorageError, name + ": damaged: no number of shards in it");
  if (has_compact && !compact.has_value()) return Error(Reason::kStorageError, name + ": damaged: no number of the compact shard in it");
  if (*minor > 0 && !has_compact) return Error(Reason::kStorageError, name + ": damaged: the compact shard is not named in it");
  return Format{*id, *shards, has_compact ? std::optional(ShardId(static_cast<std::uint32_t>(*compact))) : std::nullopt};
}

// A directory without FORMAT may hold our LOCK, an unfinished FORMAT and what mkfs leaves there; anything else is not ours to take.
Status CheckEmpty(const std::string& path) {
  std::error_code error;
  for (std::filesystem::directory_iterator entry(path, error), end; !error && entry != end; entry.increment(error)) {
    const std::string name = entry->path().filename().string();
    if (name == kLockName || name == kFormatTemporaryName || name == "lost+found") continue;
    return Error(Reason::kStorageError, path + ": is not a data directory: it has no FORMAT, but holds " + name);
  }
  if (error) return Error(Reason::kStorageError, path + ": " + error.message());
  return absl::OkStatus();
}

std::string ShardName(ShardId shard) {
  char name[24];
  std::snprintf(name, sizeof name, "shard-%03u", shard.value());
  return name;
}

}  // namespace

StatusOr<DataDir> DataDir::Open(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return Error(Reason::kStorageError, path + ": " + error.message());
  const std::string name = path + "/" + std::string(kFormatName);
  CORDWOOD_ASSIGN_OR_RETURN(std::optional<std::string> format, ReadSmallFile(name));
  if (!format.has_value()) CORDWOOD_RETURN_IF_ERROR(CheckEmpty(path));  // before LOCK is put into somebody's directory
  CORDWOOD_ASSIGN_OR_RETURN(const int lock, Lock(path));
  Descriptor held(lock);
  CORDWOOD_ASSIGN_OR_RETURN(format, ReadSmallFile(name));
  Format found{{}, 0, std::nullopt};
  if (format.has_value()) {
    CORDWOOD_ASSIGN_OR_RETURN(found, CheckFormat(name, *format));
  } else {
    found.id = Uuid::Random();
    CORDWOOD_RETURN_IF_ERROR(WriteFormat(path, found.id, 0, std::nullopt));
  }
  return DataDir(path, held.Release(), found.id, found.shards, found.compact_shard);
}

Status DataDir::NoteParts(int shards) {
  if (shards == shards_) return absl::OkStatus();
  CORDWOOD_RETURN_IF_ERROR(WriteFormat(path_, id_, shards, compact_shard_));
  shards_ = shards;
  return absl::OkStatus();
}

Status DataDir::NoteCompactShard(ShardId shard) {
  if (shard == compact_shard_) return absl::OkStatus();
  CORDWOOD_RETURN_IF_ERROR(WriteFormat(path_, id_, shards_, shard));
  compact_shard_ = shard;
  return absl::OkStatus();
}

DataDir::DataDir(std::string path, int lock_fd, const Uuid& id, int shards, std::optional<ShardId> compact_shard)
    : path_(std::move(path)), lock_fd_(lock_fd), id_(id), shards_(shards), compact_shard_(compact_shard) {}

DataDir::DataDir(DataDir&& other) noexcept
    : path_(std::move(other.path_)), lock_fd_(std::exchange(other.lock_fd_, -1)), id_(other.id_), shards_(other.shards_), compact_shard_(other.compact_shard_) {}

DataDir::~DataDir() {
  if (lock_fd_ >= 0) close(lock_fd_);
}

std::string DataDir::ShardPath(ShardId shard) const { return path_ + "/" + ShardName(shard); }
std::string DataDir::SyncedFilePath(ShardId shard) const { return ShardPath(shard) + ".synced"; }
std::string DataDir::MetadataPath() const { return path_ + "/meta"; }

}  // namespace cordwood
