// SPDX-License-Identifier: Apache-2.0
// poll(2): a handful of descriptors, and none of those that were handed on.
#include "broker/grpc/connections/connection_acceptor.h"

#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <utility>

#include "storage/base/check.h"
#include "storage/base/thread_name.h"

namespace cordwood::broker {
namespace {

constexpr int kAcceptsPerTurn = 64;  // so that the refused are heard too
constexpr absl::Duration kPause = absl::Milliseconds(100);

int PollTimeout(absl::Duration until, absl::Duration now) {
  if (until == absl::InfiniteDuration()) return -1;
  return static_cast<int>(absl::ToInt64Milliseconds(std::max(until - now, absl::ZeroDuration()))) + 1;
}

}  // namespace

ConnectionAcceptor::ConnectionAcceptor(TcpListeners listeners, const ConnectionLimits& limits, LetIn let_in, Clock& clock)
    : limits_(limits),
      let_in_(std::move(let_in)),
      clock_(clock),
      port_(listeners.port()),
      wake_(eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)),
      admission_(limits, [this] { return Look(); }, clock) {
  CORDWOOD_CHECK(wake_ >= 0);
  listeners_.push_back(std::move(listeners));
}

ConnectionAcceptor::~ConnectionAcceptor() {
  Stop();
  close(wake_);
}

void ConnectionAcceptor::Start() {
  thread_ = std::thread([this] { Loop(); });
}

void ConnectionAcceptor::Stop() {
  stopping_ = true;
  eventfd_write(wake_, 1);
  if (thread_.joinable()) thread_.join();
  listeners_.clear();
}

OpenConnections ConnectionAcceptor::open() const {
  OpenConnections open = CountConnections(port_, highest_fd_.load(std::memory_order_relaxed), {});
  open.all = std::max<std::int64_t>(0, open.all - refused_held_.load(std::memory_order_relaxed));
  return open;
}

void ConnectionAcceptor::Loop() {
  SetThreadName("accept");
  while (!stopping_) {
    const absl::Duration now = clock_.Monotonic();
    const bool paused = now < paused_until_;
    std::vector<pollfd> polls{{wake_, POLLIN, 0}};
    for (const int fd : listeners_.front().fds()) {
      if (!paused) polls.push_back({fd, POLLIN, 0});
    }
    refused_.AddTo(&polls);
    const absl::Duration until = std::min(refused_.next_deadline(), paused ? paused_until_ : absl::InfiniteDuration());
    if (poll(polls.data(), polls.size(), PollTimeout(until, now)) < 0 && errno != EINTR) paused_until_ = now + kPause;
    refused_.Serve(polls, clock_.Monotonic());
    for (const pollfd& ready : polls) {
      const auto& fds = listeners_.front().fds();
      if (ready.revents != 0 && std::find(fds.begin(), fds.end(), ready.fd) != fds.end()) Accept(ready.fd);
    }
    refused_held_.store(static_cast<std::int64_t>(refused_.fds().size()), std::memory_order_relaxed);
  }
}

void ConnectionAcceptor::Accept(int listener) {
  for (int i = 0; i < kAcceptsPerTurn; ++i) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    const int fd = accept4(listener, reinterpret_cast<sockaddr*>(&peer), &size, SOCK_NONBLOCK | SOCK_CLOEXEC);
    if (fd >= 0) {
      Take(listener, fd, peer);
      continue;
    }
    // The process has no descriptor or the system no memory left: the connection waits where it is.
    if (errno == EMFILE || errno == ENFILE || errno == ENOBUFS || errno == ENOMEM) paused_until_ = clock_.Monotonic() + kPause;
    if (errno != ECONNABORTED && errno != EINTR) return;
  }
}

void ConnectionAcceptor::Take(int listener, int fd, const sockaddr_storage& peer) {
  highest_fd_.store(std::max(fd, highest_fd_.load(std::memory_order_relaxed)), std::memory_order_relaxed);
  newest_ = fd;
  std::string why = admission_.Admit(AddressIn(peer));
  if (why.empty()) return let_in_(listener, fd);
  refusals_.Count(Reason::kThrottled);
  refused_.Add(fd, std::move(why), clock_.Monotonic());
}

OpenConnections ConnectionAcceptor::Look() const {
  std::set<int> not_these = refused_.fds();
  not_these.insert(newest_);
  return CountConnections(port_, highest_fd_.load(std::memory_order_relaxed), not_these);
}

}  // namespace cordwood::broker
