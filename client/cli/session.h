// SPDX-License-Identifier: Apache-2.0
// One command's connection to the brokers.
#pragma once

#include <memory>

#include "client/cli/failure.h"
#include "client/cli/options.h"
#include "client/internal/broker_connection.h"

namespace google::protobuf {
class Message;
}

namespace cordwood::client {

// Connected, or why not; a wrong address list is INVALID_REQUEST. Bounded by a few seconds per address.
StatusOr<std::unique_ptr<BrokerConnection>> ConnectToBroker(const GlobalOptions& options);

// The RPC's answer as protobuf JSON on stdout: proto field names, every field, one document. False if stdout is gone or full.
bool PrintJson(const google::protobuf::Message& message);

}  // namespace cordwood::client
