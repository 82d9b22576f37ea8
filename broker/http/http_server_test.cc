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
#include "broker/http/request_stream.h"
#include "storage/base/clock.h"
#include "tests/support/raw_wire.h"

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
  std::string Address() const { return "127.0.0.1:" + std::to_string(server_.port()); }
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

// How much of `piece`, sent again and again, the server takes before it hangs up; at most `max` bytes.
std::size_t Flood(testing::RawConnection& connection, const std::string& piece, std::size_t max) {
  std::size_t sent = 0;
  while (sent < max && connection.Send(piece)) sent += piece.size();
  return sent;
}

// cpp-httplib gathers whatever comes: 200 MB of a line were 200 MB of memory.
TEST_F(HttpServerTest, ARequestThatDoesNotEndIsHungUpOn) {
  constexpr std::size_t kFlood = 64 << 20;
  const std::string text(64 * 1024, 'a');
  for (const std::string begin : {"GET /", "GET /livez HTTP/1.1\r\nX: ", "POST /livez HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"}) {
    testing::RawConnection request(Address());
    request.Send(begin);
    EXPECT_LT(Flood(request, begin[0] == 'P' ? std::string(64 * 1024, '1') : text, kFlood), kFlood) << begin;
  }
  testing::RawConnection headers(Address());
  headers.Send("GET /livez HTTP/1.1\r\n");
  EXPECT_LT(Flood(headers, "X: a\r\n", kFlood), kFlood);
  EXPECT_TRUE(Get("/livez"));
}

TEST_F(HttpServerTest, RangesAreIgnored) {
  testing::RawConnection request(Address());
  request.Send("GET /metrics HTTP/1.1\r\nConnection: close\r\nRange: bytes=0-,0-,0-\r\n\r\n");
  const std::string answer = request.ReadAll();
  EXPECT_EQ(answer.find("HTTP/1.1 200 OK"), 0u) << answer;
  EXPECT_EQ(answer.find("up 1"), answer.rfind("up 1")) << answer;
}

class RequestStreamTest : public ::testing::Test {
 protected:
  RequestStreamTest() { EXPECT_EQ(socketpair(AF_UNIX, SOCK_STREAM, 0, sockets_), 0); }
  ~RequestStreamTest() override {
    for (const int open : sockets_) close(open);
  }
  void Send(const std::string& text) { EXPECT_EQ(send(sockets_[1], text.data(), text.size(), 0), static_cast<ssize_t>(text.size())); }

  int sockets_[2];
  char buffer_[64];
};

TEST_F(RequestStreamTest, EachRequestHasItsBytesAnew) {
  RequestBounds bounds;
  bounds.bytes_max = 5;
  RequestStream stream(sockets_[0], bounds);
  Send("firstsecond");
  ASSERT_TRUE(stream.AwaitRequest());
  EXPECT_EQ(stream.read(buffer_, sizeof buffer_), 5);
  EXPECT_EQ(stream.read(buffer_, sizeof buffer_), -1);
  ASSERT_TRUE(stream.AwaitRequest()) << "what has come already";
  EXPECT_EQ(stream.read(buffer_, 3), 3);
  EXPECT_EQ(std::string(buffer_, 3), "sec");
  EXPECT_EQ(stream.read(buffer_, sizeof buffer_), 2);
}

TEST_F(RequestStreamTest, ATrickleDoesNotMakeARequestLast) {
  RequestBounds bounds;
  bounds.reading = absl::Milliseconds(20);
  RequestStream stream(sockets_[0], bounds);
  Send("x");
  ASSERT_TRUE(stream.AwaitRequest());
  const absl::Duration began = Clock::System().Monotonic();
  int bytes = 0;
  for (; stream.read(buffer_, 1) == 1; ++bytes) Send("x");
  EXPECT_GT(bytes, 0);
  EXPECT_GE(Clock::System().Monotonic() - began, bounds.reading);
}

TEST_F(RequestStreamTest, AnAnswerThatIsNotTakenEnds) {
  RequestBounds bounds;
  bounds.answering = bounds.idle = absl::Milliseconds(20);
  RequestStream stream(sockets_[0], bounds);
  EXPECT_FALSE(stream.AwaitRequest());
  const std::string page(1 << 20, 'x');
  ssize_t taken = 0;
  while ((taken = stream.write(page.data(), page.size())) > 0) {
  }
  EXPECT_EQ(taken, -1);
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
