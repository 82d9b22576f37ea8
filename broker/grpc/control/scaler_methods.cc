// SPDX-License-Identifier: Apache-2.0
// Three methods are control calls; StreamIsActive is a watch.
#include "broker/grpc/control/scaler_methods.h"

#include <optional>
#include <utility>

#include "broker/grpc/control/watch_door.h"
#include "keda/externalscaler.pb.h"

namespace cordwood::broker {
namespace {

struct ActiveWatch {
  Status Take(const externalscaler::ScaledObjectRef& object) {
    CORDWOOD_ASSIGN_OR_RETURN(query, ScalerQueryOf(object));
    return absl::OkStatus();
  }
  externalscaler::IsActiveResponse Look() const {
    externalscaler::IsActiveResponse response;
    response.set_result(scaler.WasActive(query));
    return response;
  }
  static std::optional<externalscaler::IsActiveResponse> LastWord() { return std::nullopt; }

  const ScalerHandler& scaler;
  ScalerQuery query = {};
};

}  // namespace

void AddScalerMethods(ControlCalls& calls, const ScalerHandler& scaler) {
  calls.Add<externalscaler::ScaledObjectRef>("/externalscaler.ExternalScaler/IsActive", [&scaler](const auto& request) { return scaler.IsActive(request); });
  calls.Add<externalscaler::ScaledObjectRef>("/externalscaler.ExternalScaler/GetMetricSpec", [&scaler](const auto& request) { return scaler.GetMetricSpec(request); });
  calls.Add<externalscaler::GetMetricsRequest>("/externalscaler.ExternalScaler/GetMetrics", [&scaler](const auto& request) { return scaler.GetMetrics(request); });
}

void AddScalerStream(NetworkThreads& threads, const ScalerHandler& scaler) {
  AddWatch<externalscaler::ScaledObjectRef>(threads, "/externalscaler.ExternalScaler/StreamIsActive", 64 * 1024, "the limit of scaler requests", ActiveWatch{scaler});
}

}  // namespace cordwood::broker
