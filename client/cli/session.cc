// SPDX-License-Identifier: Apache-2.0
// Connecting, and protobuf's JSON.
#include "client/cli/session.h"

#include <google/protobuf/util/json_util.h>
#include <poll.h>

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "client/cli/interrupt.h"
#include "client/cli/stdout_writer.h"
#include "storage/base/clock.h"

namespace cordwood::client {
namespace {

constexpr absl::Duration kStartPatience = absl::Seconds(2);
constexpr int kStartPollMs = 20;

bool IsThisMachine(const std::string& address) {
  return address.rfind("127.", 0) == 0 || address.rfind("localhost:", 0) == 0 || address.rfind("[::1]:", 0) == 0;
}

bool MayBeStarting(const BrokerConnection& connection, const Status& status) {
  const std::vector<std::string>& addresses = connection.addresses();
  return std::all_of(addresses.begin(), addresses.end(), IsThisMachine) && MessageOf(status).find("(connection refused)") != std::string::npos;
}

}  // namespace

StatusOr<std::unique_ptr<BrokerConnection>> ConnectToBroker(const GlobalOptions& options) {
  CORDWOOD_ASSIGN_OR_RETURN(const std::vector<std::string> addresses, ParseAddresses(options.brokers));
  ConnectOptions connect;
  connect.request_timeout = options.timeout;
  connect.connect_timeout = std::min(connect.connect_timeout, options.timeout);
  const absl::Duration give_up = Clock::System().Monotonic() + std::min(kStartPatience, options.timeout);
  while (true) {
    auto connection = std::make_unique<BrokerConnection>(addresses, connect);  // anew: a channel that was refused takes its time
    const Status status = connection->Connect();
    if (status.ok()) return connection;
    if (Interrupted() || Clock::System().Monotonic() >= give_up || !MayBeStarting(*connection, status)) return status;
    poll(nullptr, 0, kStartPollMs);
  }
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
