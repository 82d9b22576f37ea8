// SPDX-License-Identifier: Apache-2.0
// An echo over real connections: what a client sees in every state of a call.
#include "broker/grpc/call.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "broker/grpc/network_thread.h"
#include "cordwood/v1/error.pb.h"
#include "tests/support/raw_wire.h"
#include "tests/support/wait_until.h"

namespace cordwood::broker {
namespace {

std::string Text(const grpc::ByteBuffer& buffer) {
  std::vector<grpc::Slice> slices;
  EXPECT_TRUE(buffer.Dump(&slices).ok());
  std::string text;
  for (const grpc::Slice& slice : slices) text.append(reinterpret_cast<const char*>(slice.begin()), slice.size());
  return text;
}
grpc::ByteBuffer Buffer(const std::string& text) {
  grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

// Answers each message with itself; "hold" is kept unanswered, "die" ends the call with an error, "hurry?" asks whether the deadline has passed.
class EchoDoor final : public CallDoor {
 public:
  EchoDoor(Call& call, bool unary, std::atomic<int>& ends) : call_(call), unary_(unary), ends_(ends) {}
  void OnMessage(grpc::ByteBuffer message, ByteCharge charge) override {
    const std::string text = Text(message);
    if (text == "hurry?") return call_.Write(Buffer(call_.context().deadline > Clock::System().Monotonic() ? "no" : "too late"));
    if (text == "die") return call_.Finish(Error(Reason::kOffsetOutOfRange, "below the log start"));
    if (text.rfind("hold", 0) == 0) return held_.push_back(std::move(charge));
    call_.Write(Buffer(text));
    call_.Answered(charge.bytes());
    if (unary_) call_.Finish(absl::OkStatus());
  }
  void OnHalfClose() override { call_.Finish(absl::OkStatus()); }
  void OnRefused(const Status& status) override { call_.Finish(status); }
  void OnStop() override { call_.Finish(Error(Reason::kShuttingDown, "stopping")); }
  void OnEnd() override {
    held_.clear();
    ++ends_;
  }

 private:
  Call& call_;
  const bool unary_;
  std::atomic<int>& ends_;
  std::vector<ByteCharge> held_;
};

// Raw calls on a queue of their own.
class RawClient {
 public:
  explicit RawClient(int port, const std::string& method, int timeout_ms = 20'000, grpc_compression_algorithm compression = GRPC_COMPRESS_NONE) {
    context_.set_compression_algorithm(compression);
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetInt("grpc.http2.bdp_probe", 0);  // what is not read stays with the server
    stub_ = std::make_unique<grpc::GenericStub>(
        grpc::CreateCustomChannel("127.0.0.1:" + std::to_string(port), grpc::InsecureChannelCredentials(), arguments));
    context_.set_deadline(std::chrono::system_clock::now() + std::chrono::milliseconds(timeout_ms));
    stream_ = stub_->PrepareCall(&context_, method, &queue_);
    stream_->StartCall(Tag());
    Wait();
  }
  ~RawClient() {
    context_.TryCancel();
    queue_.Shutdown();
    void* tag = nullptr;
    bool ok = false;
    while (queue_.Next(&tag, &ok)) {
    }
  }
  bool Write(const std::string& text) {
    stream_->Write(Buffer(text), Tag());
    return Wait();
  }
  bool WritesDone() {
    stream_->WritesDone(Tag());
    return Wait();
  }
  std::string Read() {  // "<end>" at the end
    grpc::ByteBuffer buffer;
    stream_->Read(&buffer, Tag());
    return Wait() ? Text(buffer) : "<end>";
  }
  grpc::Status Finish() {
    grpc::Status status;
    stream_->Finish(&status, Tag());
    Wait();
    return status;
  }
  void Cancel() { context_.TryCancel(); }

 private:
  void* Tag() { return this; }
  bool Wait() {
    void* tag = nullptr;
    bool ok = false;
    return queue_.Next(&tag, &ok) && ok;
  }
  grpc::CompletionQueue queue_;
  std::unique_ptr<grpc::GenericStub> stub_;
  grpc::ClientContext context_;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream_;
};

class CallTest : public ::testing::Test {
 protected:
  explicit CallTest(const NetworkOptions& options = {}, std::int64_t budget_bytes = 128 << 20)
      : budget_(budget_bytes), threads_(options, budget_, Clock::System()) {
    NetworkThread& thread = threads_.at(0);
    MethodOptions unary;
    unary.unary = true;
    thread.calls().AddMethod("/t/Unary", unary, [this](Call& call) { return std::make_unique<EchoDoor>(call, true, ends_); });
    MethodOptions stream;
    stream.window_bytes = 1000;
    thread.calls().AddMethod("/t/Stream", stream, [this](Call& call) { return std::make_unique<EchoDoor>(call, false, ends_); });
    MethodOptions fetch;
    fetch.always_reads = true;
    fetch.message_bytes_max = 100;
    fetch.message_limit_name = "the limit of a fetch request";
    thread.calls().AddMethod("/t/Fetch", fetch, [this](Call& call) { return std::make_unique<EchoDoor>(call, false, ends_); });
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    threads_.AddTo(builder);
    server_ = builder.BuildAndStart();
    threads_.Start();
  }
  ~CallTest() override { Stop(); }
  void Stop() {
    if (server_ == nullptr) return;
    drained_ = threads_.Drain(absl::Seconds(5));
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::seconds(1));
    threads_.Stop();
    server_.reset();
  }
  // Waits until so many doors have ended.
  bool Ended(int count) {
    return testing::WaitUntil([&] { return ends_ == count; });
  }
  std::size_t OpenCalls() {
    std::promise<std::size_t> open;
    threads_.at(0).Run([&] { open.set_value(threads_.at(0).calls().open_calls()); });
    return open.get_future().get();
  }

  ByteBudget budget_;
  std::atomic<int> ends_{0};
  NetworkThreads threads_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
  bool drained_ = false;
};

cordwood::v1::ErrorDetail DetailOf(const grpc::Status& status) {
  cordwood::v1::RpcStatus packed;
  cordwood::v1::ErrorDetail detail;
  EXPECT_TRUE(packed.ParseFromString(status.error_details()));
  EXPECT_EQ(packed.details_size(), 1);
  if (packed.details_size() == 1) {
    EXPECT_EQ(packed.details(0).type_url(), "type.googleapis.com/cordwood.v1.ErrorDetail");
    EXPECT_TRUE(detail.ParseFromString(packed.details(0).value()));
  }
  return detail;
}

TEST_F(CallTest, AUnaryCallIsAnsweredOnce) {
  RawClient client(port_, "/t/Unary");
  client.Write("hello");
  client.WritesDone();
  EXPECT_EQ(client.Read(), "hello");
  EXPECT_TRUE(client.Finish().ok());
  EXPECT_TRUE(Ended(1));
}

TEST_F(CallTest, AnEmptyAnswerIsAMessageOfNoBytes) {
  RawClient client(port_, "/t/Unary");
  client.Write("");
  EXPECT_EQ(client.Read(), "");
  EXPECT_TRUE(client.Finish().ok());
}

TEST_F(CallTest, AnErrorCarriesItsReason) {
  RawClient client(port_, "/t/Unary");
  client.Write("die");
  EXPECT_EQ(client.Read(), "<end>");
  const grpc::Status status = client.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::OUT_OF_RANGE);
  EXPECT_EQ(status.error_message(), "below the log start");
  EXPECT_EQ(DetailOf(status).reason(), cordwood::v1::OFFSET_OUT_OF_RANGE);
}

TEST_F(CallTest, AnUnknownMethodIsUnimplementedWithoutAReason) {
  RawClient client(port_, "/t/Nothing");
  EXPECT_EQ(client.Read(), "<end>");
  const grpc::Status status = client.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED);
  EXPECT_EQ(status.error_message(), "no such method: /t/Nothing");
  EXPECT_EQ(status.error_details(), "");
}

