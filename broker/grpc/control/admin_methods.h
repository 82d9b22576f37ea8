// SPDX-License-Identifier: Apache-2.0
// The Admin service.
#pragma once

#include "broker/grpc/control/control_calls.h"
#include "broker/handlers/control/admin_handler.h"
#include "broker/handlers/control/cluster_handler.h"

namespace cordwood::broker {

// Both handlers outlive the calls.
void AddAdminMethods(ControlCalls& calls, const AdminHandler& admin, const ClusterHandler& cluster);

}  // namespace cordwood::broker
