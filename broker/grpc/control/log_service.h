// SPDX-License-Identifier: Apache-2.0
// The door to the Log service's short calls. Produce and Fetch are registered here, so that reflection lists them, and served by the call class.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <memory>

#include "broker/handlers/control/cluster_handler.h"
#include "broker/handlers/control/offsets_handler.h"

namespace cordwood::broker {

// Both handlers outlive the server that the service is given to.
std::unique_ptr<grpc::Service> MakeLogService(const OffsetsHandler& offsets, const ClusterHandler& cluster);

}  // namespace cordwood::broker
