// SPDX-License-Identifier: Apache-2.0
// The public producer while its broker stops, stands still, is killed or comes back: every record has one outcome, every call ends in time.
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <atomic>
#include <string>
#include <thread>

#include "tests/client/outage.h"

namespace cordwood::testing {
namespace {

class ProducerOutageTest : public ClientTest, public ::testing::WithParamInterface<Outage> {
 protected:
  static constexpr milliseconds kDeadline{300};

  void SetUp() override {
    ClientTest::SetUp();
    client_options_.request_timeout = milliseconds(500);
    producer_options_.max_block = kDeadline;
    producer_options_.close_timeout = kDeadline;
    producer_options_.memory_bytes_max = 64 * 1024;
    producer_options_.batch_bytes = 4 * 1024;
  }

  void Break() { testing::Break(*broker_, GetParam()); }
  // True if the memory took it at once or within max_block.
  bool SendInTime(Producer& producer, int i) {
    const std::string value = std::to_string(i) + std::string(100, '.');
    return InTime(kDeadline, [&] { producer.Send("t", Value(value), outcomes_.Of(value)); });
  }
  // What was acknowledged is in the log when the broker is there again.
  void ExpectAcknowledgedIsThere() {
    if (GetParam() == Outage::kPaused) {
      broker_->Continue();
    } else {
      Start();
    }
    EXPECT_GE(LogEnd("t"), static_cast<std::int64_t>(outcomes_.acknowledged()));
  }

