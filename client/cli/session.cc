// SPDX-License-Identifier: Apache-2.0
// Connecting, and protobuf's JSON.
#include "client/cli/session.h"

#include <google/protobuf/util/json_util.h>
#include <poll.h>

#include <algorithm>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/interrupt.h"
#include "client/cli/stdout_writer.h"
#include "client/failure.h"
#include "storage/base/clock.h"

namespace cordwood::client {
namespace {

constexpr absl::Duration kStartPatience = absl::Seconds(2);
constexpr int kStartPollMs = 20;

bool IsThisMachine(const std::string& address) {
  return address.rfind("127.", 0) == 0 || address.rfind("localhost:", 0) == 0 || address.rfind("[::1]:", 0) == 0;
}

// A broker on this machine may be about to start: where all addresses are of this machine and refuse, `connect` is called again for a while.
Status ConnectPatiently(const GlobalOptions& options, const std::vector<std::string>& addresses, const std::function<Status()>& connect) {
  const bool local = std::all_of(addresses.begin(), addresses.end(), IsThisMachine);
  const absl::Duration give_up = Clock::System().Monotonic() + std::min(kStartPatience, options.timeout);
  while (true) {
    const Status status = connect();
    const bool refused = MessageOf(status).find("(connection refused)") != std::string::npos;
    if (status.ok() || Interrupted() || !local || !refused || Clock::System().Monotonic() >= give_up) return status;
    poll(nullptr, 0, kStartPollMs);
  }
}

}  // namespace

StatusOr<std::unique_ptr<BrokerConnection>> ConnectToBroker(const GlobalOptions& options) {
  CORDWOOD_ASSIGN_OR_RETURN(const std::vector<std::string> addresses, ParseAddresses(options.brokers));
  ConnectOptions connect;
  connect.request_timeout = options.timeout;
  connect.connect_timeout = std::min(connect.connect_timeout, options.timeout);
  std::unique_ptr<BrokerConnection> connection;
  CORDWOOD_RETURN_IF_ERROR(ConnectPatiently(options, addresses, [&] {
    connection = std::make_unique<BrokerConnection>(addresses, connect);  // anew: a channel that was refused takes its time
    return connection->Connect();
  }));
  return connection;
}

std::chrono::milliseconds LibraryTimeout(const GlobalOptions& global) {
  return absl::ToChronoMilliseconds(std::clamp(global.timeout, absl::Milliseconds(1), absl::Hours(1)));
}

StatusOr<Client> ConnectClient(const GlobalOptions& options) {
  CORDWOOD_ASSIGN_OR_RETURN(const std::vector<std::string> addresses, ParseAddresses(options.brokers));
  ClientOptions connect;
  connect.request_timeout = LibraryTimeout(options);
  connect.connect_timeout = std::min(connect.connect_timeout, connect.request_timeout);
  std::optional<Client> client;
  CORDWOOD_RETURN_IF_ERROR(ConnectPatiently(options, addresses, [&] {
    auto connected = Client::Connect(options.brokers, connect);
    if (!connected) return ToStatus(connected.error().code(), connected.error().message());
    client = *std::move(connected);
    return absl::OkStatus();
  }));
  return *std::move(client);
}

Status PrintJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions print;
  print.add_whitespace = true;
  print.always_print_primitive_fields = true;
  print.preserve_proto_field_names = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, print).ok()) return absl::InternalError("the answer cannot be written as JSON");
  StdoutWriter out;
  out.Write(json);
  if (json.empty() || json.back() != '\n') out.Write("\n");
  out.Flush();
  return out.status();
}

}  // namespace cordwood::client
