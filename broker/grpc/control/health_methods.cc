// SPDX-License-Identifier: Apache-2.0
// Check is a control call, for a look at liveness may block; Watch is a call with a timer.
#include "broker/grpc/control/health_methods.h"

#include <optional>
#include <string>
#include <utility>

#include "broker/grpc/control/watch_door.h"
#include "grpc/health/v1/health.pb.h"

namespace cordwood::broker {
namespace {

using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;

bool IsKnown(const std::string& service) {
  return service.empty() || service == "readiness" || service == "cordwood.v1.Log" || service == "cordwood.v1.Admin" || service == "cordwood.v1.Groups" ||
         service == "cordwood.v1.GroupAdmin";
}

HealthCheckResponse::ServingStatus ReadinessOf(const HealthChecks& checks) {
  return HealthChecks::Passed(checks.Ready()) ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

HealthCheckResponse ResponseOf(HealthCheckResponse::ServingStatus status) {
  HealthCheckResponse response;
  response.set_status(status);
  return response;
}

StatusOr<HealthCheckResponse> Check(const HealthCheckRequest& request, const HealthChecks& checks) {
  if (request.service() == "liveness") {
    return ResponseOf(HealthChecks::Passed(checks.Live()) ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING);
  }
  if (!IsKnown(request.service())) return absl::NotFoundError("no service \"" + request.service() + "\"; \"\", readiness and liveness are known");
  return ResponseOf(ReadinessOf(checks));
}

struct HealthWatch {
  Status Take(const HealthCheckRequest& request) {
    service = request.service();
    return absl::OkStatus();
  }
  // A watched broker that answers is alive.
  HealthCheckResponse Look() const {
    if (service == "liveness") return ResponseOf(HealthCheckResponse::SERVING);
    return ResponseOf(IsKnown(service) ? ReadinessOf(checks) : HealthCheckResponse::SERVICE_UNKNOWN);
  }
  static std::optional<HealthCheckResponse> LastWord() { return ResponseOf(HealthCheckResponse::NOT_SERVING); }

  const HealthChecks& checks;
  std::string service = {};
};

}  // namespace

void AddHealthCheck(ControlCalls& calls, const HealthChecks& checks) {
  calls.Add<HealthCheckRequest>("/grpc.health.v1.Health/Check", [&checks](const auto& request) { return Check(request, checks); });
}

void AddHealthWatch(NetworkThreads& threads, const HealthChecks& checks) {
  AddWatch<HealthCheckRequest>(threads, "/grpc.health.v1.Health/Watch", 4096, "the limit of health requests", HealthWatch{checks});
}

}  // namespace cordwood::broker