  Outcomes outcomes_;
};

TEST_P(ProducerOutageTest, TheFirstSendWaitsForMetadataAndNoLonger) {
  Producer producer = NewProducer();
  Break();
  EXPECT_TRUE(SendInTime(producer, 0));
  ASSERT_EQ(outcomes_.failures().size(), 1u);
  EXPECT_EQ(outcomes_.failures()[0].code(), Errc::kTransport);
  EXPECT_TRUE(outcomes_.failures()[0].definite());
  EXPECT_TRUE(InTime(kDeadline, [&] { EXPECT_TRUE(producer.Close(kDeadline).ok()); }));
}

TEST_P(ProducerOutageTest, AmongSendsTheyWaitForMemoryAndThenFail) {
  Producer producer = NewProducer();
  std::atomic<bool> sent_enough{false};
  bool in_time = true;
  std::thread sender([&] {
    // Goes on until the memory is full, which is while the broker is away.
    for (int i = 0; outcomes_.failures().empty() && i < 5'000'000; ++i) {
      in_time = SendInTime(producer, i) && in_time;
      if (i == 500) sent_enough = true;
    }
    sent_enough = true;
  });
  EXPECT_TRUE(WaitUntil([&] { return sent_enough && outcomes_.acknowledged() > 0; }));
  Break();
  sender.join();
  EXPECT_TRUE(in_time);
  EXPECT_TRUE(InTime(kDeadline, [&] { EXPECT_EQ(producer.Close(kDeadline).error().code(), Errc::kRequestTimedOut); }));
  EXPECT_EQ(outcomes_.Wrong(), "");
  ASSERT_FALSE(outcomes_.failures().empty());
  EXPECT_EQ(outcomes_.failures()[0].code(), Errc::kRequestTimedOut);
  EXPECT_TRUE(outcomes_.failures()[0].definite());
  ExpectAcknowledgedIsThere();
}

TEST_P(ProducerOutageTest, InFlushItEndsAtItsDeadlineAndNothingIsGivenUp) {
  Producer producer = NewProducer();
  EXPECT_TRUE(SendInTime(producer, 0));
  EXPECT_TRUE(producer.Flush(milliseconds(20'000)).ok());
  broker_->Pause();
  for (int i = 1; i <= 100; ++i) EXPECT_TRUE(SendInTime(producer, i));
  std::thread flush([&] { EXPECT_TRUE(InTime(kDeadline, [&] { EXPECT_EQ(producer.Flush(kDeadline).error().code(), Errc::kRequestTimedOut); })); });
  if (GetParam() == Outage::kKilled) broker_->Kill9();
  flush.join();
  EXPECT_TRUE(outcomes_.failures().empty());
  broker_->Continue();
  if (GetParam() == Outage::kTerminated) {
    EXPECT_EQ(broker_->Terminate(), 0);
  }
  if (GetParam() != Outage::kPaused) Start();
  EXPECT_TRUE(producer.Close(milliseconds(30'000)).ok());
  EXPECT_EQ(outcomes_.Wrong(), "");
  EXPECT_EQ(outcomes_.acknowledged(), 101u);
  EXPECT_EQ(LogEnd("t"), 101);
}

TEST_P(ProducerOutageTest, InCloseItEndsAtItsDeadlineWithEveryOutcomeGiven) {
  Producer producer = NewProducer();
  EXPECT_TRUE(SendInTime(producer, 0));
  EXPECT_TRUE(producer.Flush(milliseconds(20'000)).ok());
  broker_->Pause();
  for (int i = 1; i <= 100; ++i) EXPECT_TRUE(SendInTime(producer, i));
  std::atomic<bool> closing{false};
  std::thread close([&] {
    closing = true;
    EXPECT_TRUE(InTime(kDeadline, [&] { (void)producer.Close(kDeadline); }));
    EXPECT_EQ(outcomes_.Wrong(), "");
  });
  EXPECT_TRUE(WaitUntil([&] { return closing.load(); }));
  if (GetParam() == Outage::kKilled) broker_->Kill9();
  if (GetParam() == Outage::kTerminated) {
    broker_->Interrupt(SIGTERM);
    broker_->Continue();
  }
  close.join();
  for (const Failure& failure : outcomes_.failures()) EXPECT_EQ(failure.code(), Errc::kRequestTimedOut);
  // The first was on its way; what is behind the last batch in flight never left.
  if (const auto failures = outcomes_.failures(); !failures.empty()) {
    EXPECT_FALSE(failures.front().definite());
  }
  if (GetParam() == Outage::kTerminated) {
    EXPECT_EQ(broker_->Await(absl::Seconds(30)), 0);
  }
  ExpectAcknowledgedIsThere();
}

TEST_P(ProducerOutageTest, DestroyedWithRecordsOpenAndInFlightItGivesEveryOutcome) {
  {
    Producer producer = NewProducer();
    EXPECT_TRUE(SendInTime(producer, 0));
    EXPECT_TRUE(producer.Flush(milliseconds(20'000)).ok());
    Break();
    for (int i = 1; i <= 100; ++i) EXPECT_TRUE(SendInTime(producer, i));
    EXPECT_TRUE(InTime(kDeadline, [&] { const Producer destroyed(std::move(producer)); }));
  }
  EXPECT_EQ(outcomes_.Wrong(), "");
  EXPECT_EQ(outcomes_.acknowledged(), 1u);
  EXPECT_EQ(outcomes_.failures().size(), 100u);
}

TEST_P(ProducerOutageTest, ClosedWithoutPatienceARecordThatLingersHasItsOutcome) {
  producer_options_.linger = std::chrono::hours(1);
  producer_options_.delivery_timeout = std::chrono::hours(2);
  Producer producer = NewProducer();
  EXPECT_TRUE(SendInTime(producer, 0));
  Break();
  EXPECT_TRUE(InTime(milliseconds(0), [&] { (void)producer.Close(milliseconds(0)); }));
  EXPECT_EQ(outcomes_.Wrong(), "");
  for (const Failure& failure : outcomes_.failures()) EXPECT_TRUE(failure.definite()) << failure.message();
}

// Of the calling thread: how often it gave up its core to wait.
long Waits() {
  rusage usage{};
  getrusage(RUSAGE_THREAD, &usage);
  return usage.ru_nvcsw;
}

TEST_P(ProducerOutageTest, ASendThatWaitsForMemorySleepsUntilItsDeadline) {
  Producer producer = NewProducer();
  EXPECT_TRUE(SendInTime(producer, 0));
  EXPECT_TRUE(producer.Flush(milliseconds(20'000)).ok());
  Break();
  absl::Duration took;
  long waits = 0;
  for (int i = 1; i < 10'000 && outcomes_.failures().empty(); ++i) {
    const absl::Time start = absl::Now();
    waits = Waits();
    EXPECT_TRUE(SendInTime(producer, i));
    waits = Waits() - waits;
    took = absl::Now() - start;
  }
  ASSERT_FALSE(outcomes_.failures().empty());
  EXPECT_EQ(outcomes_.failures()[0].code(), Errc::kRequestTimedOut);
  EXPECT_GE(took, absl::FromChrono(kDeadline));
  EXPECT_LT(waits, 30);  // a look every millisecond would be ten times as many
}

INSTANTIATE_TEST_SUITE_P(Outages, ProducerOutageTest, ::testing::Values(Outage::kTerminated, Outage::kPaused, Outage::kKilled),
                         [](const auto& info) { return NameOf(info.param); });

class ProducerRestartTest : public ClientTest {};

TEST_F(ProducerRestartTest, NothingIsLostOrDoubledAndTheOrderIsKept) {
  producer_options_.memory_bytes_max = 256 * 1024;
  producer_options_.batch_bytes = 2 * 1024;
  producer_options_.linger = std::chrono::microseconds(0);
  Producer producer = NewProducer();
  Outcomes outcomes;
  std::string expected;
  int sent = 0;
  const auto send = [&](std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
      const std::string value = std::to_string(sent++);
      producer.Send("t", Value(value), outcomes.Of(value));
      expected += (expected.empty() ? "" : " ") + value;
    }
  };
  for (const bool kill : {true, false, true}) {
    send(1000);
    const std::size_t before = outcomes.acknowledged();
    EXPECT_TRUE(WaitUntil([&] { return outcomes.acknowledged() > before || outcomes.acknowledged() == static_cast<std::size_t>(sent); }));
    send(500);
    if (kill) {
      KillAndRestart();
    } else {
      Restart();
    }
  }
  send(500);
  EXPECT_TRUE(producer.Close(milliseconds(60'000)).ok());
  EXPECT_EQ(outcomes.Wrong(), "");
  EXPECT_EQ(outcomes.acknowledged(), static_cast<std::size_t>(sent));
  EXPECT_EQ(Values("t"), expected);
}

TEST_F(ProducerRestartTest, ABrokenConnectionIsToldAndSoIsItsReturn) {
  Mutex mu;
  std::vector<std::string> told;
  producer_options_.on_connection = [&](const Result<void>& connection) {
    MutexLock lock(mu);
    told.push_back(connection ? "back" : std::string(connection.error().name()));
    throw std::runtime_error("hook");
  };
  Producer producer = NewProducer();
  EXPECT_TRUE(producer.Send("t", Value("a")).get().ok());
  broker_->Kill9();
  Future<RecordMetadata> waits = producer.Send("t", Value("b"));
  EXPECT_TRUE(WaitUntil([&] {
    MutexLock lock(mu);
    return !told.empty();
  }));
  Start();
  EXPECT_TRUE(waits.get().ok());
  EXPECT_TRUE(producer.Close(milliseconds(20'000)).ok());
  EXPECT_EQ(told, (std::vector<std::string>{"TRANSPORT", "back"}));
  EXPECT_EQ(producer.exceptions_caught(), 2u);
}

}  // namespace
}  // namespace cordwood::testing
