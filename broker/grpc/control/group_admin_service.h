// SPDX-License-Identifier: Apache-2.0
// The door to the GroupAdmin service.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <memory>

#include "broker/handlers/control/group_admin_handler.h"

namespace cordwood::broker {

// The handler outlives the server that the service is given to.
std::unique_ptr<grpc::Service> MakeGroupAdminService(const GroupAdminHandler& groups);

}  // namespace cordwood::broker
