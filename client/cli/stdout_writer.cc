// SPDX-License-Identifier: Apache-2.0
// Writes until all is written, the reader is gone, or an error says that no more will be.
#include "client/cli/stdout_writer.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>

#include "client/cli/failure.h"
#include "client/cli/interrupt.h"

namespace cordwood::client {
namespace {

constexpr int kLastPatienceMs = 1000;

}  // namespace

void StdoutWriter::Flush() {
  std::string_view rest = buffer_;
  pollfd reader{fd_, 0, 0};
  if (rest.empty() && poll(&reader, 1, 0) > 0 && (reader.revents & POLLERR) != 0) closed_ = true;  // of a pipe; seen although there is nothing to write
  while (!rest.empty() && !closed_ && error_ == 0) {
    // After a signal, a reader that takes nothing is not waited for.
    if (Interrupted()) {
      pollfd room{fd_, POLLOUT, 0};
      if (poll(&room, 1, kLastPatienceMs) == 0) {
        closed_ = true;
        break;
      }
    }
    const ssize_t written = write(fd_, rest.data(), Interrupted() ? std::min<std::size_t>(rest.size(), PIPE_BUF) : rest.size());
    if (written >= 0) {
      rest.remove_prefix(static_cast<std::size_t>(written));
    } else if (errno == EPIPE) {
      closed_ = true;
    } else if (errno == EAGAIN) {
      pollfd waiting{fd_, POLLOUT, 0};
      poll(&waiting, 1, 1000);
    } else if (errno != EINTR) {
      error_ = errno;
    }
  }
  buffer_.clear();
}

Status StdoutWriter::status() const {
  return error_ == 0 ? absl::OkStatus() : LocalError("cannot write to stdout", error_);
}

}  // namespace cordwood::client
