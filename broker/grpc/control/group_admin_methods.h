// SPDX-License-Identifier: Apache-2.0
// The door to the GroupAdmin service.
#pragma once

#include "broker/grpc/control/control_calls.h"
#include "broker/handlers/control/group_admin_handler.h"

namespace cordwood::broker {

// The handler outlives the calls.
void AddGroupAdminMethods(ControlCalls& calls, const GroupAdminHandler& groups);

}  // namespace cordwood::broker
