// SPDX-License-Identifier: Apache-2.0
// Reads ErrorDetail out of google.rpc.Status, and judges what may be tried again.
#include "client/internal/rpc_error.h"

#include <grpcpp/support/status.h>

#include <algorithm>
#include <charconv>
#include <optional>
#include <string>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "cordwood/v1/error.pb.h"
#include "cordwood/v1/log.pb.h"

namespace cordwood::client {
namespace {

constexpr char kRetryAfterUrl[] = "cordwood/retry_after_ms";  // decimal
constexpr char kNeverSentUrl[] = "cordwood/never_sent";       // empty
constexpr char kTransportUrl[] = "cordwood/transport";        // empty

std::optional<v1::ErrorDetail> DetailOf(const grpc::Status& status) {
  v1::RpcStatus whole;
  if (status.error_details().empty() || !whole.ParseFromString(status.error_details())) return std::nullopt;
  for (const v1::PackedAny& packed : whole.details()) {
    v1::ErrorDetail detail;
    if (packed.type_url() == "type.googleapis.com/cordwood.v1.ErrorDetail" && detail.ParseFromString(packed.value())) return detail;
  }
  return std::nullopt;
}

Status WithRetryAfter(Status status, std::int64_t retry_after_ms) {
  if (retry_after_ms > 0) status.SetPayload(kRetryAfterUrl, absl::Cord(std::to_string(retry_after_ms)));
  return status;
}

}  // namespace

Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  if (const auto detail = DetailOf(status)) {
    const auto reason = ReasonFromNumber(detail->reason());
    if (reason.has_value() && *reason != Reason::kNone) {
      return WithRetryAfter(Error(*reason, status.error_message()), detail->retry_after_ms());
    }
  }
  Status plain(static_cast<absl::StatusCode>(status.error_code()), status.error_message());
  plain.SetPayload(kTransportUrl, absl::Cord());
  return plain;
}

Status FromEntryError(const v1::EntryError& error) {
  if (error.reason() == v1::NONE) return absl::OkStatus();
  const auto reason = ReasonFromNumber(error.reason());
  if (!reason.has_value()) {
    return Error(Reason::kUnknownServerError, "reason " + std::to_string(static_cast<int>(error.reason())) + ": " + error.message());
  }
  return WithRetryAfter(Error(*reason, error.message()), error.retry_after_ms());
}

Status TransportError(std::string message) { return FromGrpc(grpc::Status(grpc::StatusCode::UNAVAILABLE, std::move(message))); }

Status NeverSent(Status status) {
  status.SetPayload(kNeverSentUrl, absl::Cord());
  return status;
}

bool IsNeverSent(const Status& status) { return status.GetPayload(kNeverSentUrl).has_value(); }

bool IsTransportError(const Status& status) { return !status.ok() && status.GetPayload(kTransportUrl).has_value(); }

std::string InShort(const Status& status) {
  std::string why = MessageOf(status);
  if (IsTransportError(status)) {
    if (const std::size_t last = why.rfind(": "); last != std::string::npos) why.erase(0, last + 2);
    why = absl::AsciiStrToLower(why);
  }
  return why.empty() ? std::string(absl::StatusCodeToString(status.code())) : why;
}

bool IsRetriable(const Status& status) {
  if (status.ok()) return false;
  if (IsTransportError(status)) {
    switch (status.code()) {
      case absl::StatusCode::kUnavailable:
      case absl::StatusCode::kCancelled:
      case absl::StatusCode::kAborted:
      case absl::StatusCode::kDeadlineExceeded:
      case absl::StatusCode::kInternal:
      case absl::StatusCode::kUnknown: return true;
      default: return false;
    }
  }
  switch (ReasonOf(status)) {
    case Reason::kLeaderNotAvailable:
    case Reason::kCoordinatorLoadInProgress:
    case Reason::kCoordinatorNotAvailable:
    case Reason::kNotCoordinator:
    case Reason::kNotLeaderOrFollower:
    case Reason::kRequestTimedOut:
    case Reason::kNotEnoughReplicas:
    case Reason::kNotController:
    case Reason::kFencedLeaderEpoch:
    case Reason::kUnknownLeaderEpoch:
    case Reason::kThrottled:
    case Reason::kShuttingDown:
    case Reason::kUnknownHandle: return true;
    default: return false;
  }
}

absl::Duration RetryAfter(const Status& status) {
  const auto payload = status.GetPayload(kRetryAfterUrl);
  if (!payload.has_value()) return absl::ZeroDuration();
  const std::string digits(*payload);
  std::int64_t ms = 0;
  std::from_chars(digits.data(), digits.data() + digits.size(), ms);
  return absl::Milliseconds(std::clamp<std::int64_t>(ms, 0, 60'000));
}

}  // namespace cordwood::client
