// SPDX-License-Identifier: Apache-2.0
// What the gRPC door says of itself: connections, calls, outboxes, and the requests of the synchronous methods.
#pragma once

#include "broker/grpc/connections/connection_acceptor.h"
#include "broker/grpc/control_measures.h"
#include "broker/grpc/network_thread.h"
#include "broker/metrics/families.h"

namespace cordwood::broker {

void AddNetworkFamilies(Families& families, NetworkThreads& threads);
void AddControlFamilies(Families& families, const ControlMeasures& measures);
void AddConnectionFamilies(Families& families, const ConnectionAcceptor& acceptor);

}  // namespace cordwood::broker
