// SPDX-License-Identifier: Apache-2.0
// Control calls through the socket: who waits for whom, what is refused, what is not run, and the end.
#include "broker/grpc/control/control_calls.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <grpcpp/impl/codegen/client_unary_call.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "broker/grpc/control/listed_service.h"
#include "broker/grpc/grpc_server.h"
#include "broker/grpc/rpc_status.h"
#include "cordwood/v1/log.grpc.pb.h"
#include "storage/base/mutex.h"
#include "tests/support/raw_wire.h"
#include "tests/support/wait_until.h"

namespace cordwood::broker {
namespace {

using ::cordwood::testing::GrpcRequestHeaders;
using ::cordwood::testing::Http2Frame;
using ::cordwood::testing::Http2Opening;
using ::cordwood::testing::kDataFrame;
using ::cordwood::testing::kEndStream;
using ::cordwood::testing::RawConnection;
using ::cordwood::testing::WaitUntil;
using ::testing::HasSubstr;

constexpr char kEcho[] = "/t/Echo";  // the name back
constexpr char kWait[] = "/t/Wait";  // the same, once the gate is open
constexpr char kBig[] = "/t/Big";    // 20 KB
constexpr std::size_t kBigBytes = 20'000;

class ControlCallsTest : public ::testing::Test {
 protected:
  ~ControlCallsTest() override {
    OpenGate();
    for (auto& caller : callers_) caller.thread.join();
    callers_.clear();
    if (server_ == nullptr) return;
    network_.Drain(absl::Seconds(5));
    server_->Shutdown(absl::ZeroDuration());
    calls_->Stop();
    network_.Stop();
  }
  void Start() {
    calls_ = std::make_unique<ControlCalls>(network_, options_);
    const auto echo = [this](const v1::ListOffsetsRequest& request) -> StatusOr<v1::InitProducerRequest> {
      ++echoes_;
      v1::InitProducerRequest response;
      response.set_transactional_id(request.queries(0).partition().topic());
      return response;
    };
    calls_->Add<v1::ListOffsetsRequest>(kEcho, echo);
    calls_->Add<v1::ListOffsetsRequest>(kWait, [this, echo](const auto& request) {
      MutexLock lock(mu_);
      ++at_gate_;
      while (!open_) opened_.Wait(mu_);
      return echo(request);
    });
    calls_->Add<v1::ListOffsetsRequest>(kBig, [](const auto&) -> StatusOr<v1::InitProducerRequest> {
      v1::InitProducerRequest response;
      response.set_transactional_id(std::string(kBigBytes, 'x'));
      return response;
    });
    std::vector<std::unique_ptr<grpc::Service>> services;
    services.push_back(MakeListedService("t"));
    server_ = std::make_unique<GrpcServer>(std::move(services));
    GrpcServerOptions server;
    server.host = "127.0.0.1";
    ASSERT_EQ(server_->Start(server, network_), absl::OkStatus());
    calls_->Start();
    network_.Start();
    address_ = "127.0.0.1:" + std::to_string(server_->port());
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    channel_ = grpc::CreateCustomChannel(address_, grpc::InsecureChannelCredentials(), arguments);
  }
  void OpenGate() {
    MutexLock lock(mu_);
    open_ = true;
    opened_.SignalAll();
  }
  bool AtGate(int calls) {
    return WaitUntil([&] {
      MutexLock lock(mu_);
      return at_gate_ == calls;
    });
  }
  bool Queued(std::int64_t calls) {
    return WaitUntil([&] { return calls_->pool().queued() == calls; });
  }

  static v1::ListOffsetsRequest Request(const std::string& name) {
    v1::ListOffsetsRequest request;
    request.add_queries()->mutable_partition()->set_topic(name);
    return request;
  }
  // The answer, or the reason and the message.
  std::string Call(const char* method, const std::string& name, grpc::ClientContext& context) {
    v1::InitProducerRequest response;
    const grpc::internal::RpcMethod rpc(method, grpc::internal::RpcMethod::NORMAL_RPC);
    const grpc::Status status = grpc::internal::BlockingUnaryCall(channel_.get(), rpc, &context, Request(name), &response);
    if (status.ok()) return response.transactional_id();
    return std::string(ReasonName(ReasonInGrpcStatus(status))) + ": " + status.error_message();
  }
  std::string Call(const char* method, const std::string& name) {
    grpc::ClientContext context;
    return Call(method, name, context);
  }
  struct Caller {
    std::unique_ptr<grpc::ClientContext> context;
    std::future<std::string> answer;
    std::thread thread;
  };
  // In the background; the answer comes with Await().
  std::size_t Begin(const char* method, const std::string& name) {
    Caller& caller = callers_.emplace_back();
    caller.context = std::make_unique<grpc::ClientContext>();
    std::packaged_task<std::string()> call([this, method, name, context = caller.context.get()] { return Call(method, name, *context); });
    caller.answer = call.get_future();
    caller.thread = std::thread(std::move(call));
    return callers_.size() - 1;
  }
  std::string Await(std::size_t caller) { return callers_[caller].answer.get(); }

