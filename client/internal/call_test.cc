// SPDX-License-Identifier: Apache-2.0
// Calls against a gRPC server in this process: every end they can come to, and shutdown in each state.
#include "client/internal/call.h"

#include <gtest/gtest.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "client/internal/broker_connection.h"
#include "client/internal/testing/loopback_server.h"
#include "cordwood/v1/log.grpc.pb.h"

namespace cordwood::client {
namespace {

constexpr char kProduceStream[] = "/cordwood.v1.Log/ProduceStream";
constexpr char kInitProducer[] = "/cordwood.v1.Log/InitProducer";
constexpr auto kPatience = std::chrono::seconds(20);

// Answers each message with its seq and the size of its first batches; 77 ends the call.
class Echo final : public v1::Log::Service {
 public:
  grpc::Status ProduceStream(grpc::ServerContext* context, grpc::ServerReaderWriter<v1::ProduceResponse, v1::ProduceRequest>* stream) override {
    ++streams;
    v1::ProduceRequest request;
    while (stream->Read(&request)) {
      if (request.seq() == 77) return grpc::Status(grpc::StatusCode::FAILED_PRECONDITION, "77");
      v1::ProduceResponse response;
      response.add_done()->set_seq(request.seq());
      if (request.entries_size() > 0) response.set_throttle_ms(static_cast<int>(request.entries(0).batches().size()));
      stream->Write(response);
    }
    if (context->IsCancelled()) ++cancelled;
    return grpc::Status::OK;
  }
  grpc::Status InitProducer(grpc::ServerContext*, const v1::InitProducerRequest*, v1::InitProducerResponse* response) override {
    response->set_producer_id(4711);
    return grpc::Status::OK;
  }
  std::atomic<int> streams{0};
  std::atomic<int> cancelled{0};
};

class CallTest : public ::testing::Test {
 protected:
  CallTest() {
    std::vector<std::string> addresses;
    server_ = ServeOnLoopback(&echo_, &addresses);
    connection_ = std::make_unique<BrokerConnection>(addresses);
  }
  ~CallTest() override { server_->Shutdown(std::chrono::system_clock::now()); }

  // Runs on the loop and waits until `done` holds there.
  template <class Condition>
  void Await(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (true) {
      bool holds = false;
      loop_.Run([&] { holds = condition(); });
      if (holds) return;
      ASSERT_LT(std::chrono::steady_clock::now(), deadline);
    }
  }
  void OpenStream(absl::Duration timeout = absl::InfiniteDuration()) {
    loop_.Run([&] {
      CallEvents events;
      events.on_message = [this](const SharedBytes& message) {
        v1::ProduceResponse response;
        EXPECT_TRUE(response.ParseFromString(std::string(message.view())));
        heard_ += std::to_string(response.done(0).seq()) + (response.throttle_ms() > 0 ? ":" + std::to_string(response.throttle_ms()) : "") + " ";
      };
      events.on_written = [this] { ++written_; };
      events.on_end = [this](const Status& status) { heard_ += "end:" + CodeText(status); };
      call_ = loop_.Open(connection_->channel(), kProduceStream, std::move(events), timeout);
    });
  }
  static std::string CodeText(const Status& status) { return absl::StatusCodeToString(status.code()); }
  static OutgoingMessage Message(std::uint64_t seq) {
    v1::ProduceRequest request;
    request.set_seq(seq);
    return {request.SerializeAsString()};
  }
  void Write(std::uint64_t seq) {
    const int before = written_;
    loop_.Run([&] { EXPECT_TRUE(call_.Write(Message(seq))); });
    Await([&] { return written_ > before; });
  }

