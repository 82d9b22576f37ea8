// SPDX-License-Identifier: Apache-2.0
// Check is a control call, for a look at liveness may block; Watch is a call with a timer.
#include "broker/grpc/control/health_methods.h"

#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include <optional>
#include <string>
#include <utility>

#include "grpc/health/v1/health.pb.h"

namespace cordwood::broker {
namespace {

using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;

constexpr char kWatchPath[] = "/grpc.health.v1.Health/Watch";
constexpr std::size_t kRequestBytesMax = 4096;
constexpr int kWatchesMax = 256;  // per network thread
constexpr absl::Duration kLookInterval = absl::Milliseconds(500);

bool IsKnown(const std::string& service) {
  return service.empty() || service == "readiness" || service == "cordwood.v1.Log" || service == "cordwood.v1.Admin" || service == "cordwood.v1.Groups" ||
         service == "cordwood.v1.GroupAdmin";
}

HealthCheckResponse::ServingStatus ReadinessOf(const HealthChecks& checks) {
  return HealthChecks::Passed(checks.Ready()) ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING;
}

StatusOr<HealthCheckResponse> Check(const HealthCheckRequest& request, const HealthChecks& checks) {
  HealthCheckResponse response;
  if (request.service() == "liveness") {
    response.set_status(HealthChecks::Passed(checks.Live()) ? HealthCheckResponse::SERVING : HealthCheckResponse::NOT_SERVING);
    return response;
  }
  if (!IsKnown(request.service())) return absl::NotFoundError("no service \"" + request.service() + "\"; \"\", readiness and liveness are known");
  response.set_status(ReadinessOf(checks));
  return response;
}

class HealthWatchDoor final : public CallDoor {
 public:
  HealthWatchDoor(Call& call, TimerWheel& timers, Clock& clock, const HealthChecks& checks)
      : call_(call), timers_(timers), clock_(clock), checks_(checks), next_look_([this] { Look(); }) {}

  void OnMessage(grpc::ByteBuffer message, ByteCharge charge) override {
    call_.Answered(charge.bytes());
    HealthCheckRequest request;
    grpc::ProtoBufferReader reader(&message);
    if (service_.has_value() || !reader.status().ok() || !request.ParseFromZeroCopyStream(&reader)) {
      return call_.Finish(Error(Reason::kMalformedRequest, "expected one grpc.health.v1.HealthCheckRequest"));
    }
    service_ = request.service();
    Look();
  }
  void OnRefused(const Status& status) override { call_.Finish(status); }
  void OnHalfClose() override {
    if (!service_.has_value()) call_.Finish(Error(Reason::kMalformedRequest, "expected one grpc.health.v1.HealthCheckRequest"));
  }
  void OnStop() override {
    if (service_.has_value()) Report(HealthCheckResponse::NOT_SERVING);
    call_.Finish(Error(Reason::kShuttingDown, "the broker stops"));
  }
  void OnEnd() override { next_look_.Cancel(); }

 private:
  // A watched broker that answers is alive.
  void Look() {
    if (*service_ == "liveness") {
      Report(HealthCheckResponse::SERVING);
    } else {
      Report(IsKnown(*service_) ? ReadinessOf(checks_) : HealthCheckResponse::SERVICE_UNKNOWN);
    }
    timers_.Arm(next_look_, clock_.Monotonic() + kLookInterval);
  }
  void Report(HealthCheckResponse::ServingStatus status) {
    if (reported_ == status) return;
    reported_ = status;
    HealthCheckResponse response;
    response.set_status(status);
    const grpc::Slice slice(response.SerializeAsString());
    call_.Write(grpc::ByteBuffer(&slice, 1));
  }

  Call& call_;
  TimerWheel& timers_;
  Clock& clock_;
  const HealthChecks& checks_;
  Timer next_look_;
  std::optional<std::string> service_;
  std::optional<HealthCheckResponse::ServingStatus> reported_;
};

}  // namespace

void AddHealthCheck(ControlCalls& calls, const HealthChecks& checks) {
  calls.Add<HealthCheckRequest>("/grpc.health.v1.Health/Check", [&checks](const auto& request) { return Check(request, checks); });
}

void AddHealthWatch(NetworkThreads& threads, const HealthChecks& checks) {
  MethodOptions options;
  options.always_reads = true;
  options.message_bytes_max = kRequestBytesMax;
  options.message_limit_name = "the limit of health requests";
  options.calls_max = kWatchesMax;
  for (int i = 0; i < threads.size(); ++i) {
    NetworkThread& thread = threads.at(i);
    thread.calls().AddMethod(kWatchPath, options, [&thread, &checks](Call& call) {
      return std::make_unique<HealthWatchDoor>(call, thread.timers(), thread.clock(), checks);
    });
  }
}

}  // namespace cordwood::broker
