// SPDX-License-Identifier: Apache-2.0
// Channels as measured for gRPC 1.51 (docs/explanation: flow control), addresses, connecting, cancelling.
#include "client/internal/broker_connection.h"

#include <grpcpp/client_context.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>
#include <grpcpp/support/channel_arguments.h>

#include <charconv>
#include <chrono>
#include <utility>

#include "client/internal/rpc_error.h"
#include "cordwood/v1/log.grpc.pb.h"
#include "storage/base/check.h"

namespace cordwood::client {
namespace {

Status BadAddress(std::string_view part, std::string_view why) {
  std::string message = "broker address \"";
  message.append(part).append("\": ").append(why);
  return Error(Reason::kInvalidRequest, std::move(message));
}

StatusOr<std::string> ParseAddress(std::string_view part) {
  std::string_view host = part;
  std::string_view port;
  const bool bracketed = !part.empty() && part.front() == '[';
  const std::size_t end_of_host = bracketed ? part.find(']') : part.find(':');
  if (bracketed) {
    if (end_of_host == std::string_view::npos) return BadAddress(part, "\"]\" is missing");
    host = part.substr(0, end_of_host + 1);
    port = part.substr(end_of_host + 1);
    if (!port.empty() && port.front() != ':') return BadAddress(part, "after \"]\" comes \":PORT\"");
    if (!port.empty()) port.remove_prefix(1);
    if (host.size() < 3) return BadAddress(part, "the host is missing");
  } else if (end_of_host != std::string_view::npos) {
    host = part.substr(0, end_of_host);
    port = part.substr(end_of_host + 1);
    if (port.find(':') != std::string_view::npos) return BadAddress(part, "an IPv6 address stands in brackets: [::1]:9600");
    if (port.empty()) return BadAddress(part, "the port is missing");
  }
  if (host.empty()) return BadAddress(part, "the host is missing");
  unsigned number = kDefaultPort;
  if (!port.empty()) {
    const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), number);
    if (error != std::errc() || end != port.data() + port.size() || number == 0 || number > 65535) {
      return BadAddress(part, "the port is a number from 1 to 65535");
    }
  }
  return std::string(host) + ":" + std::to_string(number);
}

std::shared_ptr<grpc::Channel> MakeChannel(const std::string& address, const ConnectOptions& options) {
  grpc::ChannelArguments arguments;
  arguments.SetInt("grpc.use_local_subchannel_pool", 1);
  // Without these a stalled stream buffers tens of megabytes.
  arguments.SetInt("grpc.http2.bdp_probe", 0);
  arguments.SetInt("grpc.http2.lookahead_bytes", 1 << 20);
  arguments.SetInt("grpc.http2.max_frame_size", 1 << 20);
  arguments.SetInt("grpc.initial_reconnect_backoff_ms", 50);
  arguments.SetInt("grpc.max_reconnect_backoff_ms", 1000);
  arguments.SetInt("grpc.min_reconnect_backoff_ms", static_cast<int>(absl::ToInt64Milliseconds(options.connect_timeout)));
  const int keepalive_ms = static_cast<int>(absl::ToInt64Milliseconds(options.keepalive));
  arguments.SetInt("grpc.keepalive_time_ms", keepalive_ms);
  arguments.SetInt("grpc.keepalive_timeout_ms", keepalive_ms);
  arguments.SetInt("grpc.http2.max_pings_without_data", 0);  // no maximum: a consumer at the end of its log sends nothing else
  arguments.SetInt("grpc.enable_http_proxy", 0);
  arguments.SetMaxReceiveMessageSize(kReceiveBytesMax);
  arguments.SetMaxSendMessageSize(-1);
  return grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
}

