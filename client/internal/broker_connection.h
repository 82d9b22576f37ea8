// SPDX-License-Identifier: Apache-2.0
// The way to a broker: addresses, one channel with our flow-control settings, blocking unary calls.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include <grpcpp/channel.h>
#include <grpcpp/client_context.h>

#include "absl/time/time.h"
#include "client/internal/rpc_error.h"
#include "storage/base/mutex.h"
#include "storage/base/reason.h"

namespace cordwood::client {

inline constexpr std::uint16_t kDefaultPort = 9600;
inline constexpr int kReceiveBytesMax = 64 * 1024 * 1024;  // of one message; a broker sends one batch whatever its size

// "host:port,host,[::1]:9600,…" -> "host:port" each. INVALID_REQUEST names the part that is wrong.
StatusOr<std::vector<std::string>> ParseAddresses(std::string_view list);

struct BackoffOptions {
  absl::Duration first = absl::Milliseconds(20);
  absl::Duration longest = absl::Seconds(1);
};

// The k-th wait is uniform in [d/2, d), d = min(first * 2^k, longest), so that many clients do not come back at once.
class Backoff {
 public:
  explicit Backoff(const BackoffOptions& options = {}, std::uint64_t seed = std::random_device()())
      : options_(options), random_(seed), next_(options.first) {}

  absl::Duration Next() {
    const absl::Duration ceiling = next_;
    next_ = std::min(next_ * 2, options_.longest);
    return ceiling * std::uniform_real_distribution<double>(0.5, 1.0)(random_);
  }
  void Reset() { next_ = options_.first; }  // after a success

 private:
  BackoffOptions options_;
  std::mt19937_64 random_;
  absl::Duration next_;
};

struct ConnectOptions {
  absl::Duration connect_timeout = absl::Seconds(3);   // per address
  absl::Duration request_timeout = absl::Seconds(30);  // of a unary call
  // While a call is open: a broker that was silent for so long is asked for a sign of life, and given up after as long again. A broker
  // takes no more than one such question in 5 s.
  absl::Duration keepalive = absl::Seconds(10);
};

// Any broker takes any request, so one good connection serves; when it breaks, the next address is tried.
// Threading: any thread.
class BrokerConnection {
 public:
  // addresses: at least one, as ParseAddresses gives them.
  explicit BrokerConnection(std::vector<std::string> addresses, const ConnectOptions& options = {});
  ~BrokerConnection();

  // Waits until a broker is connected, trying each address once. Unavailable: "cannot reach any broker: tried a (why), b (why)".
  Status Connect();
  // To the address in use; connects lazily. Never null.
  std::shared_ptr<grpc::Channel> channel();
  // A call on `channel` failed for want of a connection: from now on the next address is used.
  void MoveOn(const std::shared_ptr<grpc::Channel>& channel);
  std::string address() const;  // in use
  const std::vector<std::string>& addresses() const { return addresses_; }
  const ConnectOptions& options() const { return options_; }

  // Sets the deadline of a unary call: request_timeout, or `timeout` if that is shorter.
  void Prepare(grpc::ClientContext* context, absl::Duration timeout = absl::InfiniteDuration()) const;

 private:
  const std::vector<std::string> addresses_;
  const ConnectOptions options_;

  mutable Mutex mu_;
  std::size_t current_ ABSL_GUARDED_BY(mu_) = 0;  // index into addresses_
  std::shared_ptr<grpc::Channel> channel_ ABSL_GUARDED_BY(mu_);
};

// Ends blocking calls from another thread.
// Threading: any thread.
class Cancellation {
 public:
  // Ends the calls under way and those that come, with CANCELLED.
  void Cancel();

  // From construction to destruction `context` is ended by `cancellation`, if there is one.
  class Scope {
   public:
    Scope(Cancellation* cancellation, grpc::ClientContext* context);
    ~Scope();
    Scope(const Scope&) = delete;
    Scope& operator=(const Scope&) = delete;

   private:
    Cancellation* const cancellation_;
    grpc::ClientContext* const context_;
  };

 private:
  Mutex mu_;
  std::set<grpc::ClientContext*> calls_ ABSL_GUARDED_BY(mu_);
  bool cancelled_ ABSL_GUARDED_BY(mu_) = false;
};

// One blocking unary call through a generated stub, bounded by the connection's request_timeout and `timeout`. It stops a ClientLoop if it
// is made there. A broker that cannot be reached or is silent is left for the next address. `cancellation`, if given, outlives the call.
//     CallUnary<v1::Admin>(connection, &v1::Admin::Stub::ListTopics, request, &response)
template <class Service, class Method, class Request, class Response>
Status CallUnary(BrokerConnection& connection, Method method, const Request& request, Response* response,
                 absl::Duration timeout = absl::InfiniteDuration(), Cancellation* cancellation = nullptr) {
  grpc::ClientContext context;
  const Cancellation::Scope scope(cancellation, &context);
  connection.Prepare(&context, timeout);
  const std::shared_ptr<grpc::Channel> channel = connection.channel();
  const auto stub = Service::NewStub(channel);
  const Status status = FromGrpc((stub.get()->*method)(&context, request, response));
  const bool unreachable = status.code() == absl::StatusCode::kUnavailable || status.code() == absl::StatusCode::kDeadlineExceeded;
  if (unreachable && IsTransportError(status)) connection.MoveOn(channel);
  return status;
}

}  // namespace cordwood::client
