// SPDX-License-Identifier: Apache-2.0
// The door to the health checks: grpc.health.v1. gRPC's own is built on the callback API, which stalls after a second of idleness in 1.51.
#pragma once

#include "broker/grpc/control/control_calls.h"
#include "broker/grpc/network_thread.h"
#include "broker/handlers/control/health_checks.h"

namespace cordwood::broker {

// `checks` outlives the calls.
void AddHealthCheck(ControlCalls& calls, const HealthChecks& checks);

// Serves Watch on these threads, before they start: no thread is held while a watcher waits. Looks twice a second.
void AddHealthWatch(NetworkThreads& threads, const HealthChecks& checks);

}  // namespace cordwood::broker
