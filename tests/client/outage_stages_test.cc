// SPDX-License-Identifier: Apache-2.0
// The broker goes away at each stage of a client's life: every call, Close() and every destructor ends in time, every record has one outcome.
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <optional>
#include <string>
#include <thread>
#include <tuple>
#include <vector>

#include "tests/client/outage.h"

namespace cordwood::testing {
namespace {

constexpr milliseconds kDeadline{300};
constexpr milliseconds kRequest{500};

// What happens before the broker goes away and what is under way then; TearDown() looks at the outcomes.
struct Stage {
  const char* name;
  void (*run)(class OutageStagesTest& test);
};

class OutageStagesTest : public ConsumerTest, public ::testing::WithParamInterface<std::tuple<Outage, Stage>> {
 public:
  void BreakBroker() { Break(*broker_, std::get<Outage>(GetParam())); }
  void PauseFirst() { broker_->Pause(); }  // so that what comes now stays under way
  void BreakPaused() {
    const Outage outage = std::get<Outage>(GetParam());
    if (outage == Outage::kKilled) broker_->Kill9();
    if (outage != Outage::kTerminated) return;
    broker_->Interrupt(SIGTERM);
    broker_->Continue();
  }
  const std::string& address() const { return broker_->address(); }

  using ClientTest::client_options_;
  using ClientTest::Connect;
  using ClientTest::NewProducer;
  using ClientTest::producer_options_;
  using ConsumerTest::At;
  using ConsumerTest::NewConsumer;

