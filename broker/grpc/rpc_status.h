// SPDX-License-Identifier: Apache-2.0
// Our Status as gRPC's, with its Reason in grpc-status-details-bin.
#pragma once

#include <grpcpp/support/status.h>

#include <cstdint>

#include "storage/base/reason.h"

namespace cordwood::broker {

// OK stays OK. The details are a google.rpc.Status that holds one cordwood.v1.ErrorDetail.
grpc::Status ToGrpcStatus(const Status& status, std::int64_t retry_after_ms = 0);
// The reason in such a status; kNone for OK, kUnknownServerError where there is none.
Reason ReasonInGrpcStatus(const grpc::Status& status);

}  // namespace cordwood::broker
