// SPDX-License-Identifier: Apache-2.0
// What all synchronous methods have in common: their answers are counted, and bytes that gRPC's generated code cannot parse get a reason.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <memory>

#include "broker/grpc/control_measures.h"

namespace cordwood::broker {

// For ServerBuilder: synchronous unary methods answer MALFORMED_REQUEST, naming the method, and are counted in `measures`, which outlives the server. The data plane, which parses for itself, is left alone.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NameMalformedRequests(ControlMeasures& measures);

}  // namespace cordwood::broker
