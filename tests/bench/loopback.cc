// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/loopback.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

namespace cordwood::testing {

int Checked(int result, const char* what) {
  if (result < 0) {
    std::perror(what);
    std::exit(1);
  }
  return result;
}

void WriteAll(int fd, std::string_view bytes) {
  while (!bytes.empty()) {
    const ssize_t n = write(fd, bytes.data(), bytes.size());
    bytes.remove_prefix(static_cast<std::size_t>(Checked(static_cast<int>(n), "write")));
  }
}

LoopbackPair ConnectOverLoopback() {
  const int listener = Checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t size = sizeof address;
  Checked(bind(listener, reinterpret_cast<sockaddr*>(&address), size), "bind");
  Checked(listen(listener, 1), "listen");
  Checked(getsockname(listener, reinterpret_cast<sockaddr*>(&address), &size), "getsockname");
  LoopbackPair pair;
  pair.sender = Checked(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0), "socket");
  Checked(connect(pair.sender, reinterpret_cast<sockaddr*>(&address), size), "connect");
  pair.receiver = Checked(accept(listener, nullptr, nullptr), "accept");
  close(listener);
  const int on = 1;
  for (const int fd : {pair.sender, pair.receiver}) Checked(setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on), "setsockopt");
  return pair;
}

}  // namespace cordwood::testing
