// SPDX-License-Identifier: Apache-2.0
// Producers of several threads and a consumer through restarts of their broker: each record once, in the order of its thread.
#include <gtest/gtest.h>

#include <atomic>
#include <map>
#include <random>
#include <string>
#include <thread>
#include <vector>

#include "tests/client/consumer_fixture.h"

namespace cordwood::testing {
namespace {

constexpr int kThreads = 4;
constexpr int kPartitions = 16;
constexpr int kRestarts = 3;
constexpr int kRecords = 400;  // of each thread, between two restarts
constexpr auto kLong = std::chrono::minutes(2);

// Sends "thread:number" to partition number % 16, and waits at each restart until the broker is told to go in the midst of what was sent.
class Senders {
 public:
  Senders(Producer& producer, Outcomes& outcomes, std::uint64_t seed) : producer_(producer), outcomes_(outcomes), seed_(seed) {}

  // Runs `meanwhile` once some but not all of this round's records are acknowledged or under way.
  template <class Meanwhile>
  void Round(Meanwhile meanwhile) {
    std::atomic<int> sent{0};
    const int threshold = static_cast<int>(std::uniform_int_distribution<>(1, kThreads * kRecords / 2)(seed_));
    std::vector<std::thread> threads;
    for (int thread = 0; thread < kThreads; ++thread) {
      threads.emplace_back([&, thread, first = first_] {
        for (int number = first; number < first + kRecords; ++number) {
          const std::string value = std::to_string(thread) + ":" + std::to_string(number);
          producer_.Send("wide", {.value = value, .partition = number % kPartitions}, outcomes_.Of(value));
          ++sent;
        }
      });
    }
    EXPECT_TRUE(WaitUntil([&] { return sent >= threshold; }));
    meanwhile();
    for (std::thread& thread : threads) thread.join();
    first_ += kRecords;
  }
  int sent_of_each() const { return first_; }

 private:
  Producer& producer_;
  Outcomes& outcomes_;
  std::mt19937_64 seed_;
  int first_ = 0;
};

// What a consumer read: the last number of each thread in each partition, and how many records.
class Reader {
 public:
  // Empty, or what was out of order, missing before it or there twice.
  std::string Read(Consumer& consumer, int count) {
    const absl::Time deadline = absl::Now() + absl::FromChrono(kLong);
    while (read_ < count && absl::Now() < deadline) {
      const auto records = consumer.Poll(milliseconds(50));
      if (!records) return records.error().ToString();
      for (const ConsumerRecord& record : *records) Take(record);
    }
    return wrong_;
  }
  int read() const { return read_; }

 private:
  void Take(const ConsumerRecord& record) {
    ++read_;
    const std::string value(record.value());
    const std::size_t colon = value.find(':');
    const int number = std::stoi(value.substr(colon + 1));
    const auto [place, first] = next_.try_emplace({record.partition(), value.substr(0, colon)}, record.partition());
    if (number != place->second) wrong_ += value + " where " + std::to_string(place->second) + " was due; ";
    place->second = number + kPartitions;
  }

  std::map<std::pair<int, std::string>, int> next_;  // the number that is due, by partition and thread
  std::string wrong_;
  int read_ = 0;
};

class RestartRoundsTest : public ConsumerTest, public ::testing::WithParamInterface<int> {};

TEST_P(RestartRoundsTest, NothingIsLostOrDoubledAndTheConsumerGoesOnAtItsPlace) {
  CreateTopic("wide", kPartitions);
  producer_options_.batch_bytes = 512;  // many batches, several in flight
  producer_options_.linger = std::chrono::microseconds(200);
  producer_options_.memory_bytes_max = 64 * 1024;
  Producer producer = NewProducer();
  Consumer consumer = NewConsumer();
  ASSERT_TRUE(consumer.AssignTopic("wide", Position::Start()).ok());
  Outcomes outcomes;
  Senders senders(producer, outcomes, static_cast<std::uint64_t>(GetParam()));
  Reader reader;
  for (int restart = 0; restart < kRestarts; ++restart) {
    senders.Round([&] { restart % 2 == 0 ? KillAndRestart() : Restart(); });
    EXPECT_EQ(reader.Read(consumer, senders.sent_of_each() * kThreads / 2), "");
  }
  EXPECT_TRUE(producer.Close(kLong).ok());
  const int all = senders.sent_of_each() * kThreads;
  EXPECT_EQ(outcomes.Wrong(), "");
  EXPECT_EQ(outcomes.acknowledged(), static_cast<std::size_t>(all));
  EXPECT_EQ(reader.Read(consumer, all), "");
  EXPECT_EQ(reader.read(), all);
  EXPECT_TRUE(consumer.Poll(milliseconds(0)).value().empty());
}

INSTANTIATE_TEST_SUITE_P(Seeds, RestartRoundsTest, ::testing::Range(1, 3));

}  // namespace
}  // namespace cordwood::testing
