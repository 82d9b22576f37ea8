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
  MalformedRequestNamer(std::string method, ControlMeasures& measures) : method_(std::move(method)), measures_(measures.Of(method_)) {}

  void Intercept(grpc::experimental::InterceptorBatchMethods* methods) override {
    if (methods->QueryInterceptionHookPoint(grpc::experimental::InterceptionHookPoints::PRE_SEND_STATUS)) {
      grpc::Status status = methods->GetSendStatus();
      if (status.error_code() == grpc::StatusCode::INTERNAL && status.error_message().empty() && status.error_details().empty()) {
        status = ToGrpcStatus(Error(Reason::kMalformedRequest, "not a request of " + method_));
        methods->ModifySendStatus(status);
      }
      measures_.requests.Add();
      if (!status.ok()) measures_.errors.Count(ReasonInGrpcStatus(status));
    }
    methods->Proceed();
  }

 private:
  const std::string method_;
  ControlMeasures::Method& measures_;
};

class MalformedRequestNamers final : public grpc::experimental::ServerInterceptorFactoryInterface {
 public:
  explicit MalformedRequestNamers(ControlMeasures& measures) : measures_(measures) {}
  grpc::experimental::Interceptor* CreateServerInterceptor(grpc::experimental::ServerRpcInfo* call) override {
    if (call->type() != grpc::experimental::ServerRpcInfo::Type::UNARY) return nullptr;
    return new MalformedRequestNamer(call->method(), measures_);
  }

 private:
  ControlMeasures& measures_;
};

}  // namespace

std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NameMalformedRequests(ControlMeasures& measures) {
  return std::make_unique<MalformedRequestNamers>(measures);
}

}  // namespace cordwood::broker
