// SPDX-License-Identifier: Apache-2.0
// Each request is applied as it comes; answers leave while the transport takes them.
#include "broker/grpc/fetch_door.h"

#include <utility>

namespace cordwood::broker {
namespace {

constexpr std::size_t kAnswersUnwrittenMax = 2;  // one is being written, the next is ready

}  // namespace

FetchDoor::FetchDoor(Call& call, FetchHandler& handler, AnswerEncoder& encoder, bool is_stream)
    : call_(call), encoder_(encoder), is_stream_(is_stream), session_(handler.Open(is_stream, this)) {}

void FetchDoor::OnMessage(grpc::ByteBuffer message, ByteCharge) {
  asked_ = true;
  const StatusOr<FetchRequest> request = ParseFetchRequest(std::move(message));
  Status status = request.ok() ? session_->Apply(*request) : request.status();
  if (!status.ok()) call_.Finish(status);
}

void FetchDoor::OnHalfClose() {
  half_closed_ = true;
  if (!is_stream_) return call_.Finish(Error(Reason::kMalformedRequest, "a unary call without a message"));
  if (session_->spent()) call_.Finish(absl::OkStatus());
}

void FetchDoor::OnStop() {
  if (!is_stream_ && asked_) return session_->AnswerNow();
  call_.Finish(Error(Reason::kShuttingDown, "the broker is stopping"));
}

void FetchDoor::OnAnswer(FetchAnswer& answer) {
  call_.Write(encoder_.Encode(answer));
  if (!is_stream_ || (half_closed_ && session_->spent())) call_.Finish(absl::OkStatus());
}

bool FetchDoor::CanTake() const { return call_.unwritten() < kAnswersUnwrittenMax; }

}  // namespace cordwood::broker
