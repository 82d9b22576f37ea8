// SPDX-License-Identifier: Apache-2.0
// The door to KEDA's external scaler.
#pragma once

#include "broker/grpc/control/control_calls.h"
#include "broker/grpc/network_thread.h"
#include "broker/handlers/control/scaler_handler.h"

namespace cordwood::broker {

// The short calls. `scaler` outlives them.
void AddScalerMethods(ControlCalls& calls, const ScalerHandler& scaler);

// Serves StreamIsActive on these threads, before they start: no thread is held while a caller waits. Looks twice a second at what the last look around found.
void AddScalerStream(NetworkThreads& threads, const ScalerHandler& scaler);

}  // namespace cordwood::broker
