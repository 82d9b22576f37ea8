// SPDX-License-Identifier: Apache-2.0
// Where logs begin and end, asked without waiting.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <utility>

#include "client/internal/broker_connection.h"
#include "client/internal/call.h"
#include "cordwood/v1/log.pb.h"
#include "storage/base/mutex.h"

namespace cordwood::client {

// One question at a time.
// Threading: one caller's thread at a time. `loop` and `connection` must outlive it.
class OffsetQuery {
 public:
  // on_answer: on the loop, when Take() has one.
  OffsetQuery(ClientLoop& loop, BrokerConnection& connection, std::function<void()> on_answer)
      : loop_(loop), connection_(connection), on_answer_(std::move(on_answer)) {}
  ~OffsetQuery() { Shutdown(); }
  OffsetQuery(const OffsetQuery&) = delete;
  OffsetQuery& operator=(const OffsetQuery&) = delete;

  // An earlier question is forgotten, answered or not.
  void Ask(const v1::ListOffsetsRequest& request);
  // Once for each question; nullopt: not yet.
  std::optional<StatusOr<v1::ListOffsetsResponse>> Take();
  void Shutdown();  // waits for nobody. Idempotent

 private:
  void Answer(StatusOr<v1::ListOffsetsResponse> answer);  // loop

  ClientLoop& loop_;
  BrokerConnection& connection_;
  const std::function<void()> on_answer_;
  std::shared_ptr<grpc::Channel> channel_;  // loop; of call_
  Call::Handle call_;                       // loop
  v1::ListOffsetsResponse response_;        // loop
  Mutex mu_;
  std::optional<StatusOr<v1::ListOffsetsResponse>> answer_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cordwood::client
