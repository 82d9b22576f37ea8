// SPDX-License-Identifier: Apache-2.0
// The door to the Admin service.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <memory>

#include "broker/handlers/control/admin_handler.h"
#include "broker/handlers/control/cluster_handler.h"

namespace cordwood::broker {

// Both handlers outlive the server that the service is given to.
std::unique_ptr<grpc::Service> MakeAdminService(const AdminHandler& admin, const ClusterHandler& cluster);

}  // namespace cordwood::broker
