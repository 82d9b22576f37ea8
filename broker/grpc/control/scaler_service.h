// SPDX-License-Identifier: Apache-2.0
// The door to KEDA's external scaler.
#pragma once

#include <grpcpp/impl/codegen/service_type.h>

#include <memory>

#include "broker/grpc/network_thread.h"
#include "broker/handlers/control/scaler_handler.h"

namespace cordwood::broker {

// The short calls; StreamIsActive is registered here and served by the call class. `scaler` outlives the server that the service is given to.
std::unique_ptr<grpc::Service> MakeScalerService(const ScalerHandler& scaler);

// Serves StreamIsActive on these threads, before they start: no thread is held while a caller waits. Looks twice a second at what the last look around found.
void AddScalerStream(NetworkThreads& threads, const ScalerHandler& scaler);

}  // namespace cordwood::broker
