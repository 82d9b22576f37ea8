// SPDX-License-Identifier: Apache-2.0
// What tests of the produce and fetch handlers share: a test shard, and a network thread played by the test.
#pragma once

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
};

}  // namespace cordwood::broker
