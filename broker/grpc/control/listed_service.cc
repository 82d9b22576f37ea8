// SPDX-License-Identifier: Apache-2.0
// gRPC takes a service's name from a method that it serves.
#include "broker/grpc/control/listed_service.h"

#include <grpcpp/support/method_handler.h>

namespace cordwood::broker {
namespace {

class ListedService final : public grpc::Service {
 public:
  explicit ListedService(const std::string& name) : method_("/" + name + "/-") {
    using NoMethod = grpc::internal::ErrorMethodHandler<grpc::StatusCode::UNIMPLEMENTED>;
    AddMethod(new grpc::internal::RpcServiceMethod(method_.c_str(), grpc::internal::RpcMethod::NORMAL_RPC, new NoMethod("no such method: " + method_)));
  }

 private:
  const std::string method_;  // gRPC keeps a pointer to it
};

}  // namespace

std::unique_ptr<grpc::Service> MakeListedService(const std::string& name) { return std::make_unique<ListedService>(name); }

}  // namespace cordwood::broker
