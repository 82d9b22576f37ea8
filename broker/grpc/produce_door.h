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
#include "broker/handlers/limits/unread_answers.h"
#include "broker/handlers/produce_handler.h"

namespace cordwood::broker {

class ProduceDoor;

// What the produce calls of one thread share. Of that thread.
class ProduceDoors {
 public:
  ProduceDoors(ProduceHandler& handler, BytesPool& buffers, AnswerEncoder& encoder, std::size_t unread_bytes_max, Clock& clock);

  // Outcomes of one turn leave in one answer per call.
  void FlushLater(ProduceDoor& door) { dirty_.push_back(&door); }
  void Forget(ProduceDoor& door);
  bool RunTurn();
  ProduceHandler& handler() { return handler_; }
  AnswerEncoder& encoder() { return encoder_; }
  // Valid until the next one.
  StatusOr<ProduceRequest*> Parse(grpc::ByteBuffer message);
  // What the outcomes and the answer of one call hold that its client has not read.
  void CountUnread(std::size_t before, std::size_t after) { unread_bytes_ += after - before; }
  // A call whose answer is on its way, until it is not: beyond the most that all may hold the oldest is ended.
  void AddUnread(UnreadCall& call) { unread_.Add(call, clock_.Monotonic()); }
  void RemoveUnread(UnreadCall& call) { unread_.Remove(call); }

 private:
  ProduceHandler& handler_;
  BytesPool& buffers_;
  AnswerEncoder& encoder_;
  Clock& clock_;
  ProduceRequest request_;
  std::vector<ProduceDoor*> dirty_;
  const std::size_t unread_bytes_max_;
  std::size_t unread_bytes_ = 0;
  UnreadAnswers unread_;
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
// What is refused may weigh more than the message that asked for it, so outcomes count in the call's window with what they hold.
class ProduceDoor final : public CallDoor, public ProduceListener, private UnreadCall {
 public:
  ProduceDoor(Call& call, ProduceDoors& doors, bool is_stream, std::size_t window_bytes);

  void OnMessage(grpc::ByteBuffer message, ByteCharge charge) override;
  void OnRefused(const Status& status) override { EndWith(status); }
  void OnHalfClose() override;
  void OnWritten() override;
  void OnStop() override;
  void OnEnd() override;
  void OnOutcome(ProduceOutcome& outcome) override;
  void Flush();

 private:
  Status Take(grpc::ByteBuffer message, ByteCharge charge);
  void EndWith(Status status);
  void EndUnread() override;
  void Silence();  // nobody hears of outcomes any more
  void Hold(std::size_t outcome_bytes, std::size_t answer_bytes);

  Call& call_;
  ProduceDoors& doors_;
  const bool is_stream_;
  const std::size_t window_bytes_;
  const std::shared_ptr<ProduceStream> stream_;
  OutcomeQueue outcomes_;
  std::optional<Status> end_;   // how the call ends once all is answered
  bool dirty_ = false;          // in the list of the turn
  bool window_told_ = false;
  std::size_t outcome_bytes_ = 0;  // held by outcomes_
  std::size_t answer_bytes_ = 0;   // by the answer on its way

  friend class ProduceDoors;
};

}  // namespace cordwood::broker
