// SPDX-License-Identifier: Apache-2.0
// Connecting, and protobuf's JSON.
#include "client/cli/session.h"

#include <google/protobuf/util/json_util.h>

#include <string>
#include <utility>

#include "client/cli/stdout_writer.h"

namespace cordwood::client {

StatusOr<std::unique_ptr<BrokerConnection>> ConnectToBroker(const GlobalOptions& options) {
  CORDWOOD_ASSIGN_OR_RETURN(std::vector<std::string> addresses, ParseAddresses(options.brokers));
  ConnectOptions connect;
  connect.request_timeout = options.timeout;
  connect.connect_timeout = std::min(connect.connect_timeout, options.timeout);
  auto connection = std::make_unique<BrokerConnection>(std::move(addresses), connect);
  CORDWOOD_RETURN_IF_ERROR(connection->Connect());
  return connection;
}

bool PrintJson(const google::protobuf::Message& message) {
  google::protobuf::util::JsonPrintOptions print;
  print.add_whitespace = true;
  print.always_print_primitive_fields = true;
  print.preserve_proto_field_names = true;
  std::string json;
  if (!google::protobuf::util::MessageToJsonString(message, &json, print).ok()) return false;
  StdoutWriter out;
  out.Write(json);
  if (json.empty() || json.back() != '\n') out.Write("\n");
  out.Flush();
  return out.error() == 0;
}

}  // namespace cordwood::client