  // A connection that grants no window for answers.
  std::unique_ptr<RawConnection> NonReader() const {
    auto connection = std::make_unique<RawConnection>(address_);
    const std::string no_window("\0\4\0\0\0\0", 6);
    connection->Send(Http2Opening() + Http2Frame(4, 0, 0, no_window));
    return connection;
  }
  static std::string RawCall(const char* method, int stream) {
    const std::string request = Request("x").SerializeAsString();
    std::string message(4, '\0');
    message += static_cast<char>(request.size());
    return GrpcRequestHeaders(method, stream) + Http2Frame(kDataFrame, kEndStream, stream, message + request);
  }
  std::int64_t Unread() const { return calls_->threads()[0]->unread_bytes.value(); }
  std::uint64_t Cut() const { return calls_->threads()[0]->cut.value(); }

  Mutex mu_;
  CondVar opened_;
  bool open_ ABSL_GUARDED_BY(mu_) = false;
  int at_gate_ ABSL_GUARDED_BY(mu_) = 0;
  std::atomic<int> echoes_{0};
  ControlOptions options_;
  ByteBudget budget_;
  NetworkThreads network_{NetworkOptions(), budget_, Clock::System()};
  std::unique_ptr<ControlCalls> calls_;
  std::unique_ptr<GrpcServer> server_;
  std::string address_;
  std::shared_ptr<grpc::Channel> channel_;
  std::vector<Caller> callers_;
};

TEST_F(ControlCallsTest, OpenReflectionStreamsAndUnreadAnswersKeepNobodyElseFromAnAnswer) {
  Start();
  const auto connection = NonReader();
  std::string bytes;
  for (int i = 0; i < 300; ++i) bytes += GrpcRequestHeaders("/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", 1 + 2 * i);
  for (int i = 300; i < 600; ++i) bytes += RawCall(kBig, 1 + 2 * i);
  ASSERT_TRUE(connection->Send(bytes));
  ASSERT_TRUE(WaitUntil([&] { return Unread() > 290 * static_cast<std::int64_t>(kBigBytes); }));
  for (int i = 0; i < 10; ++i) EXPECT_EQ(Call(kEcho, "served"), "served");
}

TEST_F(ControlCallsTest, WhatIsNotReadGivesItsRoomToNewerAnswers) {
  options_.unread_bytes_max = 10 * kBigBytes + 2'000;
  Start();
  const auto connection = NonReader();
  for (int i = 0; i < 50; ++i) ASSERT_TRUE(connection->Send(RawCall(kBig, 1 + 2 * i)));
  ASSERT_TRUE(WaitUntil([&] { return Cut() == 40; }));
  EXPECT_GT(Unread(), 10 * static_cast<std::int64_t>(kBigBytes) - 1);
  EXPECT_LE(Unread(), static_cast<std::int64_t>(options_.unread_bytes_max));
  EXPECT_EQ(Call(kBig, "reads").size(), kBigBytes);
  const auto told = [](const std::string& all) { return all.find("newer answers needed the room") != std::string::npos; };
  EXPECT_TRUE(told(connection->ReadUntil(told)));
}

TEST_F(ControlCallsTest, AFullQueueRefusesWithTheNameOfItsLimit) {
  options_.pool.threads = 1;
  options_.pool.queued_max = 2;
  Start();
  const std::size_t running = Begin(kWait, "runs");
  ASSERT_TRUE(AtGate(1));
  const std::size_t first = Begin(kWait, "waits");
  const std::size_t second = Begin(kEcho, "too");
  ASSERT_TRUE(Queued(2));
  EXPECT_EQ(Call(kEcho, "full"), "THROTTLING_QUOTA_EXCEEDED: queued.max.requests = 2 requests wait for a thread");
  EXPECT_EQ(Call(kWait, "full"), "THROTTLING_QUOTA_EXCEEDED: queued.max.requests = 2 calls of this method are open");
  OpenGate();
  EXPECT_EQ(Await(running) + Await(first) + Await(second), "runswaitstoo");
  EXPECT_EQ(Call(kEcho, "room again"), "room again");
}

TEST_F(ControlCallsTest, ACancelledCallIsNotRunAndLeavesTheQueue) {
  options_.pool.threads = 1;
  Start();
  const std::size_t running = Begin(kWait, "runs");
  ASSERT_TRUE(AtGate(1));
  const std::size_t cancelled = Begin(kEcho, "never");
  ASSERT_TRUE(Queued(1));
  callers_[cancelled].context->TryCancel();
  EXPECT_TRUE(Queued(0));
  OpenGate();
  EXPECT_EQ(Await(running), "runs");
  EXPECT_EQ(Call(kEcho, "after"), "after");
  EXPECT_EQ(echoes_, 2);
}

TEST_F(ControlCallsTest, ARequestWhoseDeadlineHasPassedIsNotRun) {
  ControlPool pool({}, Clock::System());
  pool.Start();
  std::promise<Status> outcome;
  struct Listener final : ControlListener {
    explicit Listener(std::promise<Status>& outcome) : outcome(outcome) {}
    void OnOutcome(ControlJob& job) override { outcome.set_value(job.outcome.status()); }
    std::promise<Status>& outcome;
  } listener(outcome);
  bool ran = false;
  const ControlHandler handler = [&ran](grpc::ByteBuffer&) {
    ran = true;
    return grpc::ByteBuffer();
  };
  Outbox outbox([] {});
  auto* job = new ControlJob;
  job->listener = &listener;
  job->handler = &handler;
  job->outbox = &outbox;
  job->context.deadline = Clock::System().Monotonic();
  pool.Submit(job);
  ASSERT_TRUE(WaitUntil([&] { return outbox.Drain(); }));
  EXPECT_EQ(ReasonOf(outcome.get_future().get()), Reason::kThrottled);
  pool.Stop();
  EXPECT_FALSE(ran);
}

TEST_F(ControlCallsTest, ABrokerThatStopsAnswersWhatItHasAndRefusesWhatComes) {
  options_.pool.threads = 1;
  Start();
  const std::size_t running = Begin(kWait, "runs");
  ASSERT_TRUE(AtGate(1));
  const std::size_t waiting = Begin(kEcho, "waits");
  ASSERT_TRUE(Queued(1));
  for (int i = 0; i < network_.size(); ++i) network_.at(i).Run([&thread = network_.at(i)] { thread.calls().Stop(); });  // as Drain() begins
  EXPECT_EQ(Call(kBig, "new"), "SHUTTING_DOWN: the broker is stopping");
  EXPECT_EQ(echoes_, 0);
  OpenGate();
  EXPECT_EQ(Await(running) + Await(waiting), "runswaits");
  EXPECT_TRUE(network_.Drain(absl::Seconds(30)));
}

TEST_F(ControlCallsTest, APoolThatStopsRunsWhatItHasBegunAndGivesTheRestBack) {
  options_.pool.threads = 1;
  Start();
  const std::size_t running = Begin(kWait, "runs");
  ASSERT_TRUE(AtGate(1));
  const std::size_t waiting = Begin(kEcho, "waits");
  ASSERT_TRUE(Queued(1));
  auto stopped = std::async(std::launch::async, [this] { calls_->Stop(); });
  EXPECT_EQ(Await(waiting), "SHUTTING_DOWN: the broker is stopping");
  EXPECT_EQ(Call(kEcho, "late"), "SHUTTING_DOWN: the broker is stopping");
  OpenGate();
  EXPECT_EQ(Await(running), "runs");
  stopped.get();
  EXPECT_EQ(echoes_, 1);
}

TEST_F(ControlCallsTest, ALargeRequestIsToldTheLimit) {
  options_.request_bytes_max = 1000;
  Start();
  EXPECT_THAT(Call(kEcho, std::string(2000, 'x')), HasSubstr("socket.request.max.bytes is 1000"));
  EXPECT_EQ(Call(kEcho, "small"), "small");
}

TEST_F(ControlCallsTest, ARequestHoldsTheBudgetUntilItIsAnswered) {
  Start();
  const auto taken = [this] { return (budget_.total() - budget_.free_bytes()) / kLeaseStepBytes; };
  const std::size_t running = Begin(kWait, std::string(5 << 20, 'x'));
  ASSERT_TRUE(AtGate(1));
  EXPECT_EQ(taken(), 2);
  OpenGate();
  EXPECT_EQ(Await(running).size(), std::size_t{5 << 20});
  EXPECT_TRUE(WaitUntil([&] { return taken() == 1; }));
}

TEST_F(ControlCallsTest, RequestsAreCountedByMethod) {
  Start();
  for (int i = 0; i < 3; ++i) EXPECT_EQ(Call(kEcho, "x"), "x");
  EXPECT_EQ(calls_->methods()[0]->name, "Echo");
  EXPECT_EQ(calls_->methods()[0]->requests.value(), 3u);
  EXPECT_EQ(calls_->methods()[1]->requests.value(), 0u);
  EXPECT_TRUE(WaitUntil([&] { return Unread() == 0; }));
}

}  // namespace
}  // namespace cordwood::broker
