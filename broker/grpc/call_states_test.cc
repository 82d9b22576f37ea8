// SPDX-License-Identifier: Apache-2.0
// Ten thousand open calls, and clients that die in every state of one. Meant for AddressSanitizer.
#include <grpcpp/create_channel.h>
#include <grpcpp/generic/generic_stub.h>
#include <gtest/gtest.h>

#include <atomic>
#include <deque>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "broker/grpc/log_doors_fixture.h"
#include "cordwood/v1/log.pb.h"
#include "storage/base/mutex.h"
#include "tests/support/wait_until.h"

namespace cordwood::broker {
namespace {

namespace v1 = cordwood::v1;

grpc::ByteBuffer Buffer(const std::string& text) {
  grpc::Slice slice(text);
  return grpc::ByteBuffer(&slice, 1);
}

// How far a client goes before it is gone.
enum class Until { kStarted, kWritten, kRead, kHalfClosed, kInMidWrite, kCount };

// One client call on a shared queue; the caller decides when it dies.
struct ClientCall {
  grpc::ClientContext context;
  std::unique_ptr<grpc::GenericClientAsyncReaderWriter> stream;
  grpc::ByteBuffer incoming;
  std::atomic<int> events{0};  // came back
  int started = 0;

  void* Tag() {
    ++started;
    return this;
  }
  void AwaitAll() const {
    while (events < started) std::this_thread::yield();
  }
};

class CallStatesTest : public LogDoorsFixture {
 protected:
  void SetUp() override {
    Start(4);
    for (int i = 0; i < 4; ++i) {
      grpc::ChannelArguments arguments;
      arguments.SetInt("grpc.use_local_subchannel_pool", 1);
      stubs_.push_back(std::make_unique<grpc::GenericStub>(grpc::CreateCustomChannel(address(), grpc::InsecureChannelCredentials(), arguments)));
    }
    client_thread_ = std::thread([this] {
      void* tag = nullptr;
      bool ok = false;
      while (queue_.Next(&tag, &ok)) {
        MutexLock lock(mu_);
        ++static_cast<ClientCall*>(tag)->events;
      }
    });
  }
  void TearDown() override {
    Stop(absl::Seconds(20));
    for (auto& call : calls_) call->context.TryCancel();
    for (auto& call : calls_) call->AwaitAll();
    queue_.Shutdown();
    client_thread_.join();
  }

  ClientCall& Open(const std::string& method) {
    {
      MutexLock lock(mu_);
      calls_.push_back(std::make_unique<ClientCall>());
    }
    ClientCall& call = *calls_.back();
    call.stream = stubs_[calls_.size() % stubs_.size()]->PrepareCall(&call.context, "/cordwood.v1.Log/" + method, &queue_);
    call.stream->StartCall(call.Tag());
    call.AwaitAll();
    return call;
  }
  // Goes so far, then leaves everything outstanding and cancels.
  void DieAt(const std::string& method, const std::string& message, Until until) {
    ClientCall& call = Open(method);
    if (until >= Until::kWritten) call.stream->Write(Buffer(until == Until::kInMidWrite ? std::string(4 << 20, 'x') : message), call.Tag());
    if (until == Until::kHalfClosed) {
      call.AwaitAll();
      call.stream->WritesDone(call.Tag());
    }
    if (until >= Until::kRead) call.stream->Read(&call.incoming, call.Tag());
    if (calls_.size() % 3 == 0) OpenCalls();  // once round the network thread: the broker has seen something of it
    call.context.TryCancel();
  }
  static std::string FetchMessage(int max_wait_ms, int partition) {
    v1::FetchRequest request;
    request.set_max_wait_ms(max_wait_ms);
    request.set_min_bytes(1);
    request.set_add_credit_bytes(1000);
    request.add_partitions()->set_topic("t");
    request.mutable_partitions(0)->set_partition(partition);
    return request.SerializeAsString();
  }
  static std::string ProduceMessage() {
    v1::ProduceRequest request;
    request.add_entries()->set_topic("t");
    request.mutable_entries(0)->add_records()->set_value("v");
    return request.SerializeAsString();
  }

  bool OpenCallsBecome(std::size_t count) {
    return testing::WaitUntil([&] { return OpenCalls() == count; }, absl::Seconds(60));
  }

  Mutex mu_;  // a call is made before its events come: the queue hides that from ThreadSanitizer
  grpc::CompletionQueue queue_;
  std::vector<std::unique_ptr<grpc::GenericStub>> stubs_;
  std::deque<std::unique_ptr<ClientCall>> calls_;
  std::thread client_thread_;
};

TEST_F(CallStatesTest, ClientsThatDieInEveryStateLeaveNothingBehind) {
  for (int round = 0; round < 20; ++round) {
    for (int until = 0; until < static_cast<int>(Until::kCount); ++until) {
      for (const char* method : {"Produce", "ProduceStream"}) DieAt(method, ProduceMessage(), static_cast<Until>(until));
      for (const char* method : {"Fetch", "FetchStream"}) DieAt(method, FetchMessage(60'000, round % 4), static_cast<Until>(until));
    }
  }
  EXPECT_TRUE(OpenCallsBecome(0));
  EXPECT_EQ(budget_.free_bytes() % kLeaseStepBytes, 0);
}

TEST_F(CallStatesTest, TenThousandLongPollsWaitAreAnsweredAndGo) {
  constexpr std::size_t kCalls = 10'000;
  const std::string message = FetchMessage(60'000, 1);
  for (std::size_t i = 0; i < kCalls; ++i) {
    ClientCall& call = Open("Fetch");
    call.stream->Write(Buffer(message), call.Tag());
    call.stream->Read(&call.incoming, call.Tag());
  }
  ASSERT_TRUE(OpenCallsBecome(kCalls));
  v1::ProduceRequest request;
  request.add_entries()->set_topic("t");
  request.mutable_entries(0)->set_partition(1);
  request.mutable_entries(0)->add_records()->set_value("for all");
  ClientCall& producer = Open("Produce");
  producer.stream->Write(Buffer(request.SerializeAsString()), producer.Tag());
  EXPECT_TRUE(OpenCallsBecome(0));
  std::size_t answered = 0;
  for (const auto& call : calls_) call->AwaitAll();
  for (const auto& call : calls_) answered += call->incoming.Valid() && call->incoming.Length() > 50;
  EXPECT_EQ(answered, kCalls);
}

TEST_F(CallStatesTest, StoppingWithCallsInEveryStateEndsThemAll) {
  for (int i = 0; i < 300; ++i) {
    const bool fetch = i % 2 == 0, stream = i % 4 < 2;
    ClientCall& call = Open(fetch ? (stream ? "FetchStream" : "Fetch") : (stream ? "ProduceStream" : "Produce"));
    if (i % 3 > 0) call.stream->Write(Buffer(fetch ? FetchMessage(60'000, i % 4) : ProduceMessage()), call.Tag());
    if (i % 3 > 1) call.stream->Read(&call.incoming, call.Tag());
  }
  EXPECT_TRUE(threads_.Drain(absl::Seconds(20)));
  EXPECT_EQ(OpenCalls(), 0u);
}

TEST_F(CallStatesTest, StoppingWithoutDrainingCancelsWhatIsOpen) {
  for (int i = 0; i < 200; ++i) {
    ClientCall& call = Open(i % 2 == 0 ? "FetchStream" : "ProduceStream");
    call.stream->Write(Buffer(i % 2 == 0 ? FetchMessage(0, 0) : ProduceMessage()), call.Tag());
  }
  Stop(absl::ZeroDuration());
}

}  // namespace
}  // namespace cordwood::broker
