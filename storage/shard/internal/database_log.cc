// SPDX-License-Identifier: Apache-2.0
// One write() a line, its outcome ignored.
#include "storage/shard/internal/database_log.h"

#include <fcntl.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace cordwood {
namespace {

constexpr std::size_t kFileBytesMax = 1024 * 1024;
constexpr std::size_t kLineBytesMax = 2048;  // longer lines are cut

}  // namespace

DatabaseLog::~DatabaseLog() {
  MutexLock lock(mu_);
  if (file_ >= 0) close(file_);
}

// A new file, for a new run or because the old one is full.
void DatabaseLog::Begin() {
  if (file_ >= 0) close(file_);
  std::rename(path_.c_str(), (path_ + ".old").c_str());
  file_ = open(path_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644);
  bytes_ = 0;
}

void DatabaseLog::Logv(const char* format, std::va_list arguments) {
  char text[kLineBytesMax];
  const int length = std::vsnprintf(text, sizeof text, format, arguments);
  if (length <= 0) return;
  std::string line = absl::StrCat(absl::FormatTime("%Y-%m-%dT%H:%M:%E3SZ ", absl::Now(), absl::UTCTimeZone()),
                                  absl::string_view(text, std::min(sizeof text - 1, static_cast<std::size_t>(length))));
  if (line.back() != '\n') line.push_back('\n');
  MutexLock lock(mu_);
  if (file_ < 0 || bytes_ >= kFileBytesMax) Begin();
  const ssize_t written = file_ < 0 ? 0 : write(file_, line.data(), line.size());
  bytes_ += static_cast<std::size_t>(std::max<ssize_t>(written, 0));
}

}  // namespace cordwood