  void Send(Producer& producer, int count) {
    for (int i = 0; i < count; ++i) {
      const std::string value = std::to_string(sent_++) + std::string(100, '.');
      producer.Send("t", Value(value), outcomes_.Of(value));
    }
  }
  // A producer whose first record is acknowledged.
  Producer StartedProducer() {
    Producer producer = NewProducer();
    Send(producer, 1);
    EXPECT_TRUE(producer.Flush(milliseconds(20'000)).ok());
    return producer;
  }
  // At the end of an empty log, so that its fetch waits there.
  Consumer WaitingConsumer() {
    Consumer consumer = NewConsumer();
    EXPECT_TRUE(consumer.Assign(At(), Position::End()).ok());
    EXPECT_TRUE(consumer.Poll(milliseconds(20)).value().empty());
    return consumer;
  }
  // Closed once within `deadline`, and destroyed.
  void EndsInTime(Producer producer, milliseconds deadline = kDeadline) {
    EXPECT_TRUE(InTime(deadline, [&] {
      (void)producer.Close(deadline);
      const Producer destroyed(std::move(producer));
    }));
  }
  void EndsInTime(Consumer consumer) {
    EXPECT_TRUE(InTime(milliseconds(0), [&] {
      consumer.Close();
      const Consumer destroyed(std::move(consumer));
    }));
  }
  Outcomes& outcomes() { return outcomes_; }

 protected:
  void SetUp() override {
    ConsumerTest::SetUp();
    client_options_.request_timeout = kRequest;
    producer_options_.max_block = kDeadline;
    producer_options_.close_timeout = kDeadline;
    producer_options_.batch_bytes = 4 * 1024;
    producer_options_.memory_bytes_max = 64 * 1024;
  }
  void TearDown() override {
    EXPECT_EQ(outcomes_.Wrong(), "");
    ConsumerTest::TearDown();
  }

  Outcomes outcomes_;
  int sent_ = 0;
};

void BeforeConnect(OutageStagesTest& test) {
  test.client_options_.connect_timeout = kDeadline;
  test.BreakBroker();
  EXPECT_TRUE(InTime(kDeadline + kRequest, [&] { EXPECT_EQ(Client::Connect(test.address(), test.client_options_).error().code(), Errc::kTransport); }));
}

void BeforeTheFirstSend(OutageStagesTest& test) {
  Producer producer = test.NewProducer();
  test.BreakBroker();
  test.EndsInTime(std::move(producer));
}

void InTheMetadataLookup(OutageStagesTest& test) {
  test.producer_options_.max_block = std::chrono::hours(1);
  Producer producer = test.NewProducer();
  test.BreakBroker();
  std::thread sender([&] { EXPECT_TRUE(InTime(kDeadline + kRequest, [&] { test.Send(producer, 1); })); });
  EXPECT_TRUE(InTime(kDeadline, [&] { (void)producer.Close(kDeadline); }));
  sender.join();
  ASSERT_EQ(test.outcomes().failures().size(), 1u);
  EXPECT_TRUE(test.outcomes().failures()[0].definite());
}

void InASendThatWaitsForMemory(OutageStagesTest& test) {
  test.producer_options_.max_block = std::chrono::hours(1);
  Producer producer = test.StartedProducer();
  test.BreakBroker();
  std::atomic<bool> waiting{false};
  std::thread sender([&] {
    for (int i = 0; i < 2'000 && test.outcomes().failures().empty(); ++i) {
      waiting = i > 200;  // the memory is full soon
      test.Send(producer, 1);
    }
  });
  EXPECT_TRUE(WaitUntil([&] { return waiting.load(); }));
  EXPECT_TRUE(InTime(kDeadline, [&] { (void)producer.Close(kDeadline); }));
  sender.join();
  test.EndsInTime(std::move(producer));
}

void InASendOfACallback(OutageStagesTest& test) {
  test.client_options_.request_timeout = std::chrono::hours(1);
  test.producer_options_.max_block = std::chrono::hours(1);
  Producer producer = test.NewProducer();
  std::promise<void> acknowledged, paused;
  std::atomic<bool> sending{false};
  producer.Send("t", {.value = "first"}, [&](const Result<RecordMetadata>&) {
    acknowledged.set_value();
    paused.get_future().wait();
    sending = true;
    producer.Send("new", {.value = "second"}, test.outcomes().Of("second"));
  });
  acknowledged.get_future().wait();
  test.PauseFirst();
  paused.set_value();
  EXPECT_TRUE(WaitUntil([&] { return sending.load(); }));
  test.BreakPaused();
  EXPECT_TRUE(InTime(kDeadline, [&] { (void)producer.Close(kDeadline); }));
  test.EndsInTime(std::move(producer));
}

void WithOpenBatches(OutageStagesTest& test) {
  test.producer_options_.linger = std::chrono::hours(1);
  test.producer_options_.delivery_timeout = std::chrono::hours(2);
  Producer producer = test.StartedProducer();
  test.Send(producer, 10);
  test.BreakBroker();
  test.EndsInTime(std::move(producer));
}

void WithBatchesInFlight(OutageStagesTest& test) {
  Producer producer = test.StartedProducer();
  test.PauseFirst();
  test.Send(producer, 100);
  test.BreakPaused();
  test.EndsInTime(std::move(producer));
}

void InFlush(OutageStagesTest& test) {
  Producer producer = test.StartedProducer();
  test.PauseFirst();
  test.Send(producer, 100);
  std::thread flush([&] { EXPECT_TRUE(InTime(kDeadline, [&] { (void)producer.Flush(kDeadline); })); });
  test.BreakPaused();
  flush.join();
  test.EndsInTime(std::move(producer));
}

void InClose(OutageStagesTest& test) {
  Producer producer = test.StartedProducer();
  test.PauseFirst();
  test.Send(producer, 100);
  std::thread close([&] { EXPECT_TRUE(InTime(kDeadline, [&] { (void)producer.Close(kDeadline); })); });
  test.BreakPaused();
  close.join();
  test.EndsInTime(std::move(producer), milliseconds(0));
}

void InTheDestructor(OutageStagesTest& test) {
  std::optional<Producer> producer = test.StartedProducer();
  test.PauseFirst();
  test.Send(*producer, 100);
  std::thread destroy([&] { EXPECT_TRUE(InTime(kDeadline, [&] { producer.reset(); })); });
  test.BreakPaused();
  destroy.join();
}

void InALongPoll(OutageStagesTest& test) {
  Consumer consumer = test.WaitingConsumer();
  std::thread poll([&] { EXPECT_TRUE(InTime(kDeadline, [&] { EXPECT_TRUE(consumer.Poll(kDeadline).value().empty()); })); });
  test.BreakBroker();
  poll.join();
  test.EndsInTime(std::move(consumer));
}

void InASeekByTimestamp(OutageStagesTest& test) {
  Consumer consumer = test.WaitingConsumer();
  const auto before = consumer.position(test.At());
  test.PauseFirst();
  std::thread seek([&] { EXPECT_TRUE(InTime(kRequest, [&] { (void)consumer.Seek(test.At(), Position::Ago(std::chrono::hours(1))); })); });
  test.BreakPaused();
  seek.join();
  EXPECT_EQ(consumer.position(test.At()), before);
  test.EndsInTime(std::move(consumer));
}

void InAnAssignment(OutageStagesTest& test) {
  Consumer consumer = test.NewConsumer();
  test.BreakBroker();
  EXPECT_TRUE(InTime(kRequest, [&] { EXPECT_FALSE(consumer.AssignTopic("t", Position::Start()).ok()); }));
  EXPECT_TRUE(consumer.assignment().empty());
  test.EndsInTime(std::move(consumer));
}

void InAnAdminCall(OutageStagesTest& test) {
  Admin admin = test.Connect().admin();
  test.PauseFirst();
  std::thread call([&] { EXPECT_TRUE(InTime(kRequest, [&] { (void)admin.CreateTopic({.name = "x"}); })); });
  test.BreakPaused();
  call.join();
}

constexpr Stage kStages[] = {
    {"BeforeConnect", BeforeConnect},
    {"BeforeTheFirstSend", BeforeTheFirstSend},
    {"InTheMetadataLookup", InTheMetadataLookup},
    {"InASendThatWaitsForMemory", InASendThatWaitsForMemory},
    {"InASendOfACallback", InASendOfACallback},
    {"WithOpenBatches", WithOpenBatches},
    {"WithBatchesInFlight", WithBatchesInFlight},
    {"InFlush", InFlush},
    {"InClose", InClose},
    {"InTheDestructor", InTheDestructor},
    {"InALongPoll", InALongPoll},
    {"InASeekByTimestamp", InASeekByTimestamp},
    {"InAnAssignment", InAnAssignment},
    {"InAnAdminCall", InAnAdminCall},
};

TEST_P(OutageStagesTest, EveryCallEndsInTime) { std::get<Stage>(GetParam()).run(*this); }

INSTANTIATE_TEST_SUITE_P(Outages, OutageStagesTest,
                         ::testing::Combine(::testing::Values(Outage::kTerminated, Outage::kPaused, Outage::kKilled), ::testing::ValuesIn(kStages)),
                         [](const auto& info) { return NameOf(std::get<Outage>(info.param)) + std::get<Stage>(info.param).name; });

}  // namespace
}  // namespace cordwood::testing
