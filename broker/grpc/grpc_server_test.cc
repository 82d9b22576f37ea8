// SPDX-License-Identifier: Apache-2.0
// The server as clients meet it: health, reflection's list, a taken port, the end.
#include "broker/grpc/grpc_server.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <unistd.h>

#include <atomic>
#include <string>

#include "broker/grpc/control/health_methods.h"
#include "broker/grpc/control/listed_service.h"
#include "grpc/health/v1/health.grpc.pb.h"

namespace cordwood::broker {
namespace {

using ::grpc::health::v1::Health;
using ::grpc::health::v1::HealthCheckRequest;
using ::grpc::health::v1::HealthCheckResponse;

GrpcServerOptions QuickKeepalive() {
  GrpcServerOptions options;
  options.host = "127.0.0.1";
  options.keepalive = absl::Milliseconds(200);
  options.keepalive_timeout = absl::Seconds(1);
  return options;
}

class GrpcServerTest : public ::testing::Test {
 protected:
  GrpcServerTest() {
    checks_.AddReady("shard-000", [this] { return healthy_ ? absl::OkStatus() : Error(Reason::kPoisoned, "fsync failed"); });
    AddHealthCheck(calls_, checks_);
    AddHealthWatch(network_, checks_);
    server_ = std::make_unique<GrpcServer>(HealthService());
    EXPECT_EQ(server_->Start(options_, network_), absl::OkStatus());
    calls_.Start();
    network_.Start();
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(server_->port()), grpc::InsecureChannelCredentials());
    stub_ = Health::NewStub(channel_);
  }
  ~GrpcServerTest() override { Stop(); }
  void Stop() {
    if (stopped_) return;
    stopped_ = true;
    EXPECT_TRUE(network_.Drain(absl::Seconds(10)));
    server_->Shutdown(absl::Seconds(1));
    calls_.Stop();
    network_.Stop();
  }
  static std::vector<std::unique_ptr<grpc::Service>> HealthService() {
    std::vector<std::unique_ptr<grpc::Service>> services;
    services.push_back(MakeListedService("grpc.health.v1.Health"));
    return services;
  }
  // A TCP connection to the server; -1 if nobody listens.
  int Connect() const {
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    address.sin_port = htons(server_->port());
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (connect(fd, reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return fd;
    close(fd);
    return -1;
  }
  // The status' name, or the error code.
  std::string Check(const std::string& service) {
    grpc::ClientContext context;
    HealthCheckRequest request;
    request.set_service(service);
    HealthCheckResponse response;
    const grpc::Status status = stub_->Check(&context, request, &response);
    return status.ok() ? HealthCheckResponse::ServingStatus_Name(response.status()) : "error " + std::to_string(status.error_code());
  }
  static std::string Next(grpc::ClientReader<HealthCheckResponse>& watch) {
    HealthCheckResponse response;
    return watch.Read(&response) ? HealthCheckResponse::ServingStatus_Name(response.status()) : "end";
  }
  std::unique_ptr<grpc::ClientReader<HealthCheckResponse>> Watch(grpc::ClientContext& context, const std::string& service) {
    HealthCheckRequest request;
    request.set_service(service);
    return stub_->Watch(&context, request);
  }

  std::atomic<bool> healthy_{true};
  bool stopped_ = false;
  HealthChecks checks_;
  ByteBudget budget_;
  GrpcServerOptions options_ = QuickKeepalive();
  NetworkThreads network_{NetworkOptions(), budget_, Clock::System()};
  ControlCalls calls_{network_, {}};
  std::unique_ptr<GrpcServer> server_;
  std::shared_ptr<grpc::Channel> channel_;
  std::unique_ptr<Health::Stub> stub_;
};

TEST_F(GrpcServerTest, CheckFollowsTheChecksAndKnowsItsServices) {
  EXPECT_EQ(Check(""), "SERVING");
  EXPECT_EQ(Check("cordwood.v1.Log"), "SERVING");
  healthy_ = false;
  EXPECT_EQ(Check("readiness"), "NOT_SERVING");
  EXPECT_EQ(Check("liveness"), "SERVING");
  EXPECT_EQ(Check("nonsense"), "error " + std::to_string(grpc::StatusCode::NOT_FOUND));
}

TEST_F(GrpcServerTest, WatchSaysHowItIsAndThenWhatChanges) {
  grpc::ClientContext context;
  const auto watch = Watch(context, "");
  EXPECT_EQ(Next(*watch), "SERVING");
  healthy_ = false;
  EXPECT_EQ(Next(*watch), "NOT_SERVING");
  healthy_ = true;
  EXPECT_EQ(Next(*watch), "SERVING");
  context.TryCancel();
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::CANCELLED);
}

TEST_F(GrpcServerTest, WatchOfAnUnknownServiceSaysSo) {
  grpc::ClientContext context;
  const auto watch = Watch(context, "nonsense");
  EXPECT_EQ(Next(*watch), "SERVICE_UNKNOWN");
}

TEST_F(GrpcServerTest, WatchersAreToldAndEndedWhenTheServerDrains) {
  grpc::ClientContext context;
  const auto watch = Watch(context, "");
  EXPECT_EQ(Next(*watch), "SERVING");
  Stop();
  EXPECT_EQ(Next(*watch), "NOT_SERVING");
  EXPECT_EQ(Next(*watch), "end");
  EXPECT_EQ(watch->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

// An accepted call that came out of a queue already shut down once ended the process.
TEST_F(GrpcServerTest, StopsAtOnceAfterStartingWhateverArrives) {
  Stop();
  for (int round = 0; round < 50; ++round) {
    NetworkThreads network(NetworkOptions(), budget_, Clock::System());
    AddHealthWatch(network, checks_);
    GrpcServer server(HealthService());
    ASSERT_EQ(server.Start(options_, network), absl::OkStatus());
    network.Start();
    channel_ = grpc::CreateChannel("127.0.0.1:" + std::to_string(server.port()), grpc::InsecureChannelCredentials());
    stub_ = Health::NewStub(channel_);
    grpc::ClientContext context;
    const auto watch = Watch(context, "");
    if (round % 2 == 0) Next(*watch);
    network.Drain(absl::ZeroDuration());
    server.Shutdown(absl::ZeroDuration());
    network.Stop();
  }
}

TEST_F(GrpcServerTest, WhoeverIsConnectedIsServedWhenNobodyListensAnyMore) {
  EXPECT_EQ(Check(""), "SERVING");
  server_->StopListening();
  EXPECT_EQ(Connect(), -1);
  EXPECT_EQ(Check(""), "SERVING");
}

// It reads, as its kernel would for a while, and never says anything again: not even that it got the ping.
TEST_F(GrpcServerTest, APeerThatGivesNoSignOfLifeIsGivenUp) {
  const int fd = Connect();
  ASSERT_GE(fd, 0);
  const timeval patience{20, 0};
  setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
  const std::string opening("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\4\0\0\0\0\0", 33);  // an empty SETTINGS frame
  ASSERT_EQ(send(fd, opening.data(), opening.size(), 0), 33);
  char bytes[1024];
  ssize_t n = 0;
  while ((n = recv(fd, bytes, sizeof bytes, 0)) > 0) {
  }
  EXPECT_EQ(n, 0);
  close(fd);
}

TEST_F(GrpcServerTest, SecondServerOnTheSamePortIsRefused) {
  NetworkThreads network(NetworkOptions(), budget_, Clock::System());
  GrpcServer second({});
  GrpcServerOptions options;
  options.host = "127.0.0.1";
  options.port = server_->port();
  const Status refused = second.Start(options, network);
  EXPECT_EQ(ReasonOf(refused), Reason::kInvalidConfig);
  EXPECT_THAT(MessageOf(refused), ::testing::HasSubstr("127.0.0.1, port " + std::to_string(server_->port())));
  network.Stop();
}

}  // namespace
}  // namespace cordwood::broker
