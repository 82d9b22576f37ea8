// SPDX-License-Identifier: Apache-2.0
// One command's connection to the brokers.
#pragma once

#include <chrono>
#include <memory>

#include "client/cli/failure.h"
#include "client/cli/options.h"
#include "client/internal/broker_connection.h"
#include "cordwood/client.h"

namespace google::protobuf {
class Message;
}

namespace cordwood::client {

// Connected, or why not; a wrong address list is INVALID_REQUEST. Bounded by a few seconds per address. Where all addresses
// are this machine's and refuse, it tries for up to 2 s: a broker that was started a moment ago does not listen yet.
StatusOr<std::unique_ptr<BrokerConnection>> ConnectToBroker(const GlobalOptions& options);
// The same through the library.
StatusOr<Client> ConnectClient(const GlobalOptions& options);
// The timeout of the command line as the library takes it.
std::chrono::milliseconds LibraryTimeout(const GlobalOptions& global);

// The RPC's answer as protobuf JSON on stdout: proto field names, every field, one document. UNKNOWN if stdout takes it not, as on a full disk.
Status PrintJson(const google::protobuf::Message& message);

}  // namespace cordwood::client
