// SPDX-License-Identifier: Apache-2.0
// Where parsing failed no method has run, so the status that goes out is INTERNAL without message and details; our own never are.
#include "broker/grpc/malformed_requests.h"

#include <string>
#include <utility>

#include "broker/grpc/rpc_status.h"

namespace cordwood::broker {
namespace {

class MalformedRequestNamer final : public grpc::experimental::Interceptor {
 public:
  explicit MalformedRequestNamer(std::string method) : method_(std::move(method)) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(grpc::experimental::InterceptionHookPoints::PRE_SEND_STATUS)) {
      const grpc::Status status = methods->GetSendStatus();
      if (status.error_code() == grpc::StatusCode::INTERNAL && status.error_message().empty() && status.error_details().empty()) {
        methods->ModifySendStatus(ToGrpcStatus(Error(Reason::kMalformedRequest, "not a request of " + method_)));
      }
    }
    methods->Proceed();
  }

 private:
  const std::string method_;
};

class MalformedRequestNamers final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* call) override {
    if (call->type() != grpc::experimental::ServerRpcInfo::Type::UNARY) return nullptr;
    return new MalformedRequestNamer(call->method());
  }
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NameMalformedRequests() { return std::make_unique<MalformedRequestNamers>(); }

}  // namespace cordwood::broker