  Echo echo_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<BrokerConnection> connection_;
  Call::Handle call_;
  std::string heard_;
  int written_ = 0;
  ClientLoop loop_;
};

TEST_F(CallTest, MessagesGoBothWaysAndTheEndComesLast) {
  OpenStream();
  Write(1);
  Write(2);
  loop_.Run([&] { call_.FinishWriting(); });
  Await([&] { return heard_.find("end") != std::string::npos; });
  EXPECT_EQ(heard_, "1 2 end:OK");
  EXPECT_EQ(loop_.open_calls(), 0U);
  loop_.Run([&] { call_.Reset(); });
}

TEST_F(CallTest, SharedBytesArriveInOnePiece) {
  OpenStream();
  v1::ProduceRequest empty;
  empty.add_entries()->set_batches(std::string(300'000, 'x'));
  const std::string whole = empty.SerializeAsString();
  const std::size_t cut = whole.size() - 250'000;
  loop_.Run([&] { EXPECT_TRUE(call_.Write({whole.substr(0, cut), SharedBytes::CopyOf(std::string_view(whole).substr(cut))})); });
  Await([&] { return !heard_.empty(); });
  EXPECT_EQ(heard_, "0:300000 ");
  loop_.Run([&] { call_.Reset(); });
}

TEST_F(CallTest, OneWriteAtATime) {
  OpenStream();
  loop_.Run([&] {
    EXPECT_TRUE(call_.Write(Message(1)));
    EXPECT_FALSE(call_.Write(Message(2)));
  });
  Await([&] { return heard_ == "1 "; });
  loop_.Run([&] { call_.Reset(); });
}

TEST_F(CallTest, TheServersErrorIsTheEnd) {
  OpenStream();
  loop_.Run([&] { EXPECT_TRUE(call_.Write(Message(77))); });
  Await([&] { return !heard_.empty(); });
  EXPECT_EQ(heard_, "end:FAILED_PRECONDITION");
  loop_.Run([&] {
    EXPECT_FALSE(call_.Write(Message(1)));
    call_.Reset();
  });
}

TEST_F(CallTest, ACancelledCallEnds) {
  OpenStream();
  Write(1);
  Await([&] { return heard_ == "1 "; });
  loop_.Run([&] { call_.Cancel(); });
  Await([&] { return heard_.find("end") != std::string::npos; });
  EXPECT_EQ(heard_, "1 end:CANCELLED");
  loop_.Run([&] { call_.Reset(); });
}

TEST_F(CallTest, ADroppedHandleIsSilentAndTheCallGoesAway) {
  OpenStream();
  Write(1);
  Await([&] { return heard_ == "1 "; });
  loop_.Run([&] { call_.Reset(); });
  Await([&] { return loop_.open_calls() == 0; });
  EXPECT_EQ(heard_, "1 ");
}

TEST_F(CallTest, ADeadlineEndsACall) {
  OpenStream(absl::Milliseconds(50));
  Await([&] { return !heard_.empty(); });
  EXPECT_EQ(heard_, "end:DEADLINE_EXCEEDED");
  loop_.Run([&] { call_.Reset(); });
}

TEST_F(CallTest, NobodyListeningIsUnavailableAtOnce) {
  connection_ = std::make_unique<BrokerConnection>(std::vector<std::string>{"127.0.0.1:1"});
  OpenStream();
  Await([&] { return !heard_.empty(); });
  EXPECT_EQ(heard_, "end:UNAVAILABLE");
  loop_.Run([&] { call_.Reset(); });
}

TEST_F(CallTest, AUnaryCallIsAStreamOfOneMessage) {
  std::int64_t id = 0;
  bool ended = false;
  loop_.Run([&] {
    CallEvents events;
    events.on_message = [&](const SharedBytes& message) {
      v1::InitProducerResponse response;
      EXPECT_TRUE(response.ParseFromString(std::string(message.view())));
      id = response.producer_id();
    };
    events.on_end = [&](const Status& status) { ended = status.ok(); };
    call_ = loop_.Open(connection_->channel(), kInitProducer, std::move(events), absl::Seconds(10));
    EXPECT_TRUE(call_.Write({std::string()}));
    call_.FinishWriting();
  });
  Await([&] { return ended; });
  EXPECT_EQ(id, 4711);
  loop_.Run([&] { call_.Reset(); });
}

TEST_F(CallTest, AnEventMayDropItsOwnCall) {
  loop_.Run([&] {
    CallEvents events;
    events.on_message = [this](const SharedBytes&) {
      call_.Reset();
      heard_ += "dropped";
    };
    call_ = loop_.Open(connection_->channel(), kProduceStream, std::move(events));
    EXPECT_TRUE(call_.Write(Message(1)));
  });
  Await([&] { return heard_ == "dropped" && loop_.open_calls() == 0; });
}

TEST_F(CallTest, StopEndsCallsInEveryState) {
  for (int state = 0; state < 5; ++state) {
    ClientLoop loop;
    std::vector<Call::Handle> calls;
    loop.Run([&] {
      for (int i = 0; i < 20; ++i) {
        calls.push_back(loop.Open(connection_->channel(), kProduceStream, CallEvents{}));
        if (state >= 1) calls.back().Write(Message(1));
        if (state >= 2) calls.back().FinishWriting();
        if (state == 3) calls.back().Cancel();
        if (state == 4) calls.back().Reset();
      }
    });
    loop.Stop();
    EXPECT_EQ(loop.open_calls(), 0U) << state;
    EXPECT_FALSE(loop.Post([] {}));
  }
}

TEST_F(CallTest, AServerThatGoesAwayEndsItsCalls) {
  OpenStream();
  Write(1);
  server_->Shutdown(std::chrono::system_clock::now());
  Await([&] { return heard_.find("end") != std::string::npos; });
  loop_.Run([&] { call_.Reset(); });
}

TEST(ClientLoopTest, TasksRunInOrderAndTimersByTime) {
  ClientLoop loop;
  std::string order;
  std::atomic<bool> done{false};
  for (int i = 0; i < 100; ++i) loop.Post([&order, i] { order += std::to_string(i % 10); });
  loop.Run([&] {
    EXPECT_EQ(order.size(), 100U);
    EXPECT_EQ(order.substr(0, 12), "012345678901");
    order.clear();
    loop.After(absl::Milliseconds(20), [&] {
      order += "b";
      done = true;
    });
    loop.After(absl::Milliseconds(1), [&] { order += "a"; });
    loop.CancelTimer(loop.After(absl::ZeroDuration(), [&] { order += "cancelled"; }));
  });
  while (!done) loop.Run([] {});
  loop.Stop();
  EXPECT_EQ(order, "ab");
}

TEST(ClientLoopTest, StopTwiceAndRunAfterwardsAreHarmless) {
  ClientLoop loop;
  loop.Stop();
  loop.Stop();
  EXPECT_FALSE(loop.Run([] {}));
}

TEST(ParseAddressesTest, HostsPortsAndLists) {
  EXPECT_EQ(*ParseAddresses("a:1,b,[::1]:9"), (std::vector<std::string>{"a:1", "b:9600", "[::1]:9"}));
  EXPECT_EQ(*ParseAddresses("[::1]"), (std::vector<std::string>{"[::1]:9600"}));
  for (const char* bad : {"", ",", "a:", "a:0", "a:65536", "a:x", ":1", "a,", "::1", "[::1", "[]:1", "[::1]x"}) {
    EXPECT_EQ(ReasonOf(ParseAddresses(bad).status()), Reason::kInvalidRequest) << bad;
  }
}

TEST(BackoffTest, GrowsWithinItsBoundsAndStartsAnew) {
  Backoff backoff(BackoffOptions{absl::Milliseconds(10), absl::Milliseconds(40)}, 1);
  const auto within = [&](int ms) {
    const absl::Duration wait = backoff.Next();
    return wait >= absl::Milliseconds(ms) / 2 && wait < absl::Milliseconds(ms);
  };
  EXPECT_TRUE(within(10));
  EXPECT_TRUE(within(20));
  EXPECT_TRUE(within(40));
  EXPECT_TRUE(within(40));
  backoff.Reset();
  EXPECT_TRUE(within(10));
}

}  // namespace
}  // namespace cordwood::client
