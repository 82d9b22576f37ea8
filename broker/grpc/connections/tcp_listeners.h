// SPDX-License-Identifier: Apache-2.0
// The sockets that a host and a port mean: one as a rule, two for a name with an IPv4 and an IPv6 address.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "storage/base/reason.h"

namespace cordwood::broker {

// A connection ends (ETIMEDOUT) when its peer has acknowledged nothing, or left no room in its socket, for so long while there was something to send. HTTP/2's
// pings do not see that: they wait behind what is stuck. As long as gRPC gives the sockets it opens itself.
inline constexpr int kTcpUserTimeoutMs = 20'000;

// The port at this end of a TCP socket; 0 of anything else.
std::uint16_t LocalPort(int fd);

// Closed with it. Threading: of its owner.
class TcpListeners {
 public:
  // `host` is a name or an address, an IPv6 one without brackets; a wildcard of either family takes both; port 0 a free one. Nobody else may
  // listen there. INVALID_CONFIG if no socket can.
  static StatusOr<TcpListeners> Open(const std::string& host, std::uint16_t port);
  TcpListeners(TcpListeners&& other) noexcept;
  TcpListeners& operator=(TcpListeners&&) = delete;
  ~TcpListeners();

  const std::vector<int>& fds() const { return fds_; }  // never empty; non-blocking
  std::uint16_t port() const { return port_; }

 private:
  TcpListeners() = default;
  Status Add(const std::string& host, std::uint16_t port);

  std::vector<int> fds_;
  std::uint16_t port_ = 0;
};

}  // namespace cordwood::broker
