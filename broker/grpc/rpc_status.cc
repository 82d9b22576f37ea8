// SPDX-License-Identifier: Apache-2.0
// The table from canonical codes to gRPC's is the identity: both have the same numbers.
#include "broker/grpc/rpc_status.h"

#include <string>

#include "cordwood/v1/error.pb.h"

namespace cordwood::broker {

grpc::Status ToGrpcStatus(const Status& status, std::int64_t retry_after_ms) {
  if (status.ok()) return grpc::Status::OK;
  // A method that nobody knows is no bug of the broker's, which the reason for statuses without one would say.
  if (status.code() == absl::StatusCode::kUnimplemented && ReasonOf(status) == Reason::kUnknownServerError) {
    return grpc::Status(grpc::StatusCode::UNIMPLEMENTED, MessageOf(status));
  }
  cordwood::v1::ErrorDetail detail;
  detail.set_reason(static_cast<cordwood::v1::Reason>(ReasonOf(status)));
  detail.set_retry_after_ms(retry_after_ms);
  cordwood::v1::RpcStatus packed;
  packed.set_code(static_cast<int>(status.code()));
  packed.set_message(MessageOf(status));
  cordwood::v1::PackedAny& any = *packed.add_details();
  any.set_type_url("type.googleapis.com/cordwood.v1.ErrorDetail");
  any.set_value(detail.SerializeAsString());
  return grpc::Status(static_cast<grpc::StatusCode>(status.code()), packed.message(), packed.SerializeAsString());
}

Reason ReasonInGrpcStatus(const grpc::Status& status) {
  if (status.ok()) return Reason::kNone;
  cordwood::v1::RpcStatus packed;
  cordwood::v1::ErrorDetail detail;
  if (!packed.ParseFromString(status.error_details()) || packed.details().empty() || !detail.ParseFromString(packed.details(0).value())) {
    return Reason::kUnknownServerError;
  }
  return ReasonFromNumber(detail.reason()).value_or(Reason::kUnknownServerError);
}

}  // namespace cordwood::broker
