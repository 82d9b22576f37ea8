// SPDX-License-Identifier: Apache-2.0
// Sockets by hand, since gRPC does not say why it cannot listen.
#include "broker/server/port_file.h"

#include <netdb.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <fstream>
#include <memory>
#include <utility>

#include "broker/grpc/connections/tcp_listeners.h"

namespace cordwood::broker {
namespace {

Status CannotListen(const HostPort& address, const std::string& why) {
  return Error(Reason::kInvalidConfig, "cannot listen on " + address.ToString() + ": " + why + "; choose another with --listen");
}

}  // namespace

StatusOr<ReservedPort> ReservedPort::Take(const HostPort& address) {
  addrinfo wanted{};
  wanted.ai_family = AF_UNSPEC;
  wanted.ai_socktype = SOCK_STREAM;
  wanted.ai_flags = AI_PASSIVE | AI_NUMERICSERV;
  addrinfo* found = nullptr;
  const int failed = getaddrinfo(address.host.c_str(), std::to_string(address.port).c_str(), &wanted, &found);
  if (failed != 0) return CannotListen(address, gai_strerror(failed));
  const std::unique_ptr<addrinfo, void (*)(addrinfo*)> owned(found, freeaddrinfo);
  const int fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
  if (fd < 0) return CannotListen(address, std::strerror(errno));
  ReservedPort reserved(fd, address);
  // Two sockets with this option may share a port as long as neither listens.
  const int on = 1;
  setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  if (bind(fd, found->ai_addr, found->ai_addrlen) != 0) return CannotListen(address, std::strerror(errno));
  reserved.address_.port = LocalPort(fd);
  return reserved;
}

ReservedPort::ReservedPort(int fd, HostPort address) : fd_(fd), address_(std::move(address)) {}

ReservedPort::ReservedPort(ReservedPort&& other) noexcept : fd_(std::exchange(other.fd_, -1)), address_(std::move(other.address_)) {}

ReservedPort::~ReservedPort() {
  if (fd_ >= 0) close(fd_);
}

Status WritePortFile(const std::string& path, const HostPort& grpc, const HostPort& http) {
  const std::string temporary = path + ".new";
  errno = 0;
  {
    std::ofstream file(temporary, std::ios::trunc);
    file << "grpc=" << grpc.ToString() << "\nhttp=" << http.ToString() << "\n";
    file.flush();
    if (!file) return Error(Reason::kStorageError, "port file " + temporary + ": " + std::strerror(errno));
  }
  if (std::rename(temporary.c_str(), path.c_str()) != 0) return Error(Reason::kStorageError, "port file " + path + ": " + std::strerror(errno));
  return absl::OkStatus();
}

}  // namespace cordwood::broker
