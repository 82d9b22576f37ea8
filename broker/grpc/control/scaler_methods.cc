// SPDX-License-Identifier: Apache-2.0
// Three methods are control calls; StreamIsActive is a call with a timer.
#include "broker/grpc/control/scaler_methods.h"

#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include <optional>
#include <utility>

#include "keda/externalscaler.pb.h"

namespace cordwood::broker {
namespace {

constexpr char kStreamPath[] = "/externalscaler.ExternalScaler/StreamIsActive";
constexpr std::size_t kRequestBytesMax = 64 * 1024;
constexpr int kStreamsMax = 256;  // per network thread
constexpr absl::Duration kLookInterval = absl::Milliseconds(500);

class ScalerStreamDoor final : public CallDoor {
 public:
  ScalerStreamDoor(Call& call, TimerWheel& timers, Clock& clock, const ScalerHandler& scaler)
      : call_(call), timers_(timers), clock_(clock), scaler_(scaler), next_look_([this] { Look(); }) {}

  void OnMessage(grpc::ByteBuffer message, ByteCharge charge) override {
    call_.Answered(charge.bytes());
    externalscaler::ScaledObjectRef object;
    grpc::ProtoBufferReader reader(&message);
    if (query_.has_value() || !reader.status().ok() || !object.ParseFromZeroCopyStream(&reader)) return call_.Finish(NotOneObject());
    StatusOr<ScalerQuery> query = ScalerQueryOf(object);
    if (!query.ok()) return call_.Finish(query.status());
    query_ = *std::move(query);
    Look();
  }
  void OnRefused(const Status& status) override { call_.Finish(status); }
  void OnHalfClose() override {
    if (!query_.has_value()) call_.Finish(NotOneObject());
  }
  void OnStop() override { call_.Finish(Error(Reason::kShuttingDown, "the broker stops")); }
  void OnEnd() override { next_look_.Cancel(); }

 private:
  static Status NotOneObject() { return Error(Reason::kMalformedRequest, "expected one externalscaler.ScaledObjectRef"); }
  void Look() {
    const bool active = scaler_.WasActive(*query_);
    if (reported_ != active) {
      reported_ = active;
      externalscaler::IsActiveResponse response;
      response.set_result(active);
      const grpc::Slice slice(response.SerializeAsString());
      call_.Write(grpc::ByteBuffer(&slice, 1));
    }
    timers_.Arm(next_look_, clock_.Monotonic() + kLookInterval);
  }

  Call& call_;
  TimerWheel& timers_;
  Clock& clock_;
  const ScalerHandler& scaler_;
  Timer next_look_;
  std::optional<ScalerQuery> query_;
  std::optional<bool> reported_;
};

}  // namespace

void AddScalerMethods(ControlCalls& calls, const ScalerHandler& scaler) {
  calls.Add<externalscaler::ScaledObjectRef>("/externalscaler.ExternalScaler/IsActive", [&scaler](const auto& request) { return scaler.IsActive(request); });
  calls.Add<externalscaler::ScaledObjectRef>("/externalscaler.ExternalScaler/GetMetricSpec", [&scaler](const auto& request) { return scaler.GetMetricSpec(request); });
  calls.Add<externalscaler::GetMetricsRequest>("/externalscaler.ExternalScaler/GetMetrics", [&scaler](const auto& request) { return scaler.GetMetrics(request); });
}

void AddScalerStream(NetworkThreads& threads, const ScalerHandler& scaler) {
  MethodOptions options;
  options.always_reads = true;
  options.message_bytes_max = kRequestBytesMax;
  options.message_limit_name = "the limit of scaler requests";
  options.calls_max = kStreamsMax;
  for (int i = 0; i < threads.size(); ++i) {
    NetworkThread& thread = threads.at(i);
    thread.calls().AddMethod(kStreamPath, options, [&thread, &scaler](Call& call) {
      return std::make_unique<ScalerStreamDoor>(call, thread.timers(), thread.clock(), scaler);
    });
  }
}

}  // namespace cordwood::broker
