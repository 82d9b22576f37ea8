// SPDX-License-Identifier: Apache-2.0
// RocksDB's own log, written so that a full disk cannot hurt.
#pragma once

#include <cstdarg>
#include <cstddef>
#include <string>

#include "rocksdb/env.h"
#include "storage/base/mutex.h"

namespace cordwood {

// The file LOG in a shard's directory, and LOG.old before it; each at most 1 MiB and a line. What cannot be written is dropped: RocksDB 7.8's own
// logger asserts at the second line that meets a full disk, and the asserts of Debian's build are live.
// Threading: any thread.
class DatabaseLog final : public rocksdb::Logger {
 public:
  explicit DatabaseLog(const std::string& directory) : path_(directory + "/LOG") {}
  ~DatabaseLog() override;

  using rocksdb::Logger::Logv;
  void Logv(const char* format, std::va_list arguments) override;

 private:
  void Begin() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  const std::string path_;
  Mutex mu_;
  int file_ ABSL_GUARDED_BY(mu_) = -1;
  std::size_t bytes_ ABSL_GUARDED_BY(mu_) = 0;
};

}  // namespace cordwood
