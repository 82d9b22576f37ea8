// SPDX-License-Identifier: Apache-2.0
// The public consumer while its broker is killed, stands still or comes back: each record once, every end in time.
#include <gtest/gtest.h>

#include <atomic>
#include <filesystem>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "tests/client/consumer_fixture.h"

namespace cordwood::testing {
namespace {

using ConsumerOutageTest = ConsumerTest;

TEST_F(ConsumerOutageTest, NothingIsLostOrDoubledThroughKillsWhileAProducerWrites) {
  constexpr int kRecords = 3000;
  constexpr int kAhead = 300;  // so that there is something left to write at each kill
  Consumer consumer = NewConsumer();
  ASSERT_TRUE(consumer.Assign(At(), Position::Start()).ok());
  Outcomes outcomes;
  std::atomic<int> sent = 0;
  std::atomic<std::int64_t> next = 0;
  Producer producer = NewProducer();
  std::thread writer([&] {
    for (; sent < kRecords; ++sent) {
      const std::string value = std::to_string(sent);
      producer.Send("t", Value(value), outcomes.Of(value));
      if (sent % 100 == 0) {
        EXPECT_TRUE(producer.Flush(std::chrono::seconds(60)).ok());
        EXPECT_TRUE(WaitUntil([&] { return sent < next + kAhead; }));
      }
    }
    EXPECT_TRUE(producer.Flush(std::chrono::seconds(60)).ok());
  });
  int kills = 0;
  const absl::Time deadline = absl::Now() + absl::Minutes(2);
  while (next < kRecords && absl::Now() < deadline) {
    for (const ConsumerRecord& record : consumer.Poll(milliseconds(20)).value()) {
      EXPECT_EQ(record.offset(), next);
      EXPECT_EQ(record.value(), std::to_string(next));
      ++next;
    }
    if (kills < 3 && next > (kills + 1) * kRecords / 5) {
      KillAndRestart();
      ++kills;
    }
  }
  writer.join();
  EXPECT_EQ(kills, 3);
  EXPECT_EQ(next, kRecords);
  EXPECT_EQ(outcomes.Wrong(), "");
  EXPECT_EQ(consumer.Poll(milliseconds(50)).value().size(), 0U);
}

TEST_F(ConsumerOutageTest, ABrokenConnectionIsToldAndMended) {
  Append("t", {"a"});
  Consumer consumer = NewConsumer();
  ASSERT_TRUE(consumer.Assign(At(), Position::Start()).ok());
  EXPECT_EQ(Read(consumer, 1), "a ");
  broker_->Kill9();
  ASSERT_TRUE(WaitUntil([&] { return !consumer.connection().ok(); }));
  EXPECT_EQ(consumer.connection().error().code(), Errc::kTransport);
  EXPECT_TRUE(consumer.Poll(milliseconds(1)).value().empty());
  Start();
  Append("t", {"b"});
  EXPECT_EQ(Read(consumer, 1), "b ");
  EXPECT_TRUE(consumer.connection().ok());
}

TEST_F(ConsumerOutageTest, ALogEndThatFallsBelowThePositionIsAFailureOrFollowsThePolicy) {
  Append("t", {"0", "1", "2"});
  ASSERT_EQ(broker_->Terminate(), 0);
  std::filesystem::copy(data_dir(), files_.Sub("before"), std::filesystem::copy_options::recursive);
  Start();
  Append("t", {"3", "4"});
  Consumer strict = NewConsumer();
  consumer_options_.offset_reset = OffsetReset::kStart;
  Consumer lenient = NewConsumer();
  for (Consumer* consumer : {&strict, &lenient}) {
    ASSERT_TRUE(consumer->Assign(At(), Position::Start()).ok());
    EXPECT_EQ(Read(*consumer, 5), "0 1 2 3 4 ");
  }
  broker_->Kill9();
  std::filesystem::remove_all(data_dir());
  std::filesystem::rename(files_.Sub("before"), data_dir());
  Start();
  EXPECT_EQ(ReadFailure(strict).code(), Errc::kOffsetOutOfRange);
  EXPECT_EQ(Read(lenient, 3), "0 1 2 ");
}

TEST_F(ConsumerOutageTest, EndsInTimeWhileTheBrokerStandsStillOrIsGone) {
  Fill("t", 10, 10);
  client_options_.request_timeout = milliseconds(500);
  const auto close_all = [&](std::vector<Consumer> consumers) {
    EXPECT_TRUE(InTime(milliseconds(0), [&] {
      consumers[0].Close();
      EXPECT_EQ(consumers[0].Poll(milliseconds(0)).error().code(), Errc::kShuttingDown);
      consumers.clear();
    }));
  };
  const auto two_consumers = [&] {
    std::vector<Consumer> consumers;
    for (int i = 0; i < 2; ++i) {
      consumers.push_back(NewConsumer());
      EXPECT_TRUE(consumers.back().Assign(At(), Position::Start()).ok());
      EXPECT_NE(Read(consumers.back(), 1), "");
    }
    return consumers;
  };
  std::vector<Consumer> consumers = two_consumers();
  std::vector<Consumer> others = two_consumers();
  broker_->Pause();
  EXPECT_TRUE(InTime(milliseconds(500), [&] { EXPECT_FALSE(consumers[1].Seek(At(), Position::End()).ok()); }));
  close_all(std::move(consumers));
  broker_->Continue();
  broker_->Kill9();
  EXPECT_TRUE(InTime(milliseconds(500), [&] { EXPECT_EQ(others[1].Offsets(At()).error().code(), Errc::kTransport); }));
  close_all(std::move(others));
}

}  // namespace
}  // namespace cordwood::testing
