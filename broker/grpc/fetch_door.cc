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
  const Status status = request.ok() ? session_->Apply(*request) : request.status();
  if (!status.ok()) End(status);
}

// The status may have to wait behind answers that nobody reads: what is not among them yet is dropped now.
void FetchDoor::End(const Status& status) {
  session_->Stop();
  call_.Finish(status);
}

void FetchDoor::OnHalfClose() {
  half_closed_ = true;
  if (!is_stream_) return End(Error(Reason::kMalformedRequest, "a unary call without a message"));
  if (session_->spent()) call_.Finish(absl::OkStatus());
}

void FetchDoor::OnStop() {
  if (!is_stream_ && asked_) return session_->AnswerNow();
  End(Error(Reason::kShuttingDown, "the broker is stopping"));
}

void FetchDoor::OnAnswer(FetchAnswer& answer) {
  call_.Write(encoder_.Encode(answer));
  if (!is_stream_ || (half_closed_ && session_->spent())) call_.Finish(absl::OkStatus());
}

void FetchDoor::OnUnread() { call_.Cut("answers of this call went unread while those of all calls held too much memory"); }

bool FetchDoor::CanTake() const { return call_.unwritten() < kAnswersUnwrittenMax; }

}  // namespace cordwood::broker
