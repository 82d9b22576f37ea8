// SPDX-License-Identifier: Apache-2.0
// The Log service but for Produce and Fetch.
#pragma once

#include "broker/grpc/control/control_calls.h"
#include "broker/handlers/control/cluster_handler.h"
#include "broker/handlers/control/offsets_handler.h"

namespace cordwood::broker {

// Both handlers outlive the calls.
void AddLogMethods(ControlCalls& calls, const OffsetsHandler& offsets, const ClusterHandler& cluster);

}  // namespace cordwood::broker
