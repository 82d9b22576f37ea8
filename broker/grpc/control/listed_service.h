// SPDX-License-Identifier: Apache-2.0
// Reflection lists the services that were registered, if gRPC itself serves at least one of their methods. Ours are all served by the call class.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <memory>
#include <string>

namespace cordwood::broker {

// For GrpcServer: the service `name` is listed, its methods are those of the network threads. It has one method of gRPC's, "/NAME/-", which is UNIMPLEMENTED.
std::unique_ptr<grpc::Service> MakeListedService(const std::string& name);

}  // namespace cordwood::broker
