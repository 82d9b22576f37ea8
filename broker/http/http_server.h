// SPDX-License-Identifier: Apache-2.0
// The HTTP door: /livez, /readyz and /metrics.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>

#include "broker/handlers/control/health_checks.h"
#include "storage/base/reason.h"

namespace cordwood::broker {

// One thread accepts; each open connection has one of its own, up to 1024, further ones wait. A connection on which no request comes within a second,
// or the rest of one within two, or whose answer is not taken within ten, is closed. A request has at most 16 KiB, its body 1 KiB; ranges are ignored.
// Threading: of the owner; requests come on the server's threads.
class HttpServer {
 public:
  // `metrics` gives the page in the text format of Prometheus; called on the server's threads. Empty: 503.
  HttpServer(const HealthChecks& checks, std::function<std::string()> metrics);
  ~HttpServer();  // stops

  // Takes the address; port 0 takes a free one. From here on connections wait in the socket. INVALID_CONFIG names the address and why.
  Status Bind(const std::string& host, std::uint16_t port);
  std::uint16_t port() const;
  void Start();
  void Stop();  // open requests are finished

 private:
  struct Server;
  const std::unique_ptr<Server> server_;
};

}  // namespace cordwood::broker
