// SPDX-License-Identifier: Apache-2.0
// The service of consumer groups, for reflection: its methods are the network threads'.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <memory>

namespace cordwood::broker {

std::unique_ptr<grpc::Service> MakeGroupsService();

}  // namespace cordwood::broker
