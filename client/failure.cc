// SPDX-License-Identifier: Apache-2.0
// Status to Failure: code, message, advice.
#include "client/failure.h"

#include <utility>

#include "client/internal/rpc_error.h"

namespace cordwood::client {
namespace {

Failure Make(const Status& status, bool definite) {
  const std::chrono::milliseconds retry_after(absl::ToInt64Milliseconds(RetryAfter(status)));
  const Errc code = IsTransportError(status) ? Errc::kTransport : static_cast<Errc>(ReasonOf(status));
  return {code, MessageOf(status), definite, IsRetriable(status), retry_after};
}

}  // namespace

Failure ToFailure(const Status& status) {
  return Make(status, IsNeverSent(status) || (!IsTransportError(status) && CertaintyOf(ReasonOf(status)) == Certainty::kDefinite));
}

Failure ToRefusal(const Status& status) { return Make(status, /*definite=*/true); }

Result<void> ToResult(const Status& status) {
  if (status.ok()) return {};
  return ToFailure(status);
}

Status ToStatus(Errc code, std::string message) {
  if (code == Errc::kTransport) return TransportError(std::move(message));
  const auto reason = ReasonFromNumber(static_cast<int>(code)).value_or(Reason::kUnknownServerError);
  return Error(reason == Reason::kNone ? Reason::kUnknownServerError : reason, std::move(message));
}

}  // namespace cordwood::client
