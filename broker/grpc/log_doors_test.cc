// SPDX-License-Identifier: Apache-2.0
// Records in and out through real sockets, doors, handlers and a real shard, by the generated stubs.
#include "broker/grpc/log_doors.h"

#include <gmock/gmock.h>
#include <grpcpp/create_channel.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "broker/grpc/log_doors_fixture.h"
#include "cordwood/v1/log.grpc.pb.h"
#include "tests/support/wait_until.h"

namespace cordwood::broker {
namespace {

namespace v1 = cordwood::v1;
using ::testing::ElementsAre;

std::string BatchText(const std::vector<std::string>& values) {
  return std::string(cordwood::BatchOf(MakeBatch(values, Codec::kNone, Clock::System().WallMs()).view()));
}

class LogDoorsTest : public LogDoorsFixture {
 protected:
  explicit LogDoorsTest(std::int64_t budget_bytes = 128 << 20, std::size_t window_bytes = 4 << 20) : LogDoorsFixture(budget_bytes) {
    options_.window_bytes = window_bytes;
  }
  void SetUp() override {
    Start(2);
    grpc::ChannelArguments arguments;
    arguments.SetMaxReceiveMessageSize(-1);
    arguments.SetInt("grpc.http2.bdp_probe", 0);  // what is not read stays with the broker
    stub_ = v1::Log::NewStub(grpc::CreateCustomChannel(address(), grpc::InsecureChannelCredentials(), arguments));
  }
  void TearDown() override { EXPECT_TRUE(Stop(absl::Seconds(5))); }

  static v1::ProduceRequest RequestOf(std::uint64_t seq, int partition, const std::string& batches) {
    v1::ProduceRequest request;
    request.set_seq(seq);
    v1::ProduceEntry& entry = *request.add_entries();
    entry.set_topic("t");
    entry.set_partition(partition);
    entry.set_batches(batches);
    return request;
  }
  v1::ProduceResponse Produce(const v1::ProduceRequest& request) {
    grpc::ClientContext context;
    v1::ProduceResponse response;
    status_ = stub_->Produce(&context, request, &response);
    return response;
  }
  v1::FetchResponse Fetch(int partition, std::int64_t offset, bool as_records = false, int max_wait_ms = 0) {
    grpc::ClientContext context;
    v1::FetchRequest request;
    request.set_as_records(as_records);
    request.set_max_wait_ms(max_wait_ms);
    request.set_min_bytes(1);
    v1::FetchPartition& from = *request.add_partitions();
    from.set_topic("t");
    from.set_partition(partition);
    from.set_fetch_offset(offset);
    v1::FetchResponse response;
    status_ = stub_->Fetch(&context, request, &response);
    return response;
  }
  v1::Reason ReasonOfStatus() {
    v1::RpcStatus packed;
    v1::ErrorDetail detail;
    if (!packed.ParseFromString(status_.error_details()) || packed.details_size() != 1) return v1::NONE;
    return detail.ParseFromString(packed.details(0).value()) ? detail.reason() : v1::NONE;
  }

  bool OpenCallsBecome(std::size_t count) {
    return testing::WaitUntil([&] { return OpenCalls() == count; });
  }

