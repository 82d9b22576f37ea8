// SPDX-License-Identifier: Apache-2.0
// Connecting. NewProducer() and NewConsumer() stand beside their classes.
#include "cordwood/client.h"

#include <utility>

#include "client/bounds.h"
#include "client/connection.h"
#include "client/failure.h"
#include "client/fork.h"

namespace cordwood {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTimeoutMax = std::chrono::hours(1);
constexpr milliseconds kKeepaliveMin = std::chrono::seconds(5);  // a broker takes more for an attack

Status Check(const ClientOptions& options) {
  CORDWOOD_RETURN_IF_ERROR(client::CheckBounds("ClientOptions::connect_timeout", options.connect_timeout, milliseconds(1), kTimeoutMax));
  CORDWOOD_RETURN_IF_ERROR(client::CheckBounds("ClientOptions::request_timeout", options.request_timeout, milliseconds(1), kTimeoutMax));
  return client::CheckBounds("ClientOptions::keepalive", options.keepalive, kKeepaliveMin, kTimeoutMax);
}

}  // namespace

Client::Client(std::shared_ptr<client::SharedConnection> connection) : connection_(std::move(connection)) {}

Result<Client> Client::Connect(std::string_view addresses, const ClientOptions& options) {
  client::CountForks();
  if (client::InForkedChild()) return client::AfterFork();
  if (const Status status = Check(options); !status.ok()) return client::ToFailure(status);
  auto parsed = client::ParseAddresses(addresses);
  if (!parsed.ok()) return client::ToFailure(parsed.status());
  client::ConnectOptions connect;
  connect.connect_timeout = absl::FromChrono(options.connect_timeout);
  connect.request_timeout = absl::FromChrono(options.request_timeout);
  connect.keepalive = absl::FromChrono(options.keepalive);
  auto connection = client::SharedConnection::Make(*std::move(parsed), connect, options.on_exception);
  if (const Status status = connection->broker.Connect(); !status.ok()) return client::ToRefusal(status);
  return Client(std::move(connection));
}

Admin Client::admin() const { return Admin(connection_); }

}  // namespace cordwood
