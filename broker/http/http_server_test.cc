// SPDX-License-Identifier: Apache-2.0
// The two pages, over a real socket.
#include "broker/http/http_server.h"

#include <gtest/gtest.h>
#include <httplib.h>

#include <memory>

namespace cordwood::broker {
namespace {

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
  HttpServer server_{checks_};
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

TEST_F(HttpServerTest, UnknownPageIs404) {
  const auto answer = Get("/metricz");
  ASSERT_TRUE(answer);
  EXPECT_EQ(answer->status, 404);
}

TEST_F(HttpServerTest, TakenPortIsRefusedByName) {
  HttpServer second(checks_);
  const Status refused = second.Bind("127.0.0.1", server_.port());
  EXPECT_EQ(ReasonOf(refused), Reason::kInvalidConfig);
  EXPECT_EQ(MessageOf(refused), "HTTP cannot listen on 127.0.0.1:" + std::to_string(server_.port()) +
                                    ": Address already in use; choose another with --http-listen");
}

TEST_F(HttpServerTest, StoppingTwiceIsHarmless) {
  server_.Stop();
  server_.Stop();
  EXPECT_FALSE(Get("/livez"));
}

}  // namespace
}  // namespace cordwood::broker