  std::unique_ptr<v1::Log::Stub> stub_;
  grpc::Status status_;
};

TEST_F(LogDoorsTest, UnaryProduceAndFetchGoThroughEveryRoom) {
  const v1::ProduceResponse response = Produce(RequestOf(1, 0, BatchText({"a", "b"}) + BatchText({"c"})));
  ASSERT_TRUE(status_.ok()) << status_.error_message();
  EXPECT_THAT(response.done(0).base_offset(), ElementsAre(0, 2));
  const v1::FetchResponse fetched = Fetch(0, 0);
  EXPECT_EQ(ValuesOf(fetched.results(0).batches()), "a b c");
  EXPECT_EQ(fetched.results(0).high_watermark(), 3);
}

TEST_F(LogDoorsTest, ASimpleClientSendsAndGetsPlainRecords) {
  v1::ProduceRequest request;
  v1::ProduceEntry& entry = *request.add_entries();
  entry.set_topic("t");
  for (const char* value : {"x", "y"}) entry.add_records()->set_value(value);
  const v1::ProduceResponse response = Produce(request);
  ASSERT_TRUE(status_.ok());
  ASSERT_EQ(response.done(0).partition_size(), 1);
  const v1::FetchResponse fetched = Fetch(response.done(0).partition(0), 1, /*as_records=*/true);
  ASSERT_EQ(fetched.results(0).records_size(), 1);
  EXPECT_EQ(fetched.results(0).records(0).value(), "y");
  EXPECT_EQ(fetched.results(0).records(0).offset(), 1);
}

TEST_F(LogDoorsTest, ABatchBuiltToExplodeStopsOnlyTheSimpleClientBeforeIt) {
  const std::int64_t now = Clock::System().WallMs();
  const std::string bomb(cordwood::BatchOf(MakeBatch({std::string(kDecodedBatchBytesMax, 'x')}, Codec::kZstd, now).view()));
  Produce(RequestOf(1, 0, BatchText({"a"}) + bomb + BatchText({"c"})));
  ASSERT_TRUE(status_.ok());
  EXPECT_EQ(Fetch(0, 0, /*as_records=*/true).results(0).records(0).value(), "a");
  EXPECT_EQ(Fetch(0, 1, /*as_records=*/true).results(0).error().reason(), v1::CORRUPT_MESSAGE);
  EXPECT_EQ(Fetch(0, 2, /*as_records=*/true).results(0).records(0).value(), "c");
  EXPECT_GT(Fetch(0, 1).results(0).batches().size(), bomb.size()) << "whoever decodes for himself gets it";
}

TEST_F(LogDoorsTest, RefusedRequestsEndTheUnaryCallWithTheirReason) {
  Produce(v1::ProduceRequest());
  EXPECT_EQ(status_.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(status_.error_message(), "a produce request without entries");
  EXPECT_EQ(ReasonOfStatus(), v1::INVALID_REQUEST);
  const v1::FetchResponse fetched = Fetch(0, 5);
  EXPECT_TRUE(status_.ok());
  EXPECT_EQ(fetched.results(0).error().reason(), v1::OFFSET_OUT_OF_RANGE);
}

TEST_F(LogDoorsTest, AStreamOfProducesIsAnsweredCompletelyAndEndsWell) {
  constexpr int kMessages = 500;
  grpc::ClientContext context;
  auto stream = stub_->ProduceStream(&context);
  std::thread writer([&] {
    for (int i = 0; i < kMessages; ++i) {
      v1::ProduceRequest request = RequestOf(static_cast<std::uint64_t>(i), i % 2, BatchText({std::to_string(i)}));
      request.mutable_entries(0)->set_handle(static_cast<std::uint32_t>(i % 2 + 1));
      if (i >= 2) request.mutable_entries(0)->clear_topic();
      if (i >= 2) request.mutable_entries(0)->clear_partition();
      ASSERT_TRUE(stream->Write(request));
    }
    stream->WritesDone();
  });
  std::vector<std::int64_t> offsets(kMessages, -1);
  v1::ProduceResponse response;
  std::uint64_t window = 0;
  while (stream->Read(&response)) {
    window = std::max<std::uint64_t>(window, response.window_bytes());
    for (const v1::Done& done : response.done()) offsets[done.seq()] = done.base_offset(0);
  }
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(window, 4u << 20);
  for (int i = 0; i < kMessages; ++i) EXPECT_EQ(offsets[static_cast<std::size_t>(i)], i / 2) << i;
}

TEST_F(LogDoorsTest, AStreamThatSendsNonsenseEndsAfterItsEarlierAnswers) {
  grpc::ClientContext context;
  auto stream = stub_->ProduceStream(&context);
  stream->Write(RequestOf(1, 0, BatchText({"a"})));
  v1::ProduceRequest wrong = RequestOf(2, 0, BatchText({"a"}));
  wrong.set_timeout_ms(-1);
  stream->Write(wrong);
  v1::ProduceRequest crowd;
  for (int i = 0; i < 10'001; ++i) crowd.add_entries();
  stream->Write(crowd);
  v1::ProduceResponse response;
  std::vector<v1::Done> done;
  while (stream->Read(&response)) done.insert(done.end(), response.done().begin(), response.done().end());
  ASSERT_EQ(done.size(), 2u);
  std::sort(done.begin(), done.end(), [](const v1::Done& a, const v1::Done& b) { return a.seq() < b.seq(); });
  EXPECT_EQ(done[0].errors_size(), 0);
  EXPECT_EQ(done[1].errors(0).reason(), v1::INVALID_REQUEST);
  status_ = stream->Finish();
  EXPECT_EQ(ReasonOfStatus(), v1::RECORD_LIST_TOO_LARGE);
}

// Few bytes that are answered with many: 30 KB, and 10 000 refusals of some 300 bytes.
v1::ProduceRequest Refusable(std::uint64_t seq) {
  v1::ProduceRequest request;
  request.set_seq(seq);
  for (int i = 0; i < 10'000; ++i) request.add_entries();
  return request;
}

TEST_F(LogDoorsTest, AStreamThatDoesNotReadItsRefusalsIsNotReadOn) {
  constexpr std::uint64_t kMessages = 30;
  const ProduceMeasures& measures = doors_->produce_measures();
  grpc::ClientContext context;
  auto stream = stub_->ProduceStream(&context);
  std::thread writer([&] {
    for (std::uint64_t seq = 1; seq <= kMessages; ++seq) ASSERT_TRUE(stream->Write(Refusable(seq)));
    stream->WritesDone();
  });
  ASSERT_TRUE(testing::WaitUntil([&] { return measures.unread_bytes.value() > 4'000'000; }));
  EXPECT_FALSE(testing::WaitUntil([&] { return measures.requests.value() > 8 || measures.unread_bytes.value() > 20'000'000; }, absl::Milliseconds(100)));
  std::uint64_t next = 1;
  for (v1::ProduceResponse response; stream->Read(&response);) {
    for (const v1::Done& done : response.done()) EXPECT_TRUE(done.seq() == next++ && done.errors_size() == 10'000);
  }
  writer.join();
  EXPECT_TRUE(stream->Finish().ok());
  EXPECT_EQ(next, kMessages + 1);
  EXPECT_TRUE(OpenCallsBecome(0));
  EXPECT_TRUE(testing::WaitUntil([&] { return measures.unread_bytes.value() == 0; }));
}

class SmallUnreadTest : public LogDoorsTest {
 protected:
  SmallUnreadTest() { options_.produce_unread_bytes_max = 1 << 20; }
};

TEST_F(SmallUnreadTest, ProduceCallsThatReadNothingEndOnceTheirAnswersHoldTooMuch) {
  const ProduceMeasures& measures = doors_->produce_measures();
  std::vector<std::unique_ptr<grpc::ClientContext>> contexts;
  std::vector<std::unique_ptr<grpc::ClientReaderWriter<v1::ProduceRequest, v1::ProduceResponse>>> streams;
  for (int i = 0; i < 4; ++i) {
    contexts.push_back(std::make_unique<grpc::ClientContext>());
    streams.push_back(stub_->ProduceStream(contexts.back().get()));
    for (std::uint64_t seq = 1; seq <= 2; ++seq) ASSERT_TRUE(streams.back()->Write(Refusable(seq)));
  }
  EXPECT_TRUE(testing::WaitUntil([&] { return measures.ended_unread.value() >= 3u; }));
  Produce(RequestOf(1, 0, BatchText({"a"})));
  EXPECT_TRUE(status_.ok()) << "who reads is served";
  EXPECT_TRUE(testing::WaitUntil([&] { return measures.unread_bytes.value() <= 2 << 20; }));
  v1::ProduceResponse response;
  while (streams[0]->Read(&response)) {
  }
  status_ = streams[0]->Finish();
  EXPECT_EQ(status_.error_code(), grpc::StatusCode::UNAVAILABLE);
  EXPECT_EQ(status_.error_message(), "answers of this call went unread while those of all calls held too much memory");
  for (const auto& context : contexts) context->TryCancel();
}

TEST_F(LogDoorsTest, OfAMessageThatAStreamRefusesEveryEntryIsRefused) {
  grpc::ClientContext context;
  auto stream = stub_->ProduceStream(&context);
  v1::ProduceRequest wrong = RequestOf(1, 0, BatchText({"a"}) + BatchText({"b"}));
  *wrong.add_entries() = RequestOf(1, 0, BatchText({"c"})).entries(0);
  wrong.set_timeout_ms(-1);
  stream->Write(wrong);
  stream->WritesDone();
  v1::ProduceResponse response;
  ASSERT_TRUE(stream->Read(&response));
  const v1::Done& done = response.done(0);
  EXPECT_THAT(done.base_offset(), ElementsAre(-1, -1, -1));
  ASSERT_EQ(done.errors_size(), 2);
  for (int i = 0; i < 2; ++i) {
    EXPECT_EQ(done.errors(i).entry(), static_cast<std::uint32_t>(i));
    EXPECT_EQ(done.errors(i).reason(), v1::INVALID_REQUEST);
  }
  EXPECT_TRUE(stream->Finish().ok());
}

class SmallRequestsTest : public LogDoorsTest {
 protected:
  SmallRequestsTest() { options_.request_bytes_max = 1000; }
};

TEST_F(SmallRequestsTest, AMessageThatIsTooLargeEndsAStreamAfterItsEarlierAnswers) {
  std::promise<void> go;
  shard_.driver().Run([held = go.get_future().share()](ShardTurn&) { return held.wait(), absl::OkStatus(); }, [](const Status&) {});
  grpc::ClientContext context;
  auto stream = stub_->ProduceStream(&context);
  stream->Write(RequestOf(1, 0, BatchText({"a"})));
  stream->Write(RequestOf(2, 0, BatchText({std::string(2000, 'x')})));
  Fetch(1, 0);  // by the same connection: what was sent before it has been read
  go.set_value();
  v1::ProduceResponse response;
  ASSERT_TRUE(stream->Read(&response));
  ASSERT_EQ(response.done_size(), 1);
  EXPECT_EQ(response.done(0).seq(), 1u);
  EXPECT_THAT(response.done(0).base_offset(), ElementsAre(0));
  EXPECT_FALSE(stream->Read(&response));
  status_ = stream->Finish();
  EXPECT_EQ(ReasonOfStatus(), v1::MESSAGE_TOO_LARGE);
}

TEST_F(LogDoorsTest, ALongPollEndsWithTheRecordItWaitedFor) {
  std::thread producer([&] {
    EXPECT_TRUE(OpenCallsBecome(1));  // the poll is there
    grpc::ClientContext context;
    v1::ProduceResponse response;
    EXPECT_TRUE(stub_->Produce(&context, RequestOf(1, 1, BatchText({"late"})), &response).ok());
  });
  EXPECT_EQ(ValuesOf(Fetch(1, 0, false, 30'000).results(0).batches()), "late");
  producer.join();
}

TEST_F(LogDoorsTest, AFetchStreamFollowsTheLogWithinItsCredit) {
  constexpr int kRecords = 200;
  grpc::ClientContext context;
  auto stream = stub_->FetchStream(&context);
  v1::FetchRequest request;
  request.set_add_credit_bytes(10'000);
  v1::FetchPartition& from = *request.add_partitions();
  from.set_handle(3);
  from.set_topic("t");
  from.set_partition(0);
  ASSERT_TRUE(stream->Write(request));
  std::thread producer([&] {
    for (int i = 0; i < kRecords; ++i) {
      grpc::ClientContext produce_context;
      v1::ProduceResponse response;
      ASSERT_TRUE(stub_->Produce(&produce_context, RequestOf(1, 0, BatchText({std::string(1000, 'a') + std::to_string(i)})), &response).ok());
    }
  });
  int next = 0;
  v1::FetchResponse response;
  while (next < kRecords && stream->Read(&response)) {
    for (const v1::FetchResult& result : response.results()) {
      EXPECT_EQ(result.handle(), 3u);
      std::string_view batches = result.batches();
      v1::FetchRequest credit;
      credit.set_add_credit_bytes(batches.size());
      if (!batches.empty()) stream->Write(credit);
      while (!batches.empty()) EXPECT_EQ(RecordBatchView::TakeFirst(&batches)->base_offset(), Offset(next++));
    }
  }
  EXPECT_EQ(next, kRecords);
  producer.join();
  context.TryCancel();
}

// The status waits behind answers that nobody reads, for five minutes; what the fetch itself holds does not.
TEST_F(LogDoorsTest, AFetchStreamThatIsRefusedLetsGoOfItsFetchAtOnce) {
  for (int i = 0; i < 8; ++i) Produce(RequestOf(1, 0, BatchText({std::string(900'000, 'a')})));
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_HTTP2_BDP_PROBE, 0);  // its window stays at 64 KiB
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  const auto stub = v1::Log::NewStub(grpc::CreateCustomChannel(address(), grpc::InsecureChannelCredentials(), arguments));
  grpc::ClientContext context;
  auto stream = stub->FetchStream(&context);
  v1::FetchRequest request;
  request.set_add_credit_bytes(1 << 30);
  request.add_partitions()->set_topic("t");
  request.mutable_partitions(0)->set_partition(0);
  ASSERT_TRUE(stream->Write(request));
  const FetchMeasures& measures = doors_->fetch_measures();
  ASSERT_TRUE(testing::WaitUntil([&] { return measures.unwritten_bytes.value() > 1'000'000; }));
  EXPECT_EQ(measures.sessions.value(), 1);
  request.mutable_partitions(0)->set_topic(std::string(70'000, 'x'));
  ASSERT_TRUE(stream->Write(request)) << "which is too large";
  EXPECT_TRUE(testing::WaitUntil([&] { return measures.sessions.value() == 0; }));
  EXPECT_EQ(OpenCalls(), 1u);
  context.TryCancel();
}

class NoRingTest : public LogDoorsTest {
 protected:
  NoRingTest() { options_.fetch.ring_bytes = 1; }
};

TEST_F(NoRingTest, AStreamThatHalfClosesGetsWhatItsCreditAllows) {
  Produce(RequestOf(1, 0, BatchText({"a"})));
  grpc::ClientContext context;
  auto stream = stub_->FetchStream(&context);
  v1::FetchRequest request;
  request.set_add_credit_bytes(1);
  request.add_partitions()->set_topic("t");
  request.mutable_partitions(0)->set_partition(0);
  stream->Write(request);
  stream->WritesDone();
  std::string batches;
  v1::FetchResponse response;
  while (stream->Read(&response)) batches += response.results(0).batches();
  EXPECT_EQ(ValuesOf(batches), "a");
  EXPECT_TRUE(stream->Finish().ok());
}

TEST_F(LogDoorsTest, StoppingAnswersLongPollsAndEndsStreams) {
  grpc::ClientContext context;
  auto stream = stub_->ProduceStream(&context);
  stream->Write(RequestOf(1, 0, BatchText({"a"})));
  v1::ProduceResponse response;
  ASSERT_TRUE(stream->Read(&response));
  std::thread poller([&] {
    const v1::FetchResponse fetched = Fetch(1, 0, false, 60'000);
    EXPECT_TRUE(status_.ok()) << status_.error_message();
    EXPECT_EQ(fetched.results_size(), 1);
  });
  EXPECT_TRUE(OpenCallsBecome(2));
  EXPECT_TRUE(Stop(absl::Seconds(5)));
  poller.join();
  EXPECT_FALSE(stream->Read(&response));
  status_ = stream->Finish();
  EXPECT_EQ(ReasonOfStatus(), v1::SHUTTING_DOWN);
}

class SmallBudgetTest : public LogDoorsTest {
 protected:
  SmallBudgetTest() : LogDoorsTest(1 << 20, 100'000) {}
};

// What HTTP/2 lets them send is bounded elsewhere: were it taken from the budget, they would hold all of it.
TEST_F(SmallBudgetTest, IdleStreamsDoNotStopOthers) {
  struct Idle {
    grpc::ClientContext context;
    std::unique_ptr<grpc::ClientReaderWriter<v1::ProduceRequest, v1::ProduceResponse>> stream;
  };
  std::vector<std::unique_ptr<Idle>> idle;
  constexpr std::size_t kAllButOne = kLeaseStepBytes / kTransportWindowBytes - 1;  // that a lease of one step would have room for
  while (idle.size() < kAllButOne) {
    idle.push_back(std::make_unique<Idle>());
    idle.back()->stream = stub_->ProduceStream(&idle.back()->context);
  }
  ASSERT_TRUE(testing::WaitUntil([&] { return OpenCalls() == idle.size(); }));
  grpc::ClientContext context;
  context.set_deadline(std::chrono::system_clock::now() + std::chrono::seconds(20));
  v1::ProduceResponse response;
  EXPECT_TRUE(stub_->Produce(&context, RequestOf(1, 0, BatchText({"x"})), &response).ok());
  for (const auto& one : idle) one->context.TryCancel();
}

TEST_F(SmallBudgetTest, ManyFastProducersAllGetThrough) {
  std::vector<std::thread> producers;
  for (int p = 0; p < 8; ++p) {
    producers.emplace_back([&, p] {
      grpc::ClientContext context;
      auto stream = stub_->ProduceStream(&context);
      std::thread writer([&] {
        for (std::uint64_t i = 0; i < 50; ++i) ASSERT_TRUE(stream->Write(RequestOf(i, p % 2, BatchText({std::string(200'000, 'x')}))));
        stream->WritesDone();
      });
      int done = 0;
      v1::ProduceResponse response;
      while (stream->Read(&response)) done += response.done_size();
      writer.join();
      EXPECT_EQ(done, 50);
      EXPECT_TRUE(stream->Finish().ok());
    });
  }
  for (std::thread& producer : producers) producer.join();
  EXPECT_EQ(shard_.Replica("t", 0)->snapshot().log_end, Offset(200));
}

}  // namespace
}  // namespace cordwood::broker
