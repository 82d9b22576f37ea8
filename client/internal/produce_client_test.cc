// SPDX-License-Identifier: Apache-2.0
// What a producer sends and when, seen from a gRPC server in this process that answers only when it is told to.
#include "client/internal/produce_client.h"

#include <gtest/gtest.h>
#include <malloc.h>
#include <grpcpp/server.h>
#include <grpcpp/server_builder.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "cordwood/v1/log.grpc.pb.h"
#include "storage/record/record_batch.h"

namespace cordwood::client {
namespace {

constexpr auto kPatience = std::chrono::seconds(20);

// Zero where a sanitizer brings its own allocator.
std::size_t HeapBytes() {
  const struct mallinfo2 heap = mallinfo2();
  return heap.uordblks + heap.hblkhd;
}

// A topic "t"; offsets are counted per partition. Its id is sixteen times `topic`.
class TalkingLog final : public v1::Log::Service {
 public:
  grpc::Status GetMetadata(grpc::ServerContext* context, const v1::GetMetadataRequest* request, v1::GetMetadataResponse* response) override {
    const int call = ++metadata_calls;
    patience_ms = MsLeft(*context);
    if (!knows_metadata) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "not now");
    for (const std::string& name : request->topics()) {
      v1::TopicMetadata* answer = response->add_topics();
      answer->set_name(name);
      answer->set_topic_id(std::string(16, topic));
      if (name != "t" || topic == kDeleted) answer->mutable_error()->set_reason(v1::UNKNOWN_TOPIC_OR_PARTITION);
      for (int i = 0; i < partitions; ++i) answer->add_partitions()->set_partition(i);
    }
    while (call == held_call && !context->IsCancelled()) std::this_thread::yield();
    if (context->IsCancelled()) cancelled_with_ms = MsLeft(*context);
    return grpc::Status::OK;
  }
  grpc::Status InitProducer(grpc::ServerContext*, const v1::InitProducerRequest*, v1::InitProducerResponse* response) override {
    response->set_producer_id(++producers);
    return gives_ids ? grpc::Status::OK : grpc::Status(grpc::StatusCode::UNAVAILABLE, "not now");
  }
  grpc::Status ProduceStream(grpc::ServerContext* context, grpc::ServerReaderWriter<v1::ProduceResponse, v1::ProduceRequest>* stream) override {
    v1::ProduceRequest request;
    std::vector<v1::ProduceEntry> bound(100);  // by handle
    while (stream->Read(&request)) {
      v1::ProduceResponse response;
      v1::Done* done = response.add_done();
      done->set_seq(request.seq());
      for (int i = 0; i < request.entries_size(); ++i) {
        const v1::ProduceEntry& entry = request.entries(i);
        if (entry.has_partition()) bound[entry.handle()] = entry;
        const v1::ProduceEntry& name = bound[entry.handle()];
        const bool known = name.topic_id() == std::string(16, topic);
        std::string_view rest = entry.batches();
        while (!rest.empty()) {
          const auto batch = *RecordBatchView::TakeFirst(&rest);
          done->add_base_offset(known ? Take(name, batch) : -1);
        }
        if (known) continue;
        v1::EntryError* error = done->add_errors();
        error->set_entry(static_cast<std::uint32_t>(i));
        error->set_reason(v1::UNKNOWN_TOPIC_ID);
      }
      while (silent && !context->IsCancelled()) std::this_thread::yield();
      stream->Write(response);
    }
    return grpc::Status::OK;
  }
  // Keeps what it took before under the same producer id and sequence once.
  std::int64_t Take(const v1::ProduceEntry& name, const RecordBatchView& batch) {
    MutexLock lock(mu);
    std::int64_t& end = ends[name.partition()];
    const auto stamp = std::tuple(name.topic_id(), name.partition(), batch.producer_id().value(), batch.base_sequence().value());
    if (const auto [known, fresh] = taken.try_emplace(stamp, end); !fresh && batch.producer_id() != kNoProducerId) return known->second;
    sizes.push_back(batch.bytes().size());
    counts.push_back(batch.record_count());
    return std::exchange(end, end + batch.record_count());
  }

  std::size_t Batches() {
    MutexLock lock(mu);
    return counts.size();
  }
  static std::int64_t MsLeft(const grpc::ServerContext& context) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(context.deadline() - std::chrono::system_clock::now()).count();
  }

