// SPDX-License-Identifier: Apache-2.0
// A call with one request, answered at once and whenever the answer is another one.
#pragma once

#include <grpcpp/support/proto_buffer_reader.h>
#include <grpcpp/support/slice.h>

#include <memory>
#include <optional>
#include <string>
#include <utility>

#include "absl/time/time.h"
#include "broker/grpc/call.h"
#include "broker/grpc/network_thread.h"

namespace cordwood::broker {

inline constexpr int kWatchesMax = 256;  // of one method, per network thread
inline constexpr absl::Duration kWatchInterval = absl::Milliseconds(500);

// Watched: `Status Take(Request)`; then `Response Look()`, on the network thread, which it must not block; `std::optional<Response> LastWord()` of a stopping broker.
template <class Request, class Watched>
class WatchDoor final : public CallDoor {
 public:
  WatchDoor(Call& call, NetworkThread& thread, Watched watched)
      : call_(call), thread_(thread), watched_(std::move(watched)), next_look_([this] { Look(); }) {}

  void OnMessage(grpc::ByteBuffer message, ByteCharge charge) override {
    call_.Answered(charge.bytes());
    Request request;
    grpc::ProtoBufferReader reader(&message);
    if (asked_ || !reader.status().ok() || !request.ParseFromZeroCopyStream(&reader)) return call_.Finish(NotOneRequest());
    if (const Status taken = watched_.Take(std::move(request)); !taken.ok()) return call_.Finish(taken);
    asked_ = true;
    Look();
  }
  void OnRefused(const Status& status) override { call_.Finish(status); }
  void OnHalfClose() override {
    if (!asked_) call_.Finish(NotOneRequest());
  }
  void OnStop() override {
    if (const auto last = watched_.LastWord(); asked_ && last.has_value()) Report(last->SerializeAsString());
    call_.Finish(Error(Reason::kShuttingDown, "the broker stops"));
  }
  void OnEnd() override { next_look_.Cancel(); }

 private:
  static Status NotOneRequest() { return Error(Reason::kMalformedRequest, "expected one " + Request().GetTypeName()); }
  void Look() {
    Report(watched_.Look().SerializeAsString());
    thread_.timers().Arm(next_look_, thread_.clock().Monotonic() + kWatchInterval);
  }
  void Report(std::string answer) {
    if (reported_ == answer) return;
    const grpc::Slice slice(answer);
    reported_ = std::move(answer);
    call_.Write(grpc::ByteBuffer(&slice, 1));
  }

  Call& call_;
  NetworkThread& thread_;
  Watched watched_;
  Timer next_look_;
  bool asked_ = false;
  std::optional<std::string> reported_;
};

// Before the threads start. Each call has a copy of `watched`.
template <class Request, class Watched>
void AddWatch(NetworkThreads& threads, const std::string& path, std::size_t request_bytes_max, const char* limit_name, const Watched& watched) {
  MethodOptions options;
  options.always_reads = true;
  options.message_bytes_max = request_bytes_max;
  options.message_limit_name = limit_name;
  options.calls_max = kWatchesMax;
  for (int i = 0; i < threads.size(); ++i) {
    NetworkThread& thread = threads.at(i);
    thread.calls().AddMethod(path, options, [&thread, watched](Call& call) { return std::make_unique<WatchDoor<Request, Watched>>(call, thread, watched); });
  }
}

}  // namespace cordwood::broker
