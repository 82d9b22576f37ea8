// SPDX-License-Identifier: Apache-2.0
// Produce and ProduceStream: between a call's bytes and the produce handler.
#pragma once

#include <cstddef>
#include <memory>
#include <optional>
#include <span>
#include <vector>

#include "broker/grpc/call.h"
#include "broker/grpc/log_wire.h"
#include "broker/handlers/produce_handler.h"

namespace cordwood::broker {

class ProduceDoor;

// What the produce calls of one thread share. Of that thread.
class ProduceDoors {
 public:
  ProduceDoors(ProduceHandler& handler, BytesPool& buffers, AnswerEncoder& encoder, Clock& clock)
      : handler_(handler), buffers_(buffers), encoder_(encoder), clock_(clock) {}

  // Outcomes of one turn leave in one answer per call.
  void FlushLater(ProduceDoor& door) { dirty_.push_back(&door); }
  void Forget(ProduceDoor& door);
  bool RunTurn();
  ProduceHandler& handler() { return handler_; }
  AnswerEncoder& encoder() { return encoder_; }
  // Valid until the next one.
  StatusOr<ProduceRequest*> Parse(grpc::ByteBuffer message);

 private:
  ProduceHandler& handler_;
  BytesPool& buffers_;
  AnswerEncoder& encoder_;
  Clock& clock_;
  ProduceRequest request_;
  std::vector<ProduceDoor*> dirty_;
};

// What is to be answered next. Its outcomes' memory goes round: into a slot here, and in exchange back to the handler.
class OutcomeQueue {
 public:
  void Add(ProduceOutcome& outcome);
  std::span<const ProduceOutcome> all() const { return {slots_.data(), size_}; }
  std::size_t size() const { return size_; }
  bool empty() const { return size_ == 0; }
  void Clear();

 private:
  static constexpr std::size_t kSlotsKeptMax = 32;
  std::vector<ProduceOutcome> slots_;
  std::size_t size_ = 0;
};

// A unary call ends with the one answer; a stream with the half-close, or with an error once everything read before it was answered.
class ProduceDoor final : public CallDoor, public ProduceListener {
 public:
  ProduceDoor(Call& call, ProduceDoors& doors, bool is_stream, std::size_t window_bytes);

  void OnMessage(grpc::ByteBuffer message, ByteCharge charge) override;
  void OnRefused(const Status& status) override { EndWith(status); }
  void OnHalfClose() override;
  void OnWritten() override { Flush(); }
  void OnStop() override;
  void OnEnd() override;
  void OnOutcome(ProduceOutcome& outcome) override;
  void Flush();

 private:
  Status Take(grpc::ByteBuffer message, ByteCharge charge);
  void EndWith(Status status);

  Call& call_;
  ProduceDoors& doors_;
  const bool is_stream_;
  const std::size_t window_bytes_;
  const std::shared_ptr<ProduceStream> stream_;
  OutcomeQueue outcomes_;
  std::optional<Status> end_;   // how the call ends once all is answered
  bool dirty_ = false;          // in the list of the turn
  bool window_told_ = false;

  friend class ProduceDoors;
};

}  // namespace cordwood::broker
