// SPDX-License-Identifier: Apache-2.0
// How many connections are open, in all and from each address, and whether one more may be.
#pragma once

#include <sys/socket.h>

#include <array>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "storage/base/clock.h"

namespace cordwood::broker {

using PeerAddress = std::array<std::uint8_t, 16>;  // IPv4 as ::ffff:a.b.c.d

PeerAddress AddressIn(const sockaddr_storage& socket);

struct OpenConnections {
  std::int64_t all = 0;
  std::map<PeerAddress, std::int64_t> by_peer;
};

// The sockets of this process with `port` at this end and a peer at the other, but for `not_these`. Looks at every descriptor up to `highest_fd`;
// what closes meanwhile is counted or not.
OpenConnections CountConnections(std::uint16_t port, int highest_fd, const std::set<int>& not_these);

inline constexpr absl::Duration kLookInterval = absl::Milliseconds(10);      // at least, and 20 times what the last look took,
inline constexpr absl::Duration kLookIntervalMax = absl::Milliseconds(100);  // but not more than this

struct ConnectionLimits {
  std::int64_t all = 10'000;     // max.connections
  std::int64_t per_peer = 0;     // max.connections.per.ip; 0: none
};

// gRPC does not tell when a connection ends. So those let in since the last look are added to what it found, which is never too few; where that reaches
// a limit it looks again, at most every kLookInterval: within that time what has just closed may still be counted.
//
// Threading: of one thread.
class ConnectionAdmission {
 public:
  using Look = std::function<OpenConnections()>;
  ConnectionAdmission(const ConnectionLimits& limits, Look look, Clock& clock) : limits_(limits), look_(std::move(look)), clock_(clock) {}

  // Empty: it is let in, and counted. Else why not, naming the setting. A look must not find this connection itself.
  std::string Admit(const PeerAddress& peer);

 private:
  std::string Refusal(const PeerAddress& peer) const;

  const ConnectionLimits limits_;
  const Look look_;
  Clock& clock_;
  OpenConnections at_most_;
  absl::Duration next_look_ = -absl::InfiniteDuration();
};

}  // namespace cordwood::broker
