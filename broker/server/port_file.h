// SPDX-License-Identifier: Apache-2.0
// Where others learn the ports: a held address before serving, a file once served.
#pragma once

#include <cstdint>
#include <string>

#include "broker/server/config/host_port.h"
#include "storage/base/reason.h"

namespace cordwood::broker {

// An address that is bound but not listened on: gRPC can still listen there, while nobody else is given the port. So the number is known before the server
// runs, and a taken port is named before anything is opened.
class ReservedPort {
 public:
  // Port 0 takes a free one. INVALID_CONFIG: taken, not an address of this machine, not allowed.
  static StatusOr<ReservedPort> Take(const HostPort& address);
  ReservedPort(ReservedPort&& other) noexcept;
  ReservedPort& operator=(ReservedPort&&) = delete;
  ~ReservedPort();
  const HostPort& address() const { return address_; }

 private:
  ReservedPort(int fd, HostPort address);
  int fd_;
  HostPort address_;
};

// The lines grpc=HOST:PORT and http=HOST:PORT; whole, by rename. STORAGE_ERROR names the file.
Status WritePortFile(const std::string& path, const HostPort& grpc, const HostPort& http);

}  // namespace cordwood::broker
