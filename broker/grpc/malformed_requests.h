// SPDX-License-Identifier: Apache-2.0
// A reason for bytes that gRPC's generated code cannot parse: by itself it says INTERNAL and nothing else.
#pragma once

#include <grpcpp/support/server_interceptor.h>

#include <memory>

namespace cordwood::broker {

// For ServerBuilder: synchronous unary methods answer MALFORMED_REQUEST, naming the method. The data plane, which parses for itself, is left alone.
std::unique_ptr<grpc::experimental::ServerInterceptorFactoryInterface> NameMalformedRequests();

}  // namespace cordwood::broker
