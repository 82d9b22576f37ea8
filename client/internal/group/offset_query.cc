// SPDX-License-Identifier: Apache-2.0
// ListOffsets as a call on the loop.
#include "client/internal/group/offset_query.h"

#include <utility>

#include "client/internal/rpc_error.h"

namespace cordwood::client {
namespace {

constexpr char kListOffsets[] = "/cordwood.v1.Log/ListOffsets";

}  // namespace

void OffsetQuery::Ask(const v1::ListOffsetsRequest& request) {
  loop_.Run([&] {
    {
      MutexLock lock(mu_);
      answer_.reset();
    }
    channel_ = connection_.channel();
    response_.Clear();
    CallEvents events;
    events.on_message = [this](const SharedBytes& message) {
      if (!response_.ParseFromArray(message.view().data(), static_cast<int>(message.size()))) response_.Clear();
    };
    events.on_end = [this](const Status& status) {
      call_.Reset();
      if (IsTransportError(status) && IsRetriable(status)) connection_.MoveOn(channel_);
      if (status.ok()) {
        Answer(std::move(response_));
      } else {
        Answer(status);
      }
    };
    call_ = loop_.Open(channel_, kListOffsets, std::move(events), connection_.options().request_timeout);
    call_.Write({request.SerializeAsString()});
    call_.FinishWriting();
  });
}

void OffsetQuery::Answer(StatusOr<v1::ListOffsetsResponse> answer) {
  {
    MutexLock lock(mu_);
    answer_ = std::move(answer);
  }
  on_answer_();
}

std::optional<StatusOr<v1::ListOffsetsResponse>> OffsetQuery::Take() {
  MutexLock lock(mu_);
  return std::exchange(answer_, std::nullopt);
}

void OffsetQuery::Shutdown() {
  loop_.Run([this] { call_.Reset(); });
}

}  // namespace cordwood::client
