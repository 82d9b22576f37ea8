// SPDX-License-Identifier: Apache-2.0
// What the gRPC door says of itself: connections, calls, outboxes, and the requests of the synchronous methods.
#pragma once

#include <cstdint>

#include "broker/grpc/control_measures.h"
#include "broker/grpc/network_thread.h"
#include "broker/metrics/families.h"

namespace cordwood::broker {

void AddNetworkFamilies(Families& families, NetworkThreads& threads);
void AddControlFamilies(Families& families, const ControlMeasures& measures);
// The established TCP connections to this port, by the system's tables: gRPC does not count them.
void AddConnections(Families& families, std::uint16_t port);

}  // namespace cordwood::broker
