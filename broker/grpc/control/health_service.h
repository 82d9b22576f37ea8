// SPDX-License-Identifier: Apache-2.0
// The door to the health checks: grpc.health.v1. gRPC's own is built on the callback API, which stalls after a second of idleness in 1.51.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <memory>

#include "broker/grpc/network_thread.h"
#include "broker/handlers/control/health_checks.h"

namespace cordwood::broker {

// Check; Watch is registered here and served by the call class. `checks` outlives the server that the service is given to.
std::unique_ptr<grpc::Service> MakeHealthService(const HealthChecks& checks);

// Serves Watch on these threads, before they start: no thread is held while a watcher waits. Looks twice a second.
void AddHealthWatch(NetworkThreads& threads, const HealthChecks& checks);

}  // namespace cordwood::broker
