// SPDX-License-Identifier: Apache-2.0
// One HTTP connection as cpp-httplib reads and writes it, with bounds that cpp-httplib has not: for the bytes of a request, and for the time of a whole one.
#pragma once

#include <httplib.h>
#include <poll.h>

#include <array>
#include <cstddef>
#include <string>

#include "absl/time/time.h"

namespace cordwood::broker {

struct RequestBounds {
  std::size_t bytes_max = 16 * 1024;             // line, headers and body
  absl::Duration idle = absl::Seconds(1);        // until the first byte
  absl::Duration reading = absl::Seconds(2);     // from there until the last
  absl::Duration answering = absl::Seconds(10);  // from the first byte of an answer until the last is taken
};

// Beyond a bound reads and writes fail, which ends the connection.
// Threading: of the connection's thread.
class RequestStream final : public httplib::Stream {
 public:
  // `connected` stays the caller's.
  RequestStream(socket_t connected, const RequestBounds& bounds) : socket_(connected), bounds_(bounds) {}

  // False: no request has begun in time. True: the bounds hold for the one that has.
  bool AwaitRequest();

  ssize_t read(char* to, std::size_t size) override;
  ssize_t write(const char* from, std::size_t size) override;
  bool is_readable() const override { return begin_ < end_ || Poll(POLLIN, read_by_); }
  bool is_writable() const override { return Poll(POLLOUT, write_by_); }
  void get_remote_ip_and_port(std::string&, int&) const override {}  // nobody asks
  void get_local_ip_and_port(std::string&, int&) const override {}
  socket_t socket() const override { return socket_; }

 private:
  bool Poll(short events, absl::Duration until) const;

  const socket_t socket_;
  const RequestBounds bounds_;
  std::size_t bytes_left_ = 0;   // of the request
  absl::Duration read_by_;       // monotonic
  absl::Duration write_by_ = absl::InfiniteDuration();  // the same, once the answer has begun
  std::array<char, 4096> received_;
  std::size_t begin_ = 0;        // of what is in received_ and was not read
  std::size_t end_ = 0;
};

}  // namespace cordwood::broker
