// SPDX-License-Identifier: Apache-2.0
// What tests of the produce and fetch handlers share: a test shard, and a network thread played by the test.
#pragma once

#include <algorithm>
#include <chrono>
#include <functional>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "broker/handlers/fetch_session.h"
#include "broker/handlers/produce_handler.h"
#include "broker/handlers/test_shard.h"
#include "broker/replication/shard_turn.h"

namespace cordwood::broker {

// The network thread is the test's own: it runs the outbox until something has come true.
class HandlerFixture : public ::testing::Test {
 protected:
  explicit HandlerFixture(const FetchOptions& fetch_options = {}) : fetch_options_(fetch_options) {}
  void SetUp() override {
    fetch_ = std::make_unique<FetchHandler>(outbox_, timers_, shard_.table(), shard_.readers(), fetch_options_, clock_);
    produce_ = std::make_unique<ProduceHandler>(outbox_, timers_, shard_.table(), produce_options_, clock_);
    shard_.Start({{&outbox_, fetch_.get()}});
    CreateTopic("t", 2);
  }
  void TearDown() override {
    shard_.Stop();
    Turn();
  }

  void CreateTopic(const std::string& name, int partitions, const std::function<void(TopicConfig&)>& configure = nullptr) {
    SetImage(shard_.CreateTopic(name, partitions, configure));
  }
  void SetImage(const ClusterImagePtr& image) {
    fetch_->SetImage(image);
    produce_->SetImage(image);
  }
  void Turn() {
    outbox_.Drain();
    timers_.Advance(clock_.Monotonic());
    while (fetch_->RunTurn()) {
    }
  }
  bool RunUntil(const std::function<bool()>& done) {
    const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
    for (Turn(); !done(); Turn()) {
      if (std::chrono::steady_clock::now() > deadline) return false;
      std::this_thread::sleep_for(std::chrono::microseconds(50));
    }
    return true;
  }

  static ProduceEntry EntryOfBatch(const std::string& topic, int partition, SharedBytes value) {
    ProduceEntry entry = EntryFor(topic, partition, {});
    entry.values.push_back(std::move(value));
    return entry;
  }
  // A record per value, a batch per record.
  static ProduceEntry EntryFor(const std::string& topic, int partition, const std::vector<std::string>& values) {
    ProduceEntry entry;
    entry.ref.topic = topic;
    entry.ref.partition = partition;
    for (const std::string& value : values) entry.values.push_back(MakeBatch({value}));
    return entry;
  }

  SimulatedClock clock_{kNowMs};
  Outbox outbox_{[] {}};
  TimerWheel timers_{clock_.Monotonic()};
  ByteBudget budget_;
  ByteLease lease_{budget_};
  TestShard shard_{clock_};
  FetchOptions fetch_options_;
  ProduceOptions produce_options_;
  std::unique_ptr<FetchHandler> fetch_;
  std::unique_ptr<ProduceHandler> produce_;
};

// Collects outcomes.
struct Outcomes final : ProduceListener {
  void OnOutcome(ProduceOutcome& outcome) override { all.push_back(std::move(outcome)); }
  std::vector<ProduceOutcome> all;
};

// Collects answers.
struct Answers final : FetchListener {
  void OnAnswer(FetchAnswer& answer) override { all.push_back(answer); }
  bool CanTake() const override { return room; }
  void OnUnread() override { unread = true; }
  // Everything that was sent of a partition, one value after the other.
  std::string Values(int partition, Offset from = Offset(0)) const {
    std::string batches;
    for (const FetchAnswer& answer : all) {
      for (const FetchResult& result : answer.results) {
        if (result.ref->partition != partition) continue;
        for (const FetchPiece& piece : result.pieces) batches += piece.view();
      }
    }
    return ValuesOf(batches, from);
  }
  const FetchResult& last() const { return all.back().results.back(); }
  std::vector<FetchAnswer> all;
  bool room = true;
  bool unread = false;  // and so ended
};

// Streams, each with an ear of its own.
class StreamsFixture : public HandlerFixture {
 protected:
  using HandlerFixture::HandlerFixture;
  struct Client {
    Answers answers;
    std::shared_ptr<FetchSession> session;
    std::size_t values() const { return answers.all.empty() ? 0 : Count(answers.Values(0)) + Count(answers.Values(1)); }
    static std::size_t Count(const std::string& values) { return values.empty() ? 0 : 1 + static_cast<std::size_t>(std::count(values.begin(), values.end(), ' ')); }
  };
  void TearDown() override {
    for (auto& client : clients_) client->session->Close();
    EXPECT_TRUE(RunUntil([&] { return fetch_->jobs_outstanding() == 0; }));
    HandlerFixture::TearDown();
  }
  void Append(const std::string& topic, int partition, const std::string& value) {
    ProduceRequest request;
    request.entries.push_back(EntryFor(topic, partition, {value}));
    ASSERT_EQ(produce_->Produce(stream_, std::move(request)), absl::OkStatus());
    ASSERT_TRUE(RunUntil([&] { return stream_->unanswered == 0; }));
  }
  static FetchPartition From(const std::string& topic, int partition, std::int64_t offset = 0) {
    FetchPartition from;
    from.ref.topic = topic;
    from.ref.partition = partition;
    from.fetch_offset = Offset(offset);
    return from;
  }
  // Of partitions [0, count), from their beginning.
  static std::vector<FetchPartition> FromAll(const std::string& topic, int count) {
    std::vector<FetchPartition> all;
    for (int i = 0; i < count; ++i) all.push_back(From(topic, i));
    return all;
  }
  Client& Stream(std::vector<FetchPartition> partitions, bool as_records = false, std::uint64_t credit_bytes = 100'000'000) {
    clients_.push_back(std::make_unique<Client>());
    Client& client = *clients_.back();
    client.session = fetch_->Open(true, &client.answers);
    FetchRequest request;
    request.partitions = std::move(partitions);
    request.add_credit_bytes = credit_bytes;
    request.as_records = as_records;
    EXPECT_EQ(client.session->Apply(request), absl::OkStatus());
    return client;
  }
  void ForgetRing(const std::string& topic, int partition) { const_cast<TailRing&>(fetch_->ring()).Forget(shard_.Replica(topic, partition)->id); }

  Outcomes outcomes_;
  std::shared_ptr<ProduceStream> stream_ = std::make_shared<ProduceStream>(true, &outcomes_);
  std::vector<std::unique_ptr<Client>> clients_;
};

}  // namespace cordwood::broker