  static constexpr char kDeleted = '-';
  std::atomic<char> topic{'t'};
  std::atomic<int> partitions{3};
  std::atomic<int> metadata_calls{0};
  std::atomic<int> held_call{0};  // of metadata_calls: its answer is made, but leaves no sooner than another number stands here
  std::atomic<std::int64_t> patience_ms{0};        // of the last caller of GetMetadata
  std::atomic<std::int64_t> cancelled_with_ms{0};  // what was left of that when a caller gave up
  std::atomic<bool> knows_metadata{true};
  std::atomic<bool> silent{false};
  std::atomic<bool> gives_ids{true};
  std::atomic<int> producers{0};
  Mutex mu;
  std::vector<std::size_t> sizes ABSL_GUARDED_BY(mu);
  std::vector<int> counts ABSL_GUARDED_BY(mu);
  std::map<std::tuple<std::string, int, std::int64_t, std::int32_t>, std::int64_t> taken ABSL_GUARDED_BY(mu);
  std::int64_t ends[3] ABSL_GUARDED_BY(mu) = {0, 0, 0};
};

class ProduceClientTest : public ::testing::Test {
 protected:
  ProduceClientTest() {
    server_ = Serve(&log_);
    options_.linger = absl::Hours(1);
  }
  ~ProduceClientTest() override {
    log_.silent = false;
    log_.held_call = 0;
    producer_.reset();
    server_->Shutdown(std::chrono::system_clock::now());
    if (next_server_ != nullptr) next_server_->Shutdown(std::chrono::system_clock::now());
  }

  // Its address is the last that is tried.
  std::unique_ptr<grpc::Server> Serve(TalkingLog* log) {
    grpc::ServerBuilder builder;
    int port = 0;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port);
    builder.RegisterService(log);
    std::unique_ptr<grpc::Server> server = builder.BuildAndStart();
    addresses_.push_back("127.0.0.1:" + std::to_string(port));
    connection_ = std::make_unique<BrokerConnection>(addresses_);
    metadata_ = std::make_unique<MetadataCache>(*connection_);
    return server;
  }
  // A second broker, before the producer is built.
  void ServeNext() { next_server_ = Serve(&next_log_); }

  // Built at first use, after the test has set its options. Not for several threads at once.
  ProduceClient& Producer() {
    if (producer_ == nullptr) producer_ = std::make_unique<ProduceClient>(loop_, *connection_, *metadata_, options_);
    return *producer_;
  }
  Status Send(std::string_view value, std::optional<int> partition = 0, std::optional<std::string_view> key = std::nullopt) {
    ProduceRecord record;
    record.value = value;
    record.key = key;
    if (partition.has_value()) record.partition = PartitionIndex(*partition);
    record.timestamp_ms = 1;
    return Producer().Send("t", record, [this](const StatusOr<RecordAck>& ack) {
      MutexLock lock(mu_);
      acks_.push_back(ack.ok() ? ToString(ack->partition) + "@" + ToString(ack->offset) : std::string(ReasonName(ReasonOf(ack.status()))));
    });
  }
  // Sends to "t"; the callback sends to `next`.
  void SendAndFromItsCallback(std::string_view next) {
    ProduceRecord record;
    record.partition = PartitionIndex(0);
    EXPECT_TRUE(Producer().Send("t", record, [this, next, record](const auto&) { (void)Producer().Send(next, record, nullptr); }).ok());
  }
  template <class Condition>
  static void Await(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  }
  std::vector<std::string> Acks() {
    MutexLock lock(mu_);
    return acks_;
  }
  void LookUpEachTime() {
    options_.metadata_age_max = absl::ZeroDuration();
    metadata_ = std::make_unique<MetadataCache>(*connection_, absl::ZeroDuration());
  }
  Status Flush() { return Producer().Flush(absl::Seconds(20)); }

  TalkingLog log_;
  TalkingLog next_log_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::Server> next_server_;  // null unless the test wants two
  std::vector<std::string> addresses_;
  std::unique_ptr<BrokerConnection> connection_;
  std::unique_ptr<MetadataCache> metadata_;
  ClientLoop loop_;
  ProduceOptions options_;
  Mutex mu_;
  std::vector<std::string> acks_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<ProduceClient> producer_;
};

