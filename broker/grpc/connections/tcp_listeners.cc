// SPDX-License-Identifier: Apache-2.0
// What gRPC does for an address, with errors that say why.
#include "broker/grpc/connections/tcp_listeners.h"

#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstring>
#include <memory>
#include <utility>

namespace cordwood::broker {
namespace {

constexpr int kBacklog = 65'535;  // the system allows net.core.somaxconn

// -1 with errno set.
int Listen(const addrinfo& at, bool both_families) {
  const int fd = socket(at.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
  if (fd < 0) return -1;
  const int on = 1;
  const int v6_only = both_families ? 0 : 1;
  // A broker that was just stopped leaves connections in TIME_WAIT. Not SO_REUSEPORT: with it two brokers would share the port.
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  // Accepted connections inherit these two.
  setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
  setsockopt(fd, IPPROTO_TCP, TCP_USER_TIMEOUT, &kTcpUserTimeoutMs, sizeof kTcpUserTimeoutMs);
  if (at.ai_family == AF_INET6) setsockopt(fd, IPPROTO_IPV6, IPV6_V6ONLY, &v6_only, sizeof v6_only);
  if (bind(fd, at.ai_addr, at.ai_addrlen) == 0 && listen(fd, kBacklog) == 0) return fd;
  const int why = errno;
  close(fd);
  errno = why;
  return -1;
}

}  // namespace

std::uint16_t LocalPort(int fd) {
  sockaddr_storage local{};
  socklen_t size = sizeof local;
  if (getsockname(fd, reinterpret_cast<sockaddr*>(&local), &size) != 0) return 0;
  if (local.ss_family == AF_INET6) return ntohs(reinterpret_cast<const sockaddr_in6*>(&local)->sin6_port);
  if (local.ss_family == AF_INET) return ntohs(reinterpret_cast<const sockaddr_in*>(&local)->sin_port);
  return 0;
}

TcpListeners::TcpListeners(TcpListeners&& other) noexcept : fds_(std::exchange(other.fds_, {})), port_(other.port_) {}

TcpListeners::~TcpListeners() {
  for (const int fd : fds_) close(fd);
}

// Of a name with several addresses those are taken that can be had.
Status TcpListeners::Add(const std::string& host, std::uint16_t port) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  const bool both_families = host == "::";
  std::string why = "no address";
  addrinfo* found = nullptr;
  if (const int failed = getaddrinfo(host.c_str(), std::to_string(port).c_str(), &wanted, &found); failed != 0) {
    return Error(Reason::kInvalidConfig, gai_strerror(failed));
  }
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
  for (addrinfo* at = found; at != nullptr; at = at->ai_next) {
    const std::uint16_t wanted_port = htons(port_ != 0 ? port_ : port);
    if (at->ai_family == AF_INET6) reinterpret_cast<sockaddr_in6*>(at->ai_addr)->sin6_port = wanted_port;
    if (at->ai_family == AF_INET) reinterpret_cast<sockaddr_in*>(at->ai_addr)->sin_port = wanted_port;
    const int fd = Listen(*at, both_families);
    if (fd < 0) {
      why = std::strerror(errno);
      continue;
    }
    fds_.push_back(fd);
    port_ = LocalPort(fd);
  }
  return fds_.empty() ? Error(Reason::kInvalidConfig, why) : absl::OkStatus();
}

StatusOr<TcpListeners> TcpListeners::Open(const std::string& host, std::uint16_t port) {
  TcpListeners listeners;
  Status status;
  if (host == "0.0.0.0" || host == "::") status = listeners.Add("::", port);
  if (listeners.fds_.empty()) status = listeners.Add(host, port);  // a system without IPv6 too
  if (!status.ok()) return Error(Reason::kInvalidConfig, "cannot listen on " + host + ", port " + std::to_string(port) + ": " + MessageOf(status) + "; is another process there?");
  return listeners;
}

}  // namespace cordwood::broker
