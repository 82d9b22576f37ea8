// SPDX-License-Identifier: Apache-2.0
// What is sent fits into a fresh socket's buffer; a client for which it does not is closed without it.
#include "broker/grpc/connections/refused_connections.h"

#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <array>
#include <cerrno>
#include <utility>

namespace cordwood::broker {
namespace {

bool Send(int fd, const std::string& bytes) { return send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT) == static_cast<ssize_t>(bytes.size()); }

}  // namespace

RefusedConnections::~RefusedConnections() {
  while (!held_.empty()) Close(held_.begin());
}

void RefusedConnections::Add(int fd, std::string why, absl::Duration now) {
  if (held_.size() >= kRefusedHeldMax) Close(held_.begin());
  held_.push_back(Refused{fd, std::move(why), now + kRefusedHeldFor, {}, 0, false});
  fds_.insert(fd);
  Send(fd, RefusalOpening());
}

void RefusedConnections::AddTo(std::vector<pollfd>* polls) const {
  for (const Refused& refused : held_) polls->push_back({refused.fd, POLLIN, 0});
}

absl::Duration RefusedConnections::next_deadline() const {
  absl::Duration next = absl::InfiniteDuration();
  for (const Refused& refused : held_) next = std::min(next, refused.deadline);
  return next;
}

void RefusedConnections::Serve(const std::vector<pollfd>& polls, absl::Duration now) {
  std::set<int> ready;
  for (const pollfd& poll : polls) {
    if (poll.revents != 0 && fds_.contains(poll.fd)) ready.insert(poll.fd);
  }
  for (auto refused = held_.begin(); refused != held_.end();) {
    bool goes_on = !ready.contains(refused->fd) || Read(*refused, now);
    if (goes_on && now >= refused->deadline) {
      goes_on = !refused->end_said;
      SayEnd(*refused, 0);
      refused->deadline = now + kRefusedHeldFor;
    }
    refused = goes_on ? std::next(refused) : Close(refused);
  }
}

// False if nothing more is to be said or heard.
bool RefusedConnections::Read(Refused& refused, absl::Duration now) {
  std::array<char, 4096> buffer;
  const ssize_t n = recv(refused.fd, buffer.data(), buffer.size(), MSG_DONTWAIT);
  if (n < 0) return errno == EAGAIN || errno == EINTR;
  refused.bytes_read += static_cast<std::size_t>(n);
  if (n == 0 || refused.bytes_read > kRefusedBytesMax) return false;
  if (refused.end_said) return true;
  const CallFrames::Seen seen = refused.frames.Feed({buffer.data(), static_cast<std::size_t>(n)});
  if (seen.settings && !Send(refused.fd, SettingsTaken())) return false;
  std::uint32_t last = 0;
  for (const std::uint32_t stream : seen.calls) {
    if (!Send(refused.fd, RefusedCall(stream, refused.why))) return false;
    last = std::max(last, stream);
  }
  if (last == 0) return true;
  SayEnd(refused, last);
  refused.deadline = now + kRefusedHeldFor;
  return true;
}

void RefusedConnections::SayEnd(Refused& refused, std::uint32_t last_stream) {
  if (std::exchange(refused.end_said, true)) return;
  Send(refused.fd, RefusalEnd(last_stream, refused.why));
  shutdown(refused.fd, SHUT_WR);
}

RefusedConnections::Position RefusedConnections::Close(Position refused) {
  SayEnd(*refused, 0);
  close(refused->fd);
  fds_.erase(refused->fd);
  return held_.erase(refused);
}

}  // namespace cordwood::broker
