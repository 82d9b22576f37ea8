// SPDX-License-Identifier: Apache-2.0
// Reads in large pieces, cuts at \n.
#include "client/cli/line_reader.h"

#include <fcntl.h>
#include <poll.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <utility>

namespace cordwood::client {
namespace {

constexpr std::size_t kPieceBytes = 256 * 1024;
constexpr int kPollMs = 100;  // how often a wait looks for an interrupt that came between the question and the wait

}  // namespace

StatusOr<LineInput> LineInput::Open(const std::string& file) {
  LineInput input;
  if (!file.empty() && file != "-") {
    input.name_ = file;
    input.fd_ = open(file.c_str(), O_RDONLY | O_CLOEXEC);
    if (input.fd_ < 0) return absl::NotFoundError("cannot open " + file + ": " + std::strerror(errno));
  }
  struct stat about {};
  if (fstat(input.fd_, &about) != 0) return absl::NotFoundError("cannot read " + input.name_ + ": " + std::strerror(errno));
  if (S_ISDIR(about.st_mode)) return absl::NotFoundError("cannot read " + input.name_ + ": " + std::strerror(EISDIR));
  if (S_ISREG(about.st_mode)) input.bytes_ = static_cast<std::uint64_t>(about.st_size);
  return input;
}

LineReader::LineReader(int fd, std::size_t line_bytes_max, std::function<bool()> interrupted)
    : fd_(fd), line_bytes_max_(line_bytes_max), interrupted_(std::move(interrupted)) {}

bool LineReader::ready() const { return buffer_.find('\n', std::max(begin_, scanned_)) != std::string::npos; }

StatusOr<bool> LineReader::Fill() {
  if (begin_ > 0) {
    buffer_.erase(0, begin_);
    scanned_ -= std::min(scanned_, begin_);
    begin_ = 0;
  }
  if (buffer_.size() > line_bytes_max_) {
    dropped_ += buffer_.size() - line_bytes_max_;
    buffer_.resize(line_bytes_max_);
    scanned_ = std::min(scanned_, buffer_.size());
  }
  while (true) {
    if (interrupted_()) return false;
    pollfd waiting{fd_, POLLIN, 0};
    if (poll(&waiting, 1, kPollMs) <= 0) continue;  // nothing yet, or a signal
    const std::size_t size = buffer_.size();
    buffer_.resize(size + kPieceBytes);
    const ssize_t got = read(fd_, buffer_.data() + size, kPieceBytes);
    const int error = errno;
    buffer_.resize(size + static_cast<std::size_t>(std::max<ssize_t>(got, 0)));
    if (got > 0) {
      bytes_read_ += static_cast<std::uint64_t>(got);
      return true;
    }
    if (got == 0) return false;
    if (error != EINTR && error != EAGAIN) return absl::UnknownError(std::strerror(error));
  }
}

StatusOr<std::optional<LineReader::Line>> LineReader::Next() {
  while (true) {
    const std::size_t newline = buffer_.find('\n', std::max(begin_, scanned_));
    const bool found = newline != std::string::npos;
    if (!found && !end_) {
      scanned_ = buffer_.size();
      CORDWOOD_ASSIGN_OR_RETURN(const bool more, Fill());
      end_ = !more;
      continue;
    }
    const std::size_t line_end = found ? newline : buffer_.size();
    if (!found && line_end == begin_ && dropped_ == 0) return std::optional<Line>();
    Line line;
    line.text = std::string_view(buffer_).substr(begin_, line_end - begin_);
    line.number = ++number_;
    line.bytes = line.text.size() + std::exchange(dropped_, 0);
    begin_ = scanned_ = found ? newline + 1 : line_end;
    if (line.text.size() > line_bytes_max_) line.text = line.text.substr(0, line_bytes_max_);
    return std::optional<Line>(line);
  }
}

}  // namespace cordwood::client