TEST_F(CallTest, AStreamAnswersInOrderAndEndsAtTheHalfClose) {
  RawClient client(port_, "/t/Stream");
  for (const char* text : {"a", "b", "c"}) client.Write(text);
  for (const char* text : {"a", "b", "c"}) EXPECT_EQ(client.Read(), text);
  client.WritesDone();
  EXPECT_EQ(client.Read(), "<end>");
  EXPECT_TRUE(client.Finish().ok());
}

TEST_F(CallTest, AFullWindowStopsReadingAndAMessageAboveItStillPasses) {
  RawClient client(port_, "/t/Stream");
  client.Write(std::string(5000, 'x'));
  EXPECT_EQ(client.Read().size(), 5000u);
  client.Write("hold" + std::string(1000, 'x'));
  client.Write("never read");
  EXPECT_FALSE(testing::WaitUntil([&] { return OpenCalls() != 1; }, absl::Milliseconds(50)));
  client.Cancel();
  EXPECT_EQ(client.Read(), "<end>");
  EXPECT_TRUE(Ended(1));
}

TEST_F(CallTest, ARequestAboveItsLimitNamesTheLimit) {
  RawClient client(port_, "/t/Unary");
  client.Write(std::string(8 * 1024 * 1024 + 1, 'x'));
  client.Read();
  const grpc::Status status = client.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT) << status.error_message();
  EXPECT_EQ(status.error_message(), "a request of 8388609 bytes; socket.request.max.bytes is 8388608");
  EXPECT_EQ(DetailOf(status).reason(), cordwood::v1::MESSAGE_TOO_LARGE);
}

