// SPDX-License-Identifier: Apache-2.0
// The public producer against a real broker that is well.
#include <gtest/gtest.h>

#include <future>
#include <stdexcept>
#include <thread>
#include <utility>

#include "cordwood/coroutine.h"
#include "tests/client/client_fixture.h"

namespace cordwood::testing {
namespace {

// Runs at once, ends by itself.
struct Task {
  struct promise_type {
    Task get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

// Runs at once; what is thrown in it leaves to whoever resumed it.
struct ThrowingTask {
  struct promise_type {
    ThrowingTask get_return_object() { return ThrowingTask(std::coroutine_handle<promise_type>::from_promise(*this)); }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_always final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { throw; }
  };
  explicit ThrowingTask(std::coroutine_handle<> made) : handle(made) {}
  ThrowingTask(ThrowingTask&& other) noexcept : handle(std::exchange(other.handle, nullptr)) {}  // clang 14 asks for one
  ThrowingTask& operator=(ThrowingTask&&) = delete;
  ~ThrowingTask() {
    if (handle) handle.destroy();
  }
  std::coroutine_handle<> handle;
};

class ProducerTest : public ClientTest {};

TEST_F(ProducerTest, GivesAnswersByFutureFunctionCallbackAndCoAwait) {
  Producer producer = NewProducer();
  EXPECT_EQ(producer.Send("t", Value("a")).get().value().offset, 0);
  std::promise<std::int64_t> then, callback, awaited;
  producer.Send("t", Value("b")).then([&](const Result<RecordMetadata>& result) { then.set_value(result.value().offset); });
  producer.Send("t", Value("c"), [&](const Result<RecordMetadata>& result) { callback.set_value(result.value().offset); });
  const auto send = [&]() -> Task {
    const Result<RecordMetadata> result = co_await producer.Send("t", Value("d"));
    awaited.set_value(result.value().offset);
  };
  send();
  EXPECT_EQ(then.get_future().get(), 1);
  EXPECT_EQ(callback.get_future().get(), 2);
  EXPECT_EQ(awaited.get_future().get(), 3);
  EXPECT_EQ(Values("t"), "a b c d");
}

TEST_F(ProducerTest, SendsEveryFieldOfARecord) {
  CreateTopic("wide", 8);
  Producer producer = NewProducer();
  const Timestamp time{milliseconds(1'700'000'000'000)};
  const auto placed = producer.Send("wide", {.key = "k", .value = "v", .headers = {{"source", "web"}, {"none", std::nullopt}}, .timestamp = time, .partition = 5}).get();
  EXPECT_EQ(placed.value().partition, 5);
  v1::FetchRequest fetch = FetchFrom("wide", 5, 0);
  fetch.set_as_records(true);
  const auto fetched = client().Fetch(fetch);
  ASSERT_TRUE(fetched.ok());
  ASSERT_EQ(fetched->records_size(), 1);
  const v1::Record& record = fetched->records(0);
  EXPECT_EQ(record.key(), "k");
  EXPECT_EQ(record.value(), "v");
  EXPECT_EQ(record.timestamp_ms(), 1'700'000'000'000);
  ASSERT_EQ(record.headers_size(), 2);
  EXPECT_EQ(record.headers(0).value(), "web");
  EXPECT_FALSE(record.headers(1).has_value());
}

TEST_F(ProducerTest, KeepsTheOrderOfOneThread) {
  Producer producer = NewProducer();
  std::string expected;
  for (int i = 0; i < 2000; ++i) {
    const std::string value = std::to_string(i);
    producer.Send("t", Value(value), {});
    expected += (i == 0 ? "" : " ") + value;
  }
  EXPECT_TRUE(producer.Flush(milliseconds(20'000)).ok());
  EXPECT_EQ(Values("t"), expected);
}

TEST_F(ProducerTest, WhatItCannotTakeFailsAtOnceAndDefinitely) {
  Producer producer = NewProducer();
  const auto code = [](Future<RecordMetadata> future) {
    EXPECT_TRUE(future.ready());
    const Result<RecordMetadata> result = future.get();
    EXPECT_FALSE(result.ok());
    EXPECT_TRUE(result.error().definite());
    return result.error().code();
  };
  EXPECT_EQ(code(producer.Send("nowhere", Value("x"))), Errc::kUnknownTopicOrPartition);
  EXPECT_EQ(code(producer.Send("t", Value("x", 7))), Errc::kUnknownTopicOrPartition);
  EXPECT_EQ(code(producer.Send("t", Value(std::string(9 << 20, 'x')))), Errc::kMessageTooLarge);
  EXPECT_TRUE(producer.Close(milliseconds(5'000)).ok());
  EXPECT_TRUE(producer.Close(milliseconds(5'000)).ok());
  EXPECT_EQ(code(producer.Send("t", Value("x"))), Errc::kShuttingDown);
}

TEST_F(ProducerTest, NamesTheOptionThatIsOutOfBounds) {
  Client client = Connect();
  const auto refusal = [&](auto change) {
    ProducerOptions options;
    change(options);
    const Result<Producer> producer = client.NewProducer(options);
    EXPECT_FALSE(producer.ok());
    EXPECT_EQ(producer.error().code(), Errc::kInvalidConfig);
    return producer.error().message();
  };
  EXPECT_EQ(refusal([](auto& o) { o.batch_bytes = 0; }), "ProducerOptions::batch_bytes is 0: it must be from 1 to 8388608");
  EXPECT_EQ(refusal([](auto& o) { o.linger = std::chrono::microseconds(-1); }), "ProducerOptions::linger is -1 us: it must be from 0 us to 3600000000 us");
  EXPECT_EQ(refusal([](auto& o) { o.memory_bytes_max = 1; }), "ProducerOptions::memory_bytes_max is 1: it must be from 131072 to 1099511627776");
  EXPECT_EQ(refusal([](auto& o) { o.max_block = milliseconds::max(); }),
            "ProducerOptions::max_block is 9223372036854775807 ms: it must be from 0 ms to 86400000 ms");
  EXPECT_EQ(refusal([](auto& o) { o.delivery_timeout = milliseconds(0); }), "ProducerOptions::delivery_timeout is 0 ms: it must be from 1 ms to 86400000 ms");
  EXPECT_EQ(refusal([](auto& o) { o.linger = o.delivery_timeout = milliseconds(5); }),
            "ProducerOptions::linger is 5000 us: it must be less than ProducerOptions::delivery_timeout, 5 ms");
  EXPECT_EQ(refusal([](auto& o) { o.close_timeout = milliseconds(-1); }), "ProducerOptions::close_timeout is -1 ms: it must be from 0 ms to 3600000 ms");
  EXPECT_EQ(refusal([](auto& o) { o.acks = Acks::kNone; }), "ProducerOptions::idempotence needs acknowledgements: set it to false with Acks::kNone");
  EXPECT_EQ(refusal([](auto& o) { o.acks = static_cast<Acks>(9); }), "ProducerOptions::acks is not one of Acks");
  EXPECT_EQ(refusal([](auto& o) { o.compression = static_cast<Compression>(9); }), "ProducerOptions::compression is not one of Compression");
}

TEST_F(ProducerTest, SendsWithEveryCodecAndEveryAcks) {
  std::string expected;
  for (const Compression compression : {Compression::kNone, Compression::kGzip, Compression::kSnappy, Compression::kLz4, Compression::kZstd}) {
    producer_options_.compression = compression;
    EXPECT_TRUE(NewProducer().Send("t", Value("codec")).get().ok());
    expected += "codec ";
  }
  producer_options_.idempotence = false;
  for (const Acks acks : {Acks::kAll, Acks::kLeader, Acks::kNone}) {
    producer_options_.acks = acks;
    Producer producer = NewProducer();
    const auto placed = producer.Send("t", Value("acks")).get();
    EXPECT_EQ(placed.value().offset < 0, acks == Acks::kNone);
    expected += "acks ";
  }
  expected.pop_back();
  EXPECT_TRUE(WaitUntil([&] { return Values("t") == expected; })) << Values("t");
}

TEST_F(ProducerTest, SendsWithTheLongestRequestTimeout) {
  client_options_.request_timeout = std::chrono::hours(1);
  Producer producer = NewProducer();
  EXPECT_EQ(producer.Send("t", Value("x")).get().value().offset, 0);
}

TEST_F(ProducerTest, ACallbackThatThrowsIsCountedAndHoldsNothingUp) {
  std::atomic<int> told{0};
  client_options_.on_exception = [&](const std::exception_ptr&) {
    ++told;
    throw std::runtime_error("the hook, too");
  };
  Producer producer = NewProducer();
  Outcomes outcomes;
  for (int i = 0; i < 10; ++i) {
    const std::string value = std::to_string(i);
    producer.Send("t", Value(value), [done = outcomes.Of(value)](const Result<RecordMetadata>& result) {
      done(result);
      throw std::runtime_error("callback");
    });
  }
  producer.Send("t", Value("future")).then([](const Result<RecordMetadata>&) { throw 7; });
  EXPECT_TRUE(producer.Flush(milliseconds(20'000)).ok());
  EXPECT_EQ(outcomes.Wrong(), "");
  EXPECT_EQ(outcomes.acknowledged(), 10u);
  EXPECT_EQ(producer.exceptions_caught(), 11u);
  EXPECT_EQ(told, 11);
}

TEST_F(ProducerTest, OnItsOwnThreadSendingGoesOnAndWaitingIsRefused) {
  Producer producer = NewProducer();
  std::promise<std::vector<Errc>> refused;
  std::promise<std::int64_t> second;
  producer.Send("t", Value("first"), [&](const Result<RecordMetadata>&) {
    Future<RecordMetadata> future = producer.Send("t", Value("second"));
    refused.set_value({future.get().error().code(), producer.Flush(milliseconds(1)).error().code(), producer.Close(milliseconds(1)).error().code()});
    future.then([&](const Result<RecordMetadata>& result) { second.set_value(result.value().offset); });
  });
  EXPECT_EQ(refused.get_future().get(), std::vector<Errc>(3, Errc::kInvalidRequest));
  EXPECT_EQ(second.get_future().get(), 1);
}

TEST_F(ProducerTest, ACoroutineThatOwnsItsProducerMayEndOnItsThread) {
  std::promise<std::int64_t> last;
  const auto run = [&](Producer owned) -> Task {
    std::int64_t offset = -1;
    for (int i = 0; i < 20; ++i) offset = (co_await owned.Send("t", Value("x"))).value().offset;
    last.set_value(offset);
  };
  run(NewProducer());
  EXPECT_EQ(last.get_future().get(), 19);
}

TEST_F(ProducerTest, AnExceptionThatLeavesAResumedCoroutineIsCountedAndHoldsNothingUp) {
  Producer producer = NewProducer();
  std::promise<void> resumed;
  const auto run = [&]() -> ThrowingTask {
    (void)co_await producer.Send("t", Value("first"));
    resumed.set_value();
    throw std::runtime_error("coroutine");
  };
  {
    const ThrowingTask task = run();
    resumed.get_future().get();
    EXPECT_TRUE(producer.Send("t", Value("second")).get().ok());
    EXPECT_EQ(producer.exceptions_caught(), 1u);
  }
}

TEST_F(ProducerTest, MovedFromItMayBeDestroyedAndAssignedTo) {
  Producer first = NewProducer();
  Producer second(std::move(first));
  first = std::move(second);
  const Producer third(std::move(first));
  first = NewProducer();
  EXPECT_TRUE(first.Send("t", Value("x")).get().ok());
}

TEST_F(ProducerTest, AssignmentClosesTheOldProducer) {
  producer_options_.linger = std::chrono::hours(1);
  producer_options_.delivery_timeout = std::chrono::hours(2);
  Producer producer = NewProducer();
  Outcomes outcomes;
  producer.Send("t", Value("old"), outcomes.Of("old"));
  producer = NewProducer();
  EXPECT_EQ(outcomes.acknowledged(), 1u);
  producer.Send("t", Value("new"), outcomes.Of("new"));
  EXPECT_TRUE(producer.Close(milliseconds(20'000)).ok());
  EXPECT_EQ(Values("t"), "old new");
}

TEST_F(ProducerTest, OfManyThreadsSendsEachRecordOnce) {
  Producer producer = NewProducer();
  Outcomes outcomes;
  std::vector<std::thread> threads;
  for (int thread = 0; thread < 4; ++thread) {
    threads.emplace_back([&, thread] {
      for (int i = 0; i < 500; ++i) {
        const std::string value = std::to_string(thread) + "-" + std::to_string(i);
        producer.Send("t", Value(value), outcomes.Of(value));
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_TRUE(producer.Close(milliseconds(20'000)).ok());
  EXPECT_EQ(outcomes.Wrong(), "");
  EXPECT_EQ(outcomes.acknowledged(), 2000u);
  EXPECT_EQ(LogEnd("t"), 2000);
}

}  // namespace
}  // namespace cordwood::testing