TEST_F(ProduceClientTest, ABatchIsClosedBeforeItWouldExceedItsSize) {
  // Header 61, then per record: length 1, attributes 1, time 1, offset 1 (2 from the 64th on), key 1, value length 1, value 10, headers 1.
  options_.batch_bytes = 61 + 5 * 17;
  for (int i = 0; i < 12; ++i) ASSERT_TRUE(Send("0123456789").ok());
  ASSERT_TRUE(Flush().ok());
  MutexLock lock(log_.mu);
  EXPECT_EQ(log_.counts, (std::vector<int>{5, 5, 2}));
  EXPECT_EQ(log_.sizes, (std::vector<std::size_t>{146, 146, 95}));
}

TEST_F(ProduceClientTest, ARecordLargerThanABatchGoesAlone) {
  options_.batch_bytes = 200;
  ASSERT_TRUE(Send("a").ok());
  ASSERT_TRUE(Send(std::string(5000, 'x')).ok());
  ASSERT_TRUE(Send("b").ok());
  ASSERT_TRUE(Flush().ok());
  MutexLock lock(log_.mu);
  EXPECT_EQ(log_.counts, (std::vector<int>{1, 1, 1}));
}

TEST_F(ProduceClientTest, EachRecordGetsItsOwnOffset) {
  for (int partition : {0, 1, 0, 0}) ASSERT_TRUE(Send("x", partition).ok());
  ASSERT_TRUE(Flush().ok());
  std::vector<std::string> acks = Acks();
  std::sort(acks.begin(), acks.end());
  EXPECT_EQ(acks, (std::vector<std::string>{"0@0", "0@1", "0@2", "1@0"}));
}

TEST_F(ProduceClientTest, LingerSendsWhatDoesNotFill) {
  options_.linger = absl::Milliseconds(5);
  ASSERT_TRUE(Send("x").ok());
  Await([this] { return !Acks().empty(); });
  EXPECT_EQ(Acks(), (std::vector<std::string>{"0@0"}));
}

TEST_F(ProduceClientTest, NothingLingersPastTheDeliveryTimeout) {
  options_.core.delivery_timeout = absl::Milliseconds(5);  // and an hour of linger
  ASSERT_TRUE(Send("x").ok());
  const auto deadline = std::chrono::steady_clock::now() + kPatience;
  while (Acks().empty()) ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  EXPECT_EQ(Acks(), (std::vector<std::string>{"REQUEST_TIMED_OUT"}));
}

TEST_F(ProduceClientTest, RecordsWithoutAKeyStayTogetherAndThoseWithOneGoWhereKafkaPutsThem) {
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Send("x", std::nullopt).ok());
  ASSERT_TRUE(Send("x", std::nullopt, "21").ok());
  ASSERT_TRUE(Flush().ok());
  MutexLock lock(log_.mu);
  EXPECT_LE(log_.counts.size(), 2U);
  EXPECT_GE(log_.ends[PartitionOfKey("21", 3).value()], 1);
}

TEST_F(ProduceClientTest, FullMemoryHoldsTheCallerBackUntilItsDeadline) {
  options_.memory_bytes_max = 10'000;
  options_.send_timeout = absl::Seconds(1);
  log_.silent = true;
  Status status;
  int taken = 0;
  while ((status = Send(std::string(1000, 'x'))).ok()) ++taken;
  EXPECT_EQ(ReasonOf(status), Reason::kRequestTimedOut);
  EXPECT_GE(taken, 8);
  EXPECT_LE(taken, 10);
  log_.silent = false;
  ASSERT_TRUE(Flush().ok());
  EXPECT_TRUE(Send("x").ok());
  EXPECT_EQ(Acks().size(), static_cast<std::size_t>(taken));
}

TEST_F(ProduceClientTest, MemoryFullOfBatchesThatLingerIsSentAtOnce) {
  options_.memory_bytes_max = 10'000;
  for (int i = 0; i < 40; ++i) ASSERT_TRUE(Send(std::string(1000, 'x'), i % 3).ok());  // none fills a batch, each may linger for an hour
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(Acks().size(), 40U);
}

