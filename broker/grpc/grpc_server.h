// SPDX-License-Identifier: Apache-2.0
// The one gRPC server: the network threads' calls, and reflection.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "broker/grpc/connections/connection_acceptor.h"
#include "broker/grpc/network_thread.h"
#include "storage/base/reason.h"

namespace grpc {
class Server;
}  // namespace grpc

namespace cordwood::broker {

struct GrpcServerOptions {
  std::string host;          // to listen on: a name or an address, without brackets
  std::uint16_t port = 0;    // 0: a free one
  ConnectionLimits connections;
  int connection_calls_max = 20'000;  // connection.calls.max: open at a time on one connection; more wait in the client
  // Of what was received and not yet handed over: HTTP/2's windows, messages half arrived. Beyond it streams are reset.
  std::size_t receive_bytes_max = 256 * 1024 * 1024;
  bool channelz = false;
  // A connection whose peer has gone without a word: asked for a sign of life after so long a silence, and closed after so long without one.
  absl::Duration keepalive = absl::Seconds(60), keepalive_timeout = absl::Seconds(20);
  int sync_threads_max = 8;  // of reflection and channelz, the only synchronous services; beyond it gRPC refuses them with RESOURCE_EXHAUSTED
};

// Threading: Start and Shutdown from the owner, once each.
class GrpcServer {
 public:
  // `services`: listed by reflection.
  explicit GrpcServer(std::vector<std::unique_ptr<grpc::Service>> services);
  ~GrpcServer();  // after Shutdown(), or without Start()

  // Listens; calls are served from here on. INVALID_CONFIG if the address cannot be had.
  Status Start(const GrpcServerOptions& options, NetworkThreads& threads);
  std::uint16_t port() const { return acceptor_->port(); }
  const ConnectionAcceptor& connections() const { return *acceptor_; }
  // Listens no more; what is connected goes on.
  void StopListening();
  // The same if it was not done. Refuses new calls, lets open ones finish for `timeout`, then cancels them. The network threads must be running.
  void Shutdown(absl::Duration timeout);

 private:
  const std::vector<std::unique_ptr<grpc::Service>> services_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<ConnectionAcceptor> acceptor_;  // hands on to the server
};

// Before anything of gRPC: its own log lines are dropped unless GRPC_VERBOSITY asks for them, for any client can cause them.
void QuietGrpcLog();

}  // namespace cordwood::broker
