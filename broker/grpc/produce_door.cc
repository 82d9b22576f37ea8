// SPDX-License-Identifier: Apache-2.0
// One answer at a time is on its way; what is done meanwhile goes with the next.
#include "broker/grpc/produce_door.h"

#include <algorithm>
#include <utility>

namespace cordwood::broker {
namespace {

// Whatever holds messages back, there may be many calls that read nothing.
constexpr absl::Duration kUnreadPatience = absl::Seconds(1);

// Of a request that was refused as a whole every entry is, so that nobody takes one for appended.
void RefuseAll(const ProduceRequest& request, const Status& why, ProduceOutcome* outcome) {
  std::size_t batches = 0;
  for (const ProduceEntry& entry : request.entries) batches += std::max<std::size_t>(1, entry.values.size());
  outcome->base_offsets.resize(batches, -1);
  outcome->failures.resize(std::max<std::size_t>(1, request.entries.size()));
  for (std::size_t i = 0; i < outcome->failures.size(); ++i) {
    outcome->failures[i].entry = static_cast<std::uint32_t>(i);
    outcome->failures[i].status = why;
  }
}

}  // namespace

ProduceDoors::ProduceDoors(ProduceHandler& handler, BytesPool& buffers, AnswerEncoder& encoder, std::size_t unread_bytes_max, Clock& clock)
    : handler_(handler), buffers_(buffers), encoder_(encoder), clock_(clock), unread_bytes_max_(unread_bytes_max), unread_(unread_bytes_max, kUnreadPatience) {}

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
  if (unread_bytes_ > unread_bytes_max_) {
    handler_.measures().ended_unread.Add(static_cast<std::uint64_t>(unread_.Shed(unread_bytes_, clock_.Monotonic())));
  }
  handler_.measures().unread_bytes.Set(static_cast<std::int64_t>(unread_bytes_));
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
  if (end_.has_value() || stream_->listener == nullptr) return;
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
  const bool is_outcome = !status.ok() && is_stream_;
  if (is_outcome) RefuseAll(*request, status, &refused);
  request->Clear();  // what was refused
  if (!is_outcome) return status;
  doors_.handler().measures().errors.Count(ReasonOf(status));
  OnOutcome(refused);
  return absl::OkStatus();
}

void ProduceDoor::OnOutcome(ProduceOutcome& outcome) {
  if (outcome.silent && is_stream_) {
    call_.Answered(outcome.window_bytes);
  } else {
    const std::size_t bytes = outcome.held_bytes();
    if (bytes > outcome.window_bytes) call_.Owe(bytes - std::exchange(outcome.window_bytes, bytes));
    Hold(outcome_bytes_ + bytes, answer_bytes_);
    outcomes_.Add(outcome);
  }
  if (dirty_) return;
  dirty_ = true;
  doors_.FlushLater(*this);
}

void ProduceDoor::OnWritten() {
  doors_.RemoveUnread(*this);
  Hold(outcome_bytes_, 0);
  Flush();
}

void ProduceDoor::Hold(std::size_t outcome_bytes, std::size_t answer_bytes) {
  doors_.CountUnread(outcome_bytes_ + answer_bytes_, outcome_bytes + answer_bytes);
  outcome_bytes_ = outcome_bytes;
  answer_bytes_ = answer_bytes;
}

void ProduceDoor::Flush() {
  if (stream_->listener == nullptr) return;
  if (!outcomes_.empty() && call_.unwritten() == 0) {
    grpc::ByteBuffer answer = doors_.encoder().Encode(outcomes_.all(), is_stream_ && !window_told_ ? window_bytes_ : 0);
    Hold(0, answer.Length());
    doors_.AddUnread(*this);
    call_.Write(std::move(answer));
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

void ProduceDoor::Silence() {
  stream_->listener = nullptr;
  outcomes_.Clear();
  Hold(0, 0);
}

void ProduceDoor::EndUnread() {
  Silence();
  call_.Cut("answers of this call went unread while those of all calls held too much memory");
}

void ProduceDoor::OnEnd() {
  Silence();
  doors_.RemoveUnread(*this);
  if (dirty_) doors_.Forget(*this);
  dirty_ = false;
}

}  // namespace cordwood::broker
