// SPDX-License-Identifier: Apache-2.0
// The way in: a connection to a Cordwood cluster, from which producers, consumers and the admin come.
#pragma once

#include <chrono>
#include <memory>
#include <string>
#include <string_view>

#include "cordwood/admin.h"
#include "cordwood/consumer.h"
#include "cordwood/producer.h"
#include "cordwood/result.h"

namespace cordwood {

namespace client {
struct SharedConnection;
}

struct ClientOptions {
  std::chrono::milliseconds connect_timeout{3'000};   // 1 ms to 1 h, per address
  // [request.timeout.ms] 1 ms to 1 h; an append that is not acknowledged within it, or within 5 min, is tried again
  std::chrono::milliseconds request_timeout{30'000};
  // 5 s to 1 h. While something is under way or read ahead: a broker that was silent for so long is asked for a sign of life, and its connection
  // is given up after as long again. So a broker that stands still or a network that drops everything is noticed.
  std::chrono::milliseconds keepalive{10'000};
  // What a function given to Send() or then() threw, on the thread it ran on. It must not block. Without it exceptions are only counted:
  // Producer::exceptions_caught().
  ExceptionHook on_exception = {};
};

// A cheap handle: copies share one connection. Producers and consumers keep the connection alive, so the client may go first.
// Threading: any thread. Nothing to initialise.
// fork(): after it a child of a process that used the library may only exec or _exit. There every call, Connect() too, is refused with a
//     definite kShuttingDown, and what is closed or destroyed is left as it is: threads and connections are the parent's.
class CORDWOOD_EXPORT Client {
 public:
  // addresses: "host:port,host:port,[::1]:9600"; the port may be absent (9600). Waits until one broker answers, trying each once:
  // kTransport names every address and why; kInvalidRequest: not an address; kInvalidConfig names the option that is out of bounds.
  static Result<Client> Connect(std::string_view addresses, const ClientOptions& options = {});

  // kInvalidConfig names the option that is out of bounds.
  Result<Producer> NewProducer(const ProducerOptions& options = {});
  Result<Consumer> NewConsumer(const ConsumerOptions& options = {});
  Admin admin() const;

 private:
  explicit Client(std::shared_ptr<client::SharedConnection> connection);
  std::shared_ptr<client::SharedConnection> connection_;
};

}  // namespace cordwood
