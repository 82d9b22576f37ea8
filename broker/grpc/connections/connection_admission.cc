// SPDX-License-Identifier: Apache-2.0
// The process's own descriptors are the one count that is always true: /proc lists the whole network namespace, and connections not yet accepted.
#include "broker/grpc/connections/connection_admission.h"

#include <arpa/inet.h>
#include <netinet/in.h>

#include <algorithm>
#include <cstring>

#include "broker/grpc/connections/tcp_listeners.h"

namespace cordwood::broker {
namespace {

constexpr int kLookShare = 20;  // one part of so many of the thread's time

std::string Text(const PeerAddress& address) {
  char text[INET6_ADDRSTRLEN] = "";
  const bool v4 = IN6_IS_ADDR_V4MAPPED(reinterpret_cast<const in6_addr*>(address.data()));
  inet_ntop(v4 ? AF_INET : AF_INET6, address.data() + (v4 ? 12 : 0), text, sizeof text);
  return text;
}

}  // namespace

PeerAddress AddressIn(const sockaddr_storage& socket) {
  PeerAddress address{};
  if (socket.ss_family == AF_INET6) {
    std::memcpy(address.data(), &reinterpret_cast<const sockaddr_in6*>(&socket)->sin6_addr, sizeof address);
  } else if (socket.ss_family == AF_INET) {
    address[10] = address[11] = 0xff;
    std::memcpy(address.data() + 12, &reinterpret_cast<const sockaddr_in*>(&socket)->sin_addr, 4);
  }
  return address;
}

OpenConnections CountConnections(std::uint16_t port, int highest_fd, const std::set<int>& not_these) {
  OpenConnections open;
  for (int fd = 0; fd <= highest_fd; ++fd) {
    sockaddr_storage peer{};
    socklen_t size = sizeof peer;
    if (getpeername(fd, reinterpret_cast<sockaddr*>(&peer), &size) != 0 || LocalPort(fd) != port || not_these.contains(fd)) continue;
    ++open.all;
    ++open.by_peer[AddressIn(peer)];
  }
  return open;
}

std::string ConnectionAdmission::Refusal(const PeerAddress& peer) const {
  if (at_most_.all >= limits_.all) return "max.connections = " + std::to_string(limits_.all) + " connections are open";
  if (limits_.per_peer == 0) return "";
  const auto found = at_most_.by_peer.find(peer);
  if (found == at_most_.by_peer.end() || found->second < limits_.per_peer) return "";
  return "max.connections.per.ip = " + std::to_string(limits_.per_peer) + " connections from " + Text(peer) + " are open";
}

std::string ConnectionAdmission::Admit(const PeerAddress& peer) {
  std::string refusal = Refusal(peer);
  if (!refusal.empty() && clock_.Monotonic() >= next_look_) {
    const absl::Duration began = clock_.Monotonic();
    at_most_ = look_();
    const absl::Duration now = clock_.Monotonic();
    next_look_ = now + std::clamp(kLookShare * (now - began), kLookInterval, kLookIntervalMax);
    refusal = Refusal(peer);
  }
  if (!refusal.empty()) return refusal;
  ++at_most_.all;
  if (limits_.per_peer > 0) ++at_most_.by_peer[peer];
  return "";
}

}  // namespace cordwood::broker
