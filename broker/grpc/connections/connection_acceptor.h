// SPDX-License-Identifier: Apache-2.0
// The loop that accepts: a connection within the limits is handed on, the others learn why they are not. gRPC's own has no limit.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "broker/grpc/connections/connection_admission.h"
#include "broker/grpc/connections/refused_connections.h"
#include "broker/grpc/connections/tcp_listeners.h"
#include "storage/base/clock.h"
#include "storage/base/measures.h"

namespace cordwood::broker {

// Threading: Start() and Stop() from the owner, once each; the rest from any thread.
class ConnectionAcceptor {
 public:
  // `let_in` owns the connected, non-blocking socket; called on the accepting thread.
  using LetIn = std::function<void(int listener, int fd)>;
  ConnectionAcceptor(TcpListeners listeners, const ConnectionLimits& limits, LetIn let_in, Clock& clock);
  ~ConnectionAcceptor();  // stops

  void Start();
  // Nobody listens any more, and nothing is handed on.
  void Stop();

  std::uint16_t port() const { return port_; }
  const ConnectionLimits& limits() const { return limits_; }
  OpenConnections open() const;  // a look at each descriptor of the process; those being refused may be among an address's own
  const ReasonCounts& refused() const { return refusals_; }

 private:
  void Loop();
  void Accept(int listener);
  void Take(int listener, int fd, const sockaddr_storage& peer);
  OpenConnections Look() const;

  const ConnectionLimits limits_;
  const LetIn let_in_;
  Clock& clock_;
  const std::uint16_t port_;
  const int wake_;  // an eventfd

  std::vector<TcpListeners> listeners_;  // one until Stop(). These: of the thread
  RefusedConnections refused_;
  int newest_ = -1;                      // accepted and not yet decided on
  ConnectionAdmission admission_;
  absl::Duration paused_until_ = -absl::InfiniteDuration();

  ReasonCounts refusals_;
  std::atomic<int> highest_fd_{-1};          // relaxed, a bound: of what was accepted
  std::atomic<std::int64_t> refused_held_{0};  // relaxed, a count
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

}  // namespace cordwood::broker
