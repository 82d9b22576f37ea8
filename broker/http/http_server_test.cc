// SPDX-License-Identifier: Apache-2.0
// The pages, over a real socket.
#include "broker/http/http_server.h"

#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <httplib.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <cerrno>
#include <cstring>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "broker/http/connection_threads.h"

namespace cordwood::broker {
namespace {

constexpr int kProbeTimeoutSeconds = 5;

// Connections on which nothing is ever sent.
class SilentConnections {
 public:
  SilentConnections(std::uint16_t port, int count) {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(port);
    for (int i = 0; i < count; ++i) {
      sockets_.push_back(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
      EXPECT_EQ(connect(sockets_.back(), reinterpret_cast<const sockaddr*>(&address), sizeof address), 0) << std::strerror(errno);
    }
  }
  ~SilentConnections() {
    for (const int open : sockets_) close(open);
  }

 private:
  std::vector<int> sockets_;
};

class HttpServerTest : public ::testing::Test {
 protected:
  HttpServerTest() {
    checks_.AddLive("ping", [] { return absl::OkStatus(); });
    checks_.AddReady("startup", [] { return absl::OkStatus(); });
    checks_.AddReady("shard-000", [this] { return shard_; });
    EXPECT_EQ(server_.Bind("127.0.0.1", 0), absl::OkStatus());
    server_.Start();
  }
  httplib::Result Get(const std::string& path) { return httplib::Client("127.0.0.1", server_.port()).Get(path); }

  Status shard_;
  HealthChecks checks_;
  HttpServer server_{checks_, [] { return std::string("up 1\n"); }};
};

TEST_F(HttpServerTest, LivezIsOkInOneWord) {
  const auto answer = Get("/livez");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->body, "ok\n");
}

TEST_F(HttpServerTest, VerboseNamesEveryCheck) {
  const auto answer = Get("/readyz?verbose");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->body, "[+]startup ok\n[+]shard-000 ok\nreadyz check passed\n");
}

TEST_F(HttpServerTest, FailedCheckIsNamedWithItsCauseAnd503) {
  shard_ = Error(Reason::kPoisoned, "fsync failed");
  const auto answer = Get("/readyz");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 503);
  EXPECT_EQ(answer->body, "[+]startup ok\n[-]shard-000 failed: fsync failed\nreadyz check failed\n");
}

TEST_F(HttpServerTest, MetricsAreATextOfTheFormatsVersion) {
  const auto answer = Get("/metrics");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 200);
  EXPECT_EQ(answer->get_header_value("Content-Type"), "text/plain; version=0.0.4; charset=utf-8");
  EXPECT_EQ(answer->body, "up 1\n");
}

TEST_F(HttpServerTest, UnknownPageIs404) {
  const auto answer = Get("/metricz");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404);
}

TEST_F(HttpServerTest, TakenPortIsRefusedByName) {
  HttpServer second(checks_, nullptr);
  const Status refused = second.Bind("127.0.0.1", server_.port());
  EXPECT_EQ(ReasonOf(refused), Reason::kInvalidConfig);
  EXPECT_EQ(MessageOf(refused), "HTTP cannot listen on 127.0.0.1:" + std::to_string(server_.port()) +
                                    ": Address already in use; choose another with --http-listen");
}

// They once held the server's two threads for a second each, so that a probe waited 19 s behind 40 of them.
TEST_F(HttpServerTest, AProbeIsAnsweredBesideHundredsOfSilentConnections) {
  const SilentConnections silent(server_.port(), 500);
  httplib::Client client("127.0.0.1", server_.port());
  client.set_read_timeout(kProbeTimeoutSeconds);
  for (int i = 0; i < 3; ++i) {
    const auto answer = client.Get("/readyz");
    ASSERT_TRUE(answer) << "probe " << i << ": " << answer.error();
    EXPECT_EQ(answer->status, 200);
  }
}

TEST_F(HttpServerTest, MoreConnectionsThanThreadsAreServedInTurn) {
  ConnectionThreads threads(3);
  std::atomic<int> served{0};
  for (int i = 0; i < 100; ++i) threads.enqueue([&served] { ++served; });
  threads.shutdown();
  EXPECT_EQ(served, 100);
}

TEST_F(HttpServerTest, AThreadThatWaitsKeepsNobodyElseWaiting) {
  ConnectionThreads threads(3);
  std::promise<void> first, second;
  threads.enqueue([done = second.get_future().share(), &first] {
    first.set_value();
    done.wait();
  });
  first.get_future().wait();
  threads.enqueue([&second] { second.set_value(); });
  threads.shutdown();
}

TEST_F(HttpServerTest, StoppingTwiceIsHarmless) {
  server_.Stop();
  server_.Stop();
  EXPECT_FALSE(Get("/livez"));
}

}  // namespace
}  // namespace cordwood::broker
