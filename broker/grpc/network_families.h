// SPDX-License-Identifier: Apache-2.0
// What the gRPC door says of itself: connections, calls, outboxes, and control requests.
#pragma once

#include "broker/grpc/connections/connection_acceptor.h"
#include "broker/grpc/control/control_calls.h"
#include "broker/grpc/network_thread.h"
#include "broker/metrics/families.h"

namespace cordwood::broker {

void AddNetworkFamilies(Families& families, NetworkThreads& threads);
void AddControlFamilies(Families& families, const ControlCalls& calls);
void AddConnectionFamilies(Families& families, const ConnectionAcceptor& acceptor);

}  // namespace cordwood::broker
