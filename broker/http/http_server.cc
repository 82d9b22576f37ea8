// SPDX-License-Identifier: Apache-2.0
// What cpp-httplib serves; it, connection_threads.h and request_stream.h are the ones that see it.
#include "broker/http/http_server.h"

#include <httplib.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "broker/http/connection_threads.h"
#include "broker/http/request_stream.h"
#include "storage/base/thread_name.h"

namespace cordwood::broker {
namespace {

constexpr std::size_t kThreadsMax = 1024;
constexpr int kBacklog = 1024;  // the system may allow less
constexpr std::size_t kBodyBytesMax = 1024;

// As Kubernetes' own: "ok", or with ?verbose or after a failure a line per check.
void Report(const std::vector<HealthChecks::Outcome>& outcomes, const char* name, const httplib::Request& request, httplib::Response& response) {
  const bool passed = HealthChecks::Passed(outcomes);
  response.status = passed ? 200 : 503;
  if (passed && !request.has_param("verbose")) return response.set_content("ok\n", "text/plain");
  std::string text;
  for (const HealthChecks::Outcome& outcome : outcomes) {
    text += outcome.status.ok() ? "[+]" + outcome.name + " ok\n" : "[-]" + outcome.name + " failed: " + MessageOf(outcome.status) + "\n";
  }
  text += std::string(name) + (passed ? " check passed\n" : " check failed\n");
  response.set_content(text, "text/plain");
}

// cpp-httplib bounds neither lines nor headers nor the time of a whole request, and answers each of thousands of ranges with a copy of the page.
class BoundedServer final : public httplib::Server {
 private:
  bool process_and_close_socket(socket_t connected) override {
    RequestStream stream(connected, RequestBounds());
    const auto forget_ranges = [](httplib::Request& request) { request.ranges.clear(); };
    bool goes_on = true;
    for (std::size_t left = keep_alive_max_count_; goes_on && left > 0 && svr_sock_ != INVALID_SOCKET && stream.AwaitRequest(); --left) {
      bool closed = false;
      goes_on = process_request(stream, left == 1, closed, forget_ranges) && !closed;
    }
    shutdown(connected, SHUT_RDWR);
    close(connected);
    return goes_on;
  }
};

}  // namespace

struct HttpServer::Server {
  BoundedServer http;
  socket_t listening = INVALID_SOCKET;  // the one made last, so the one that is bound
  std::uint16_t port = 0;
  bool bound = false;
  std::atomic<bool> ended{false};  // the accepting loop is over: nothing is left to stop
  std::thread thread;
};

HttpServer::HttpServer(const HealthChecks& checks, std::function<std::string()> metrics) : server_(std::make_unique<Server>()) {
  httplib::Server& http = server_->http;
  // A connection holds its thread while nothing comes: probes must not wait behind those.
  http.new_task_queue = [] { return new ConnectionThreads(kThreadsMax); };
  // Not SO_REUSEPORT, its default: with it two brokers would share the port.
  http.set_socket_options([this](socket_t socket) {
    server_->listening = socket;
    const int on = 1;
    setsockopt(socket, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  });
  http.set_payload_max_length(kBodyBytesMax);
  http.set_keep_alive_timeout(absl::ToInt64Seconds(RequestBounds().idle));  // only what answers say of it
  http.Get("/livez", [&checks](const httplib::Request& request, httplib::Response& response) { Report(checks.Live(), "livez", request, response); });
  http.Get("/readyz", [&checks](const httplib::Request& request, httplib::Response& response) { Report(checks.Ready(), "readyz", request, response); });
  http.Get("/metrics", [metrics = std::move(metrics)](const httplib::Request&, httplib::Response& response) {
    const std::string text = metrics();
    response.status = text.empty() ? 503 : 200;
    response.set_content(text, "text/plain; version=0.0.4; charset=utf-8");
  });
}

HttpServer::~HttpServer() { Stop(); }

Status HttpServer::Bind(const std::string& host, std::uint16_t port) {
  errno = 0;
  int bound = port;
  if (port == 0) {
    bound = server_->http.bind_to_any_port(host);
  } else if (!server_->http.bind_to_port(host, port)) {
    bound = -1;
  }
  if (bound <= 0) {
    return Error(Reason::kInvalidConfig, "HTTP cannot listen on " + host + ":" + std::to_string(port) + ": " +
                                             (errno == 0 ? "no such address" : std::strerror(errno)) + "; choose another with --http-listen");
  }
  // cpp-httplib's own backlog is 5: a burst of connections would wait for its SYNs to be sent again.
  if (listen(server_->listening, kBacklog) != 0) {
    return Error(Reason::kInvalidConfig, "HTTP cannot listen on " + host + ":" + std::to_string(bound) + ": " + std::strerror(errno));
  }
  server_->port = static_cast<std::uint16_t>(bound);
  server_->bound = true;
  return absl::OkStatus();
}

std::uint16_t HttpServer::port() const { return server_->port; }

void HttpServer::Start() {
  server_->thread = std::thread([this] {
    SetThreadName("http");
    server_->http.listen_after_bind();
    server_->ended = true;
  });
}

void HttpServer::Stop() {
  if (!server_->bound) return;
  server_->bound = false;
  // stop() before the loop runs would be lost.
  while (server_->thread.joinable() && !server_->http.is_running() && !server_->ended) std::this_thread::yield();
  server_->http.stop();
  if (server_->thread.joinable()) server_->thread.join();
}

}  // namespace cordwood::broker
