// SPDX-License-Identifier: Apache-2.0
// A server with room for a few connections, as clients of every kind meet it.
#include "broker/grpc/connections/connection_acceptor.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/support/channel_arguments.h>
#include <gtest/gtest.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string>
#include <vector>

#include "broker/grpc/connections/tcp_listeners.h"
#include "broker/grpc/control/health_methods.h"
#include "broker/grpc/control/listed_service.h"
#include "broker/grpc/grpc_server.h"
#include "broker/grpc/rpc_status.h"
#include "grpc/health/v1/health.grpc.pb.h"
#include "tests/support/raw_wire.h"
#include "tests/support/wait_until.h"

namespace cordwood::broker {
namespace {

using ::cordwood::testing::FrameTypes;
using ::cordwood::testing::GrpcRequestHeaders;
using ::cordwood::testing::Http2Frame;
using ::cordwood::testing::Http2Opening;
using ::cordwood::testing::kDataFrame;
using ::cordwood::testing::kResetFrame;
using ::cordwood::testing::RawConnection;
using ::cordwood::testing::WaitUntil;
using ::grpc::health::v1::Health;
using ::testing::HasSubstr;

constexpr char kLoopback[] = "127.0.0.1";
constexpr char kFull[] = "max.connections = 2 connections are open";

class ConnectionAcceptorTest : public ::testing::Test {
 protected:
  ConnectionAcceptorTest() { Start(kLoopback); }
  ~ConnectionAcceptorTest() override { Stop(); }

  void Start(const std::string& host, std::uint16_t port = 0, std::int64_t connections = 2, std::size_t receive_bytes_max = 256 << 20) {
    std::vector<std::unique_ptr<grpc::Service>> services;
    services.push_back(MakeListedService("grpc.health.v1.Health"));
    calls_.reset();
    network_ = std::make_unique<NetworkThreads>(NetworkOptions(), budget_, Clock::System());
    calls_ = std::make_unique<ControlCalls>(*network_, ControlOptions());
    AddHealthCheck(*calls_, checks_);
    AddHealthWatch(*network_, checks_);
    server_ = std::make_unique<GrpcServer>(std::move(services));
    GrpcServerOptions options;
    options.host = host;
    options.port = port;
    options.connections.all = connections;
    options.receive_bytes_max = receive_bytes_max;
    ASSERT_EQ(server_->Start(options, *network_), absl::OkStatus());
    calls_->Start();
    network_->Start();
  }
  void Stop() {
    network_->Drain(absl::Seconds(10));
    server_->Shutdown(absl::Seconds(1));
    calls_->Stop();
    network_->Stop();
  }
  std::string Address() const { return "127.0.0.1:" + std::to_string(server_->port()); }

  // A call over a connection of its own, which stays as long as the channel.
  struct Client {
    std::shared_ptr<grpc::Channel> channel;
    grpc::Status Check() const {
      grpc::ClientContext context;
      ::grpc::health::v1::HealthCheckResponse response;
      return Health::NewStub(channel)->Check(&context, {}, &response);
    }
  };
  static Client Connect(const std::string& address) {
    grpc::ChannelArguments arguments;
    arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
    return {grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments)};
  }
  void AwaitOpen(std::int64_t count) const {
    EXPECT_TRUE(WaitUntil([&] { return server_->connections().open().all == count; }));
  }

