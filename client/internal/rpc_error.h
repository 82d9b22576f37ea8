// SPDX-License-Identifier: Apache-2.0
// Statuses as they come over the wire, made into ours: code, reason, advice.
#pragma once

#include <string>

#include "absl/time/time.h"
#include "storage/base/reason.h"

namespace grpc {
class Status;
}
namespace cordwood::v1 {
class EntryError;
}

namespace cordwood::client {

// With the reason of the ErrorDetail where there is one; otherwise gRPC's code, and ReasonOf() says UNKNOWN_SERVER_ERROR.
Status FromGrpc(const grpc::Status& status);
// OK for reason NONE. A number we do not know becomes UNKNOWN_SERVER_ERROR with the number in the message.
Status FromEntryError(const v1::EntryError& error);

// Whether the same request may succeed later, so that a client tries again by itself.
bool IsRetriable(const Status& status);
// How long the broker asked to wait; zero if it did not say.
absl::Duration RetryAfter(const Status& status);
// For people: of gRPC's chains of "a: b: c" the last, "connection refused".
std::string InShort(const Status& status);
// Unavailable, as the transport says it.
Status TransportError(std::string message);
// The same status of what never left this process: nothing was appended, whatever its reason says in general.
Status NeverSent(Status status);
bool IsNeverSent(const Status& status);
// A status without a reason of the broker: it was the transport that failed.
bool IsTransportError(const Status& status);

}  // namespace cordwood::client