// A channel does not tell why it cannot connect, but a call that fails on it does, at the end of a chain of "a: b: c".
std::string WhyNotConnected(const std::shared_ptr<grpc::Channel>& channel, absl::Duration timeout) {
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoNanoseconds(timeout));
  v1::GetMetadataRequest request;
  request.set_brokers_only(true);
  v1::GetMetadataResponse response;
  return InShort(FromGrpc(v1::Log::NewStub(channel)->GetMetadata(&context, request, &response)));
}

// Why a channel could not connect, or "" once it has.
std::string WaitForChannel(const std::shared_ptr<grpc::Channel>& channel, absl::Duration timeout) {
  const auto deadline = std::chrono::system_clock::now() + absl::ToChronoNanoseconds(timeout);
  grpc_connectivity_state state = channel->GetState(/*try_to_connect=*/true);
  while (state != GRPC_CHANNEL_READY) {
    if (state == GRPC_CHANNEL_TRANSIENT_FAILURE || state == GRPC_CHANNEL_SHUTDOWN) return WhyNotConnected(channel, timeout);
    if (!channel->WaitForStateChange(state, deadline)) return "no answer within " + absl::FormatDuration(timeout);
    state = channel->GetState(true);
  }
  return "";
}

}  // namespace

StatusOr<std::vector<std::string>> ParseAddresses(std::string_view list) {
  std::vector<std::string> addresses;
  while (true) {
    const std::size_t comma = list.find(',');
    CORDWOOD_ASSIGN_OR_RETURN(std::string address, ParseAddress(list.substr(0, comma)));
    addresses.push_back(std::move(address));
    if (comma == std::string_view::npos) return addresses;
    list.remove_prefix(comma + 1);
  }
}

BrokerConnection::BrokerConnection(std::vector<std::string> addresses, const ConnectOptions& options)
    : addresses_(std::move(addresses)), options_(options) {
  CORDWOOD_CHECK(!addresses_.empty());
}

BrokerConnection::~BrokerConnection() = default;

std::shared_ptr<grpc::Channel> BrokerConnection::channel() {
  MutexLock lock(mu_);
  if (channel_ == nullptr) channel_ = MakeChannel(addresses_[current_], options_);
  return channel_;
}

void BrokerConnection::MoveOn(const std::shared_ptr<grpc::Channel>& channel) {
  MutexLock lock(mu_);
  if (channel_ != channel || addresses_.size() == 1) return;
  current_ = (current_ + 1) % addresses_.size();
  channel_ = nullptr;
}

std::string BrokerConnection::address() const {
  MutexLock lock(mu_);
  return addresses_[current_];
}

Status BrokerConnection::Connect() {
  std::string tried;
  for (std::size_t i = 0; i < addresses_.size(); ++i) {
    const std::shared_ptr<grpc::Channel> next = channel();
    const std::string why = WaitForChannel(next, options_.connect_timeout);
    if (why.empty()) return absl::OkStatus();
    tried += (i == 0 ? "" : ", ") + address() + " (" + why + ")";
    MoveOn(next);
  }
  return TransportError("cannot reach any broker: tried " + tried);
}

void BrokerConnection::Prepare(grpc::ClientContext* context, absl::Duration timeout) const {
  context->set_deadline(std::chrono::system_clock::now() + absl::ToChronoNanoseconds(std::min(options_.request_timeout, timeout)));
}

void Cancellation::Cancel() {
  MutexLock lock(mu_);
  cancelled_ = true;
  for (grpc::ClientContext* call : calls_) call->TryCancel();
}

Cancellation::Scope::Scope(Cancellation* cancellation, grpc::ClientContext* context) : cancellation_(cancellation), context_(context) {
  if (cancellation_ == nullptr) return;
  MutexLock lock(cancellation_->mu_);
  cancellation_->calls_.insert(context_);
  if (cancellation_->cancelled_) context_->TryCancel();  // takes effect once the call begins
}

Cancellation::Scope::~Scope() {
  if (cancellation_ == nullptr) return;
  MutexLock lock(cancellation_->mu_);
  cancellation_->calls_.erase(context_);
}

}  // namespace cordwood::client
