// SPDX-License-Identifier: Apache-2.0
// What a producer sends and when, seen from a server that answers only when it is told to.
#include <gtest/gtest.h>
#include <malloc.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <string>
#include <thread>
#include <vector>

#include "client/internal/testing/produce_client_fixture.h"

namespace cordwood::client {
namespace {

// Zero where a sanitizer brings its own allocator.
std::size_t HeapBytes() {
  const struct mallinfo2 heap = mallinfo2();
  return heap.uordblks + heap.hblkhd;
}

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

TEST_F(ProduceClientTest, FlushWaitsForNothingThatIsSentAfterIt) {
  std::atomic<bool> goes_on{true};
  ProduceRecord record;
  record.value = "x";
  AckCallback again = [&](const auto&) {
    if (goes_on) (void)Producer().Send("t", record, again);
  };
  ASSERT_TRUE(Producer().Send("t", record, again).ok());
  EXPECT_TRUE(Flush().ok());
  goes_on = false;
  EXPECT_TRUE(Flush().ok());
}

TEST_F(ProduceClientTest, AFlushThatEndsEarlyCountsWhatItWaitedFor) {
  log_.silent = true;
  for (int i = 0; i < 5; ++i) ASSERT_TRUE(Send("x", i % 2).ok());
  EXPECT_EQ(MessageOf(Producer().Flush(absl::ZeroDuration())), "5 records are not acknowledged yet");
  log_.silent = false;
  EXPECT_TRUE(Flush().ok());
  EXPECT_EQ(Acks().size(), 5U);
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