TEST_F(CallTest, ARequestAboveTheTransportLimitIsRefused) {
  RawClient client(port_, "/t/Unary");
  client.Write(std::string(10 * 1024 * 1024, 'x'));
  EXPECT_EQ(client.Read(), "<end>");
  const grpc::Status status = client.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED) << status.error_message();
  EXPECT_TRUE(Ended(1));
}

TEST_F(CallTest, AFetchCallDiesAboveItsRequestLimit) {
  RawClient client(port_, "/t/Fetch");
  client.Write(std::string(101, 'x'));
  EXPECT_EQ(client.Read(), "<end>");
  EXPECT_EQ(client.Finish().error_message(), "a request of 101 bytes; the limit of a fetch request is 100");
}

TEST_F(CallTest, ADeadlineEndsAHeldCall) {
  RawClient client(port_, "/t/Unary", 500);
  client.Write("hold");
  EXPECT_EQ(client.Read(), "<end>");
  EXPECT_EQ(client.Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(Ended(1));
}

TEST_F(CallTest, AnyDeadlineThatGrpcCanSayIsOneToCome) {
  for (const char* timeout : {"27000H", "2562047H", "99999999H"}) {
    testing::RawConnection client("127.0.0.1:" + std::to_string(port_));
    const std::string message = std::string(1, '\0') + testing::BigEndian32(6) + "hurry?";
    ASSERT_TRUE(client.Send(testing::Http2Opening() + testing::GrpcRequestHeaders("/t/Stream", 1, timeout) +
                            testing::Http2Frame(testing::kDataFrame, testing::kEndStream, 1, message)));
    const std::string answer = client.ReadUntil([](const std::string& all) { return testing::StreamEnded(all, 1); });
    EXPECT_EQ(answer.find("too late"), std::string::npos) << timeout;
    EXPECT_NE(answer.find(testing::BigEndian32(2) + "no"), std::string::npos) << timeout;
  }
}

TEST_F(CallTest, ACallWhoseMessagesGrpcWouldDecompressIsRefused) {
  for (const grpc_compression_algorithm algorithm : {GRPC_COMPRESS_DEFLATE, GRPC_COMPRESS_GZIP}) {
    RawClient client(port_, "/t/Unary", 20'000, algorithm);
    client.Write(std::string(4 << 20, 'x'));
    client.WritesDone();
    client.Read();
    const grpc::Status status = client.Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::UNIMPLEMENTED) << status.error_message();
  }
  RawClient client(port_, "/t/Unary");
  client.Write("plain");
  EXPECT_EQ(client.Read(), "plain");
}

class SpentBudgetTest : public CallTest {
 protected:
  SpentBudgetTest() : CallTest({}, 1) {}
};

TEST_F(SpentBudgetTest, ACallThatWaitsForTheBudgetEndsAtItsDeadline) {
  RawClient holder(port_, "/t/Stream");
  ASSERT_TRUE(holder.Write("hold" + std::string(5 << 20, 'x')));
  ASSERT_TRUE(testing::WaitUntil([&] { return budget_.free_bytes() < -kLeaseStepBytes; }));
  RawClient waiting(port_, "/t/Stream", 500);
  ASSERT_TRUE(waiting.Write("never read"));
  EXPECT_EQ(waiting.Finish().error_code(), grpc::StatusCode::DEADLINE_EXCEEDED);
  EXPECT_TRUE(Ended(1));
  EXPECT_TRUE(testing::WaitUntil([&] { return OpenCalls() == 1; })) << "nothing is left of it while the budget is still spent";
  EXPECT_EQ(ends_, 1);
}

class AnswerWriteTimeoutTest : public CallTest {
 protected:
  static NetworkOptions Impatient() {
    NetworkOptions options;
    options.answer_write_timeout = absl::Milliseconds(50);
    return options;
  }
  AnswerWriteTimeoutTest() : CallTest(Impatient()) {}
};

TEST_F(AnswerWriteTimeoutTest, ACallWhoseClientDoesNotReadEndsAndSaysWhy) {
  RawClient quiet(port_, "/t/Stream");
  quiet.Write("a");
  EXPECT_EQ(quiet.Read(), "a");
  RawClient client(port_, "/t/Stream");
  client.Write(std::string(4 * 1024 * 1024, 'x'));
  EXPECT_TRUE(Ended(1));
  client.Read();
  const grpc::Status status = client.Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(status.error_message(), "no answer was read for 50ms (answer.write.timeout.ms)");
  quiet.Write("b");
  EXPECT_EQ(quiet.Read(), "b") << "who has nothing to read may wait";
}

TEST_F(AnswerWriteTimeoutTest, AUnaryCallWhoseClientDoesNotReadEnds) {
  RawClient client(port_, "/t/Unary");
  client.Write(std::string(4 * 1024 * 1024, 'x'));
  client.WritesDone();
  EXPECT_TRUE(Ended(1));
  client.Read();
  EXPECT_EQ(client.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
}

TEST_F(CallTest, StoppingFinishesOpenCallsAndRefusesNewOnes) {
  RawClient held(port_, "/t/Unary");
  held.Write("hold");
  RawClient idle(port_, "/t/Stream");
  while (OpenCalls() < 2) std::this_thread::yield();
  EXPECT_TRUE(threads_.Drain(absl::Seconds(5)));
  held.Read();
  EXPECT_EQ(DetailOf(held.Finish()).reason(), cordwood::v1::SHUTTING_DOWN);
  idle.Read();
  EXPECT_EQ(DetailOf(idle.Finish()).reason(), cordwood::v1::SHUTTING_DOWN);
  RawClient late(port_, "/t/Stream");
  late.Read();
  EXPECT_EQ(DetailOf(late.Finish()).reason(), cordwood::v1::SHUTTING_DOWN);
}

TEST_F(CallTest, WorkPushedFromManyThreadsIsDoneInOrder) {
  std::vector<int> next(4, 0);
  std::atomic<int> done{0};
  std::vector<std::thread> pushers;
  for (int i = 0; i < 4; ++i) {
    pushers.emplace_back([&, i] {
      for (int n = 0; n < 20'000; ++n) threads_.at(0).Run([&, i, n] { done += next[i]++ == n; });
    });
  }
  for (auto& pusher : pushers) pusher.join();
  while (OpenCalls() != 0) std::this_thread::yield();
  EXPECT_EQ(done, 80'000);
}

}  // namespace
}  // namespace cordwood::broker
