// SPDX-License-Identifier: Apache-2.0
// A gRPC server of the test's own process.
#pragma once

#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <memory>
#include <string>
#include <vector>

namespace cordwood::client {

// On a free port of loopback, whose address comes last in `addresses`.
inline std::unique_ptr<grpc::Server> ServeOnLoopback(grpc::Service* service, std::vector<std::string>* addresses) {
  grpc::ServerBuilder builder;
  int port = 0;
  builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
  builder.RegisterService(service);
  std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
  addresses->push_back("127.0.0.1:" + std::to_string(port));
  return server;
}

}  // namespace cordwood::client
