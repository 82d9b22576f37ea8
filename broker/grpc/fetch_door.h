// SPDX-License-Identifier: Apache-2.0
// Fetch and FetchStream: between a call's bytes and a fetch session.
#pragma once

#include <memory>

#include "broker/grpc/call.h"
#include "broker/grpc/log_wire.h"
#include "broker/handlers/fetch_session.h"

namespace cordwood::broker {

// A stream whose client has half-closed goes on until its credit is spent.
class FetchDoor final : public CallDoor, public FetchListener {
 public:
  FetchDoor(Call& call, FetchHandler& handler, AnswerEncoder& encoder, bool is_stream);

  void OnMessage(grpc::ByteBuffer message, ByteCharge charge) override;
  void OnRefused(const Status& status) override { End(status); }
  void OnHalfClose() override;
  void OnWritten() override { session_->OnWritten(); }
  void OnStop() override;
  void OnEnd() override { session_->Close(); }
  void OnAnswer(FetchAnswer& answer) override;
  bool CanTake() const override;
  void OnUnread() override;

 private:
  void End(const Status& status);

  Call& call_;
  AnswerEncoder& encoder_;
  const bool is_stream_;
  const std::shared_ptr<FetchSession> session_;
  bool asked_ = false;  // a request is here
  bool half_closed_ = false;
};

}  // namespace cordwood::broker
