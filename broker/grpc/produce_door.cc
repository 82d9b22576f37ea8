// SPDX-License-Identifier: Apache-2.0
// One answer at a time is on its way; what is done meanwhile goes with the next.
#include "broker/grpc/produce_door.h"

#include <algorithm>
#include <utility>

namespace cordwood::broker {

void ProduceDoors::Forget(ProduceDoor& door) { std::replace(dirty_.begin(), dirty_.end(), &door, static_cast<ProduceDoor*>(nullptr)); }

StatusOr<ProduceRequest*> ProduceDoors::Parse(grpc::ByteBuffer message) {
  const Status status = ParseProduceRequest(std::move(message), clock_.WallMs(), buffers_, &request_);
  if (status.ok()) return &request_;
  request_.Clear();
  return status;
}

bool ProduceDoors::RunTurn() {
  for (std::size_t i = 0; i < dirty_.size(); ++i) {
    if (dirty_[i] == nullptr) continue;
    dirty_[i]->dirty_ = false;
    dirty_[i]->Flush();
  }
  dirty_.clear();
  return false;
}

void OutcomeQueue::Add(ProduceOutcome& outcome) {
  if (size_ == slots_.size()) slots_.emplace_back();
  std::swap(slots_[size_++], outcome);
}

void OutcomeQueue::Clear() {
  for (std::size_t i = 0; i < size_; ++i) slots_[i].Clear();
  if (slots_.size() > kSlotsKeptMax) slots_.resize(kSlotsKeptMax);
  size_ = 0;
}

ProduceDoor::ProduceDoor(Call& call, ProduceDoors& doors, bool is_stream, std::size_t window_bytes)
    : call_(call), doors_(doors), is_stream_(is_stream), window_bytes_(window_bytes), stream_(std::make_shared<ProduceStream>(is_stream, this)) {
  stream_->deadline = call.context().deadline;
}

void ProduceDoor::OnMessage(grpc::ByteBuffer message, ByteCharge charge) {
  if (end_.has_value()) return;
  const std::size_t bytes = charge.bytes();
  Status status = Take(std::move(message), std::move(charge));
  if (status.ok()) return;
  call_.Answered(bytes);
  EndWith(std::move(status));
}

// An error ends the call. What is wrong with a stream's message alone is an outcome.
Status ProduceDoor::Take(grpc::ByteBuffer message, ByteCharge charge) {
  CORDWOOD_ASSIGN_OR_RETURN(ProduceRequest* const request, doors_.Parse(std::move(message)));
  request->charge = std::move(charge);
  ProduceOutcome refused;
  refused.seq = request->seq;
  refused.window_bytes = request->charge.bytes();
  Status status = doors_.handler().Produce(stream_, std::move(*request));
  request->Clear();  // what was refused
  if (status.ok() || !is_stream_) return status;
  doors_.handler().CountRefused(status);
  refused.failures.emplace_back().status = std::move(status);
  OnOutcome(refused);
  return absl::OkStatus();
}

void ProduceDoor::OnOutcome(ProduceOutcome& outcome) {
  if (outcome.silent && is_stream_) {
    call_.Answered(outcome.window_bytes);
  } else {
    outcomes_.Add(outcome);
  }
  if (dirty_) return;
  dirty_ = true;
  doors_.FlushLater(*this);
}

void ProduceDoor::Flush() {
  if (!outcomes_.empty() && call_.unwritten() == 0) {
    call_.Write(doors_.encoder().Encode(outcomes_.all(), is_stream_ && !window_told_ ? window_bytes_ : 0));
    window_told_ = true;
    std::size_t bytes = 0;
    for (const ProduceOutcome& outcome : outcomes_.all()) bytes += outcome.window_bytes;
    outcomes_.Clear();
    if (!is_stream_ && !end_.has_value()) end_ = absl::OkStatus();
    call_.Answered(bytes);
  }
  if (end_.has_value() && outcomes_.empty() && stream_->unanswered == 0) call_.Finish(*end_);
}

void ProduceDoor::EndWith(Status status) {
  if (!end_.has_value()) end_ = std::move(status);
  Flush();
}

void ProduceDoor::OnHalfClose() {
  EndWith(is_stream_ ? absl::OkStatus() : Error(Reason::kMalformedRequest, "a unary call without a message"));
}

void ProduceDoor::OnStop() {
  if (!is_stream_ && stream_->unanswered + outcomes_.size() > 0) return;  // its answer is coming
  EndWith(Error(Reason::kShuttingDown, "the broker is stopping"));
}

void ProduceDoor::OnEnd() {
  stream_->listener = nullptr;
  outcomes_.Clear();
  if (dirty_) doors_.Forget(*this);
  dirty_ = false;
}

}  // namespace cordwood::broker
