// SPDX-License-Identifier: Apache-2.0
// poll(2), since select(2) knows no descriptor above 1023.
#include "broker/http/request_stream.h"

#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "storage/base/clock.h"

namespace cordwood::broker {

bool RequestStream::Poll(short events, absl::Duration until) const {
  pollfd wanted{socket_, events, 0};
  for (;;) {
    const absl::Duration left = until - Clock::System().Monotonic();
    if (left <= absl::ZeroDuration()) return false;
    const int ready = poll(&wanted, 1, static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(left, absl::Milliseconds(1)))));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

bool RequestStream::AwaitRequest() {
  const absl::Duration now = Clock::System().Monotonic();
  if (begin_ == end_ && !Poll(POLLIN, now + bounds_.idle)) return false;
  bytes_left_ = bounds_.bytes_max;
  read_by_ = Clock::System().Monotonic() + bounds_.reading;
  write_by_ = absl::InfiniteDuration();
  return true;
}

ssize_t RequestStream::read(char* to, std::size_t size) {
  if (bytes_left_ == 0) return -1;
  if (begin_ == end_) {
    if (!Poll(POLLIN, read_by_)) return -1;
    const ssize_t received = recv(socket_, received_.data(), received_.size(), MSG_DONTWAIT);
    if (received <= 0) return received;
    begin_ = 0;
    end_ = static_cast<std::size_t>(received);
  }
  const std::size_t taken = std::min({size, end_ - begin_, bytes_left_});
  std::memcpy(to, received_.data() + begin_, taken);
  begin_ += taken;
  bytes_left_ -= taken;
  return static_cast<ssize_t>(taken);
}

ssize_t RequestStream::write(const char* from, std::size_t size) {
  if (write_by_ == absl::InfiniteDuration()) write_by_ = Clock::System().Monotonic() + bounds_.answering;
  return Poll(POLLOUT, write_by_) ? send(socket_, from, size, MSG_NOSIGNAL | MSG_DONTWAIT) : -1;
}

}  // namespace cordwood::broker