TEST_F(ProduceClientTest, CloseIsBoundedAndEveryCallbackRunsOnce) {
  log_.silent = true;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Send("x", i % 3).ok());
  const auto start = std::chrono::steady_clock::now();
  EXPECT_EQ(ReasonOf(Producer().Close(absl::Milliseconds(50))), Reason::kRequestTimedOut);
  EXPECT_LT(std::chrono::steady_clock::now() - start, std::chrono::seconds(5));
  EXPECT_EQ(Acks(), std::vector<std::string>(10, "REQUEST_TIMED_OUT"));
  EXPECT_EQ(ReasonOf(Send("late")), Reason::kShuttingDown);
  EXPECT_TRUE(Producer().Close(absl::ZeroDuration()).ok());
}

class ProduceClientDeletedTopicTest : public ProduceClientTest {
 protected:
  ~ProduceClientDeletedTopicTest() override {
    log_.silent = false;
    log_.held_call = 0;
    if (sender_.joinable()) sender_.join();
  }
  // A sender waits for memory, finds that its topic was deleted meanwhile, and asks about it again: call 4, which is held.
  void SendUntilTheTopicIsAskedAboutAgain() {
    LookUpEachTime();
    options_.memory_bytes_max = 10'000;
    log_.silent = true;
    ASSERT_TRUE(Send(std::string(9'000, 'x')).ok());  // lingers until somebody waits for memory
    sender_ = std::thread([this] {
      status_ = Send(std::string(9'000, 'y'));
      sent_ = true;
    });
    Await([this] { return log_.Batches() == 1; });
    log_.topic = TalkingLog::kDeleted;
    ASSERT_EQ(ReasonOf(Send("z")), Reason::kUnknownTopicOrPartition);
    log_.topic = 'u';
    log_.held_call = 4;
    log_.silent = false;
    Await([this] { return log_.metadata_calls == 4; });
  }

  std::thread sender_;
  Status status_;
  std::atomic<bool> sent_{false};
};

TEST_F(ProduceClientDeletedTopicTest, AfterCloseALookupThatIsOverTakesNoRecord) {
  SendUntilTheTopicIsAskedAboutAgain();
  ASSERT_TRUE(Send("z").ok());  // now the topic is known, whatever becomes of call 4
  EXPECT_TRUE(Producer().Close(absl::Seconds(20)).ok());
  sender_.join();
  EXPECT_EQ(ReasonOf(status_), Reason::kShuttingDown);
  EXPECT_EQ(Acks(), (std::vector<std::string>{"0@0", "0@1"}));
}

TEST_F(ProduceClientDeletedTopicTest, MemoryThatWasTakenMeanwhileIsWaitedForAgain) {
  SendUntilTheTopicIsAskedAboutAgain();
  log_.silent = true;
  ASSERT_TRUE(Send(std::string(9'000, 'z')).ok());  // lingers until somebody waits for memory
  log_.held_call = 0;
  Await([this] { return log_.Batches() == 2 || sent_; });
  EXPECT_FALSE(sent_);
  log_.silent = false;
  sender_.join();
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(Acks(), (std::vector<std::string>{"0@0", "0@1", "0@2"}));
}

TEST_F(ProduceClientTest, WithoutAcknowledgementsCloseWaitsUntilTheBrokerHasReadEverything) {
  options_.core.acks = Acks::kNone;
  options_.batch_bytes = 1000;
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(Send(std::string(1000, 'x')).ok());
  ASSERT_TRUE(Producer().Close(absl::Seconds(20)).ok());
  MutexLock lock(log_.mu);
  EXPECT_EQ(log_.ends[0], 200);
}

TEST_F(ProduceClientTest, CloseTellsWhatWasSentFromWhatWasNot) {
  log_.silent = true;
  log_.gives_ids = false;  // so that nothing can be sent
  Status why;
  ProduceRecord record;
  record.value = "x";
  ASSERT_TRUE(Producer().Send("t", record, [&why](const StatusOr<RecordAck>& ack) { why = ack.status(); }).ok());
  EXPECT_FALSE(Producer().Close(absl::ZeroDuration()).ok());
  EXPECT_EQ(why, NeverSent(Error(Reason::kRequestTimedOut, "could not be sent within the time left to the producer")));
}

TEST_F(ProduceClientTest, CloseInTheMiddleOfAServersDeathIsBounded) {
  log_.silent = true;
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Send("x").ok());
  loop_.Post([] {});
  server_->Shutdown(std::chrono::system_clock::now());
  EXPECT_FALSE(Producer().Close(absl::Milliseconds(100)).ok());
  EXPECT_EQ(Acks().size(), 10U);
}

TEST_F(ProduceClientTest, CloseEndsTheLookupOfASend) {
  Producer();
  log_.held_call = 1;
  std::thread sender([this] { EXPECT_FALSE(Send("x").ok()); });
  Await([this] { return log_.metadata_calls == 1; });
  EXPECT_TRUE(Producer().Close(absl::ZeroDuration()).ok());
  sender.join();
  Await([this] { return log_.cancelled_with_ms != 0; });
  EXPECT_GT(log_.cancelled_with_ms, 5'000);
}

TEST_F(ProduceClientTest, OnTheLoopABrokerIsAskedAboutANewTopicForNoMoreThanASecond) {
  SendAndFromItsCallback("new");
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(log_.metadata_calls, 2);
  EXPECT_LE(log_.patience_ms, 1'100);
}

TEST_F(ProduceClientTest, OnTheLoopABrokerIsAskedAboutATopicItDeniedForNoMoreThanASecond) {
  ASSERT_TRUE(Send("x").ok());
  ASSERT_TRUE(Flush().ok());
  log_.topic = 'u';
  SendAndFromItsCallback("t");
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(log_.metadata_calls, 2);
  EXPECT_LE(log_.patience_ms, 1'100);
}

TEST_F(ProduceClientTest, WhatCannotBeTakenSaysSoAtOnce) {
  ProduceRecord record;
  record.value = "x";
  EXPECT_EQ(ReasonOf(Producer().Send("nope", record, nullptr)), Reason::kUnknownTopicOrPartition);
  EXPECT_EQ(ReasonOf(Send("x", 3)), Reason::kUnknownTopicOrPartition);
  EXPECT_EQ(ReasonOf(Send(std::string(9'000'000, 'x'))), Reason::kMessageTooLarge);
  EXPECT_TRUE(Flush().ok());
  EXPECT_TRUE(Acks().empty());
}

TEST_F(ProduceClientTest, ABrokerThatGivesNoProducerIdIsLeftForTheNext) {
  ServeNext();
  log_.gives_ids = false;
  ASSERT_TRUE(Send("x").ok());
  EXPECT_TRUE(Flush().ok());
  EXPECT_EQ(Acks(), (std::vector<std::string>{"0@0"}));
}

TEST_F(ProduceClientTest, ABrokerThatGivesNoMetadataIsLeftForTheNext) {
  ServeNext();
  log_.knows_metadata = false;
  EXPECT_TRUE(Send("x").ok());
  EXPECT_TRUE(Flush().ok());
  EXPECT_EQ(log_.metadata_calls, 1);
}

TEST_F(ProduceClientTest, ABrokerThatOwesAnAnswerForTooLongIsLeftForTheNext) {
  ServeNext();
  log_.silent = true;
  options_.core.answer_timeout = absl::Milliseconds(500);
  ASSERT_TRUE(Send("x").ok());
  EXPECT_TRUE(Flush().ok());
  EXPECT_EQ(Acks(), (std::vector<std::string>{"0@0"}));
}

TEST_F(ProduceClientTest, ATopicCreatedAnewWithFewerPartitionsTakesNothingOfTheOld) {
  LookUpEachTime();
  ASSERT_TRUE(Send("old", 2).ok());
  log_.topic = 'u';
  log_.partitions = 1;
  ASSERT_TRUE(Send("new", 0).ok());
  EXPECT_EQ(ReasonOf(Send("new", 2)), Reason::kUnknownTopicOrPartition);
  ASSERT_TRUE(Flush().ok());
  std::vector<std::string> acks = Acks();
  std::sort(acks.begin(), acks.end());
  EXPECT_EQ(acks, (std::vector<std::string>{"0@0", "UNKNOWN_TOPIC_ID"}));
}

TEST_F(ProduceClientTest, ATopicCreatedAnewIsNotNamedByTheHandleOfTheOld) {
  LookUpEachTime();
  ASSERT_TRUE(Send("old").ok());
  ASSERT_TRUE(Flush().ok());
  log_.topic = 'u';
  ASSERT_TRUE(Send("new").ok());
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(Acks(), (std::vector<std::string>{"0@0", "0@1"}));
}

TEST_F(ProduceClientTest, AnAnswerOlderThanWhatIsKnownTakesNoPartitionAway) {
  LookUpEachTime();
  ASSERT_TRUE(Send("x", 2).ok());
  log_.partitions = 1;
  ASSERT_TRUE(Send("y", 2).ok());
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(Acks(), (std::vector<std::string>{"2@0", "2@1"}));
}

TEST_F(ProduceClientTest, AnAnswerThatALaterOneOvertookChangesNothing) {
  options_.check_age = absl::ZeroDuration();
  LookUpEachTime();
  for (const char stale : {TalkingLog::kDeleted, 'o'}) {
    ASSERT_TRUE(Send("x").ok());
    const int calls = log_.metadata_calls;
    log_.topic = stale;
    log_.held_call = calls + 1;
    std::thread other([this] { EXPECT_FALSE(Producer().Send("other", {}, nullptr).ok()); });  // asks about "t" beside it
    Await([&] { return log_.metadata_calls == calls + 1; });
    log_.topic = 't';
    ASSERT_TRUE(Send("x").ok());
    log_.held_call = 0;
    other.join();
    ASSERT_TRUE(Send("x").ok());
    EXPECT_EQ(Producer().known().slots, 1U) << stale;
  }
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(Acks(), (std::vector<std::string>{"0@0", "0@1", "0@2", "0@3", "0@4", "0@5"}));
}

TEST_F(ProduceClientTest, WhatIsSentAfterATopicWasDeniedByMistakeIsNoRepeatOfWhatIsInFlight) {
  LookUpEachTime();
  options_.linger = absl::ZeroDuration();
  log_.silent = true;
  ASSERT_TRUE(Send("x").ok());
  Await([this] { return log_.Batches() == 1; });
  std::promise<void> sent;
  loop_.Post([&sent] { sent.get_future().wait(); });  // so that it hears of all at once
  log_.topic = TalkingLog::kDeleted;
  EXPECT_FALSE(Send("y").ok());
  log_.topic = 't';
  EXPECT_TRUE(Send("y").ok());
  sent.set_value();
  log_.silent = false;
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(Acks(), (std::vector<std::string>{"0@0", "0@1"}));
}

TEST_F(ProduceClientTest, AfterTheBrokerDeniesATopicIdTheNameIsLookedUpAgain) {
  ASSERT_TRUE(Send("a").ok());
  ASSERT_TRUE(Flush().ok());
  log_.topic = 'u';
  for (const char* value : {"b", "c"}) {
    ASSERT_TRUE(Send(value).ok());
    ASSERT_TRUE(Flush().ok());
  }
  log_.topic = TalkingLog::kDeleted;
  ASSERT_TRUE(Send("d").ok());
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(ReasonOf(Send("e")), Reason::kUnknownTopicOrPartition);
  EXPECT_EQ(Acks(), (std::vector<std::string>{"0@0", "UNKNOWN_TOPIC_ID", "0@1", "UNKNOWN_TOPIC_ID"}));
}

TEST_F(ProduceClientTest, WhileNoBrokerAnswersAboutATopicWhatIsKnownServesAndIsSeldomAskedFor) {
  LookUpEachTime();
  ASSERT_TRUE(Send("x").ok());
  log_.knows_metadata = false;
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(Send("x").ok());
  EXPECT_LT(log_.metadata_calls, 100);
}

TEST_F(ProduceClientTest, ABatchThatLingersKeepsNoMemoryOfThoseCompletedSince) {
  if (HeapBytes() == 0) GTEST_SKIP() << "not this allocator";
  options_.batch_bytes = 100'000;
  ASSERT_TRUE(Send("x", 1).ok());  // lingers for an hour
  const std::size_t before = HeapBytes();
  for (int i = 0; i < 100; ++i) ASSERT_TRUE(Send(std::string(100'000, 'x')).ok());
  Await([this] { return Acks().size() == 100; });
  EXPECT_LT(HeapBytes(), before + 6'000'000);
}

TEST_F(ProduceClientTest, ManyThreadsSendAtOnce) {
  options_.batch_bytes = 1000;
  Producer();  // one for all the threads
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([this] {
      for (int i = 0; i < 500; ++i) EXPECT_TRUE(Send("0123456789", std::nullopt).ok());
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(Acks().size(), 2000U);
  MutexLock lock(log_.mu);
  EXPECT_EQ(log_.ends[0] + log_.ends[1] + log_.ends[2], 2000);
}

}  // namespace
}  // namespace cordwood::client
