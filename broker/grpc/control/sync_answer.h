// SPDX-License-Identifier: Apache-2.0
// From a handler's outcome to what a synchronous method of gRPC gives back.
#pragma once

#include <grpcpp/support/status.h>

#include <utility>

#include "broker/grpc/rpc_status.h"
#include "storage/base/reason.h"

namespace cordwood::broker {

template <class Response>
grpc::Status Answer(StatusOr<Response> outcome, Response& response) {
  if (!outcome.ok()) return ToGrpcStatus(outcome.status());
  response = std::move(*outcome);
  return grpc::Status::OK;
}

}  // namespace cordwood::broker
