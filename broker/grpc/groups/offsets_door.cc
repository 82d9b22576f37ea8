// SPDX-License-Identifier: Apache-2.0
#include "broker/grpc/groups/offsets_door.h"

#include <algorithm>
#include <memory>
#include <utility>

#include "broker/grpc/groups/group_wire.h"

namespace cordwood::broker {

void OffsetsDoor::OnMessage(grpc::ByteBuffer message, ByteCharge charge) {
  asked_ = true;
  charge_ = std::move(charge);
  const Status status = method_ == Method::kCommit ? Commit(std::move(message)) : Fetch(std::move(message));
  if (!status.ok()) call_.Finish(status);
}

template <class Result>
std::function<void(Result)> OffsetsDoor::Later(void (OffsetsDoor::*answer)(const Result&)) {
  return [doors = &doors_, id = id_, answer](Result result) {
    doors->thread().Run([doors, id, answer, result = std::move(result)] {
      if (OffsetsDoor* door = doors->FindCall(id); door != nullptr) (door->*answer)(result);
    });
  };
}

Status OffsetsDoor::Commit(grpc::ByteBuffer bytes) {
  v1::CommitOffsetsRequest request;
  CORDWOOD_RETURN_IF_ERROR(ParseMessage(std::move(bytes), request));
  CORDWOOD_ASSIGN_OR_RETURN(CommitOffsets event, CommitOf(request, *doors_.image(), places_, response_));
  doors_.driver().Commit(request.group(), std::move(event), Later(&OffsetsDoor::OnCommitted));
  return absl::OkStatus();
}

void OffsetsDoor::OnCommitted(const StatusOr<std::vector<Status>>& entries) {
  if (!entries.ok()) return call_.Finish(entries.status());
  for (std::size_t i = 0; i < entries->size(); ++i) {
    if (!(*entries)[i].ok()) AddCommitError(places_[i], (*entries)[i], *response_.mutable_errors());
  }
  std::sort(response_.mutable_errors()->pointer_begin(), response_.mutable_errors()->pointer_end(),
            [](const v1::CommitError* a, const v1::CommitError* b) { return a->entry() < b->entry(); });
  call_.Write(SerializeMessage(response_));
  call_.Finish(absl::OkStatus());
}

Status OffsetsDoor::Fetch(grpc::ByteBuffer bytes) {
  CORDWOOD_RETURN_IF_ERROR(ParseMessage(std::move(bytes), request_));
  CORDWOOD_RETURN_IF_ERROR(CheckAsked(request_));
  image_ = doors_.image();
  doors_.driver().Fetch(request_.group(), AskedOf(request_, *image_), Later(&OffsetsDoor::OnFetched));
  return absl::OkStatus();
}

void OffsetsDoor::OnFetched(const StatusOr<FetchedOffsets>& offsets) {
  if (!offsets.ok()) return call_.Finish(offsets.status());
  call_.Write(SerializeMessage(AnswerOf(request_, *offsets, *image_)));
  call_.Finish(absl::OkStatus());
}

void OffsetsDoor::OnHalfClose() {
  if (!asked_) call_.Finish(Error(Reason::kMalformedRequest, "a unary call without a message"));
}

void OffsetsDoor::OnStop() {
  if (!asked_) call_.Finish(Error(Reason::kShuttingDown, "the broker is stopping"));  // else its answer is coming
}

}  // namespace cordwood::broker