  HealthChecks checks_;
  ByteBudget budget_;
  std::unique_ptr<NetworkThreads> network_;
  std::unique_ptr<ControlCalls> calls_;
  std::unique_ptr<GrpcServer> server_;
};

TEST_F(ConnectionAcceptorTest, AClientBeyondTheLimitLearnsWhyAndTheOthersGoOn) {
  const Client first = Connect(Address()), second = Connect(Address()), third = Connect(Address());
  EXPECT_TRUE(first.Check().ok());
  EXPECT_TRUE(second.Check().ok());
  const grpc::Status refused = third.Check();
  EXPECT_EQ(refused.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  EXPECT_EQ(refused.error_message(), kFull);
  EXPECT_EQ(ReasonInGrpcStatus(refused), Reason::kThrottled);
  EXPECT_TRUE(first.Check().ok());
  EXPECT_EQ(server_->connections().open().all, 2);
  EXPECT_EQ(server_->connections().refused().value(Reason::kThrottled), 1U);
}

TEST_F(ConnectionAcceptorTest, AClosedConnectionMakesRoom) {
  const Client first = Connect(Address());
  {
    const Client second = Connect(Address());
    EXPECT_TRUE(first.Check().ok());
    EXPECT_TRUE(second.Check().ok());
  }
  AwaitOpen(1);
  EXPECT_TRUE(Connect(Address()).Check().ok());
}

TEST_F(ConnectionAcceptorTest, ARefusedConnectionThatSaysNothingIsToldGoodbye) {
  const Client first = Connect(Address()), second = Connect(Address());
  EXPECT_TRUE(first.Check().ok());
  EXPECT_TRUE(second.Check().ok());
  EXPECT_THAT(RawConnection(Address()).ReadAll(), HasSubstr(kFull));
}

// More than are held: each one is answered all the same, the early ones with GOAWAY alone.
TEST_F(ConnectionAcceptorTest, ManyRefusedAtOnceAreAllToldWhy) {
  const Client first = Connect(Address()), second = Connect(Address());
  EXPECT_TRUE(first.Check().ok());
  EXPECT_TRUE(second.Check().ok());
  std::vector<std::unique_ptr<RawConnection>> many;
  for (std::size_t i = 0; i < 2 * kRefusedHeldMax; ++i) many.push_back(std::make_unique<RawConnection>(Address()));
  for (const auto& one : many) {
    one->Send(Http2Opening() + GrpcRequestHeaders("/grpc.health.v1.Health/Check"));
    EXPECT_THAT(one->ReadAll(), HasSubstr(kFull));
  }
  EXPECT_TRUE(first.Check().ok());
  AwaitOpen(2);
}

TEST_F(ConnectionAcceptorTest, BytesThatAreNoHttp2HarmNobody) {
  const Client first = Connect(Address()), second = Connect(Address());
  EXPECT_TRUE(first.Check().ok());
  EXPECT_TRUE(second.Check().ok());
  RawConnection noise(Address());
  noise.Send(std::string(2 * kRefusedBytesMax, '\xff'));
  noise.ReadAll();
  EXPECT_TRUE(second.Check().ok());
}

// No call of ours sees a message before it is whole.
TEST_F(ConnectionAcceptorTest, MessagesThatNeverEndAreResetOnceTheyHoldTooMuch) {
  constexpr int kPing = 6;
  Stop();
  Start(kLoopback, 0, 1000, 4 << 20);
  std::vector<std::unique_ptr<RawConnection>> many;
  for (int i = 0; i < 200; ++i) {
    many.push_back(std::make_unique<RawConnection>(Address()));
    many.back()->Send(Http2Opening() + GrpcRequestHeaders("/grpc.health.v1.Health/Watch"));
    std::string begun("\0\0\x40\0\0", 5);  // of 4 MiB
    begun.resize(16'000);
    for (int frame = 0; frame < 4; ++frame) many.back()->Send(Http2Frame(kDataFrame, 0, 1, begun));
  }
  int reset = 0;
  for (int round = 0; round < 2; ++round) {  // a third ping of each would be too many for gRPC
    for (const auto& one : many) {
      one->Send(Http2Frame(kPing, 0, 0, "12345678"));
      const std::string heard = one->ReadUntil([&](const std::string& all) { return FrameTypes(all, 0).find(kPing) != std::string::npos; });
      if (FrameTypes(heard, 1).find(kResetFrame) != std::string::npos) ++reset;
    }
  }
  EXPECT_GT(reset, 0);
  EXPECT_TRUE(Connect(Address()).Check().ok());
}

TEST_F(ConnectionAcceptorTest, AStoppedServerLeavesItsPort) {
  const std::string address = Address();
  const std::uint16_t port = server_->port();
  EXPECT_TRUE(Connect(address).Check().ok());
  Stop();
  EXPECT_FALSE(RawConnection(address).Send("PRI"));
  Start(kLoopback, port);
  EXPECT_TRUE(Connect(address).Check().ok());
}

TEST_F(ConnectionAcceptorTest, AWildcardTakesBothFamilies) {
  for (const char* wildcard : {"0.0.0.0", "::"}) {
    Stop();
    Start(wildcard);
    EXPECT_TRUE(Connect(Address()).Check().ok()) << wildcard;
    EXPECT_TRUE(Connect("[::1]:" + std::to_string(server_->port())).Check().ok()) << wildcard;
  }
}

TEST_F(ConnectionAcceptorTest, OneAddressTakesOnlyItself) {
  Stop();
  Start("::1");
  EXPECT_TRUE(Connect("[::1]:" + std::to_string(server_->port())).Check().ok());
  EXPECT_FALSE(RawConnection(Address()).Send("PRI"));
}

TEST(TcpListenersTest, AConnectionWhosePeerTakesNothingIsGivenUp) {
  const StatusOr<TcpListeners> listeners = TcpListeners::Open(kLoopback, 0);
  ASSERT_TRUE(listeners.ok());
  const RawConnection client("127.0.0.1:" + std::to_string(listeners->port()));
  const int accepted = accept(listeners->fds()[0], nullptr, nullptr);
  ASSERT_GE(accepted, 0);
  int timeout_ms = 0;
  socklen_t size = sizeof timeout_ms;
  EXPECT_EQ(getsockopt(accepted, IPPROTO_TCP, TCP_USER_TIMEOUT, &timeout_ms, &size), 0);
  EXPECT_EQ(timeout_ms, kTcpUserTimeoutMs);
  close(accepted);
}

TEST_F(ConnectionAcceptorTest, WhereNobodyCanListenTheErrorSaysWhy) {
  const auto taken = TcpListeners::Open(kLoopback, server_->port());
  EXPECT_EQ(MessageOf(taken.status()), "cannot listen on 127.0.0.1, port " + std::to_string(server_->port()) + ": Address already in use; is another process there?");
  EXPECT_EQ(ReasonOf(TcpListeners::Open("192.0.2.1", 0).status()), Reason::kInvalidConfig);
  EXPECT_EQ(ReasonOf(TcpListeners::Open("no such host", 0).status()), Reason::kInvalidConfig);
}

}  // namespace
}  // namespace cordwood::broker
