// SPDX-License-Identifier: Apache-2.0
// What a fetch stream may make the broker hold, whatever its client sends and does not read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/handlers/handlers_fixture.h"

namespace cordwood::broker {
namespace {

class FetchBoundsTest : public StreamsFixture {
 protected:
  using StreamsFixture::StreamsFixture;
  // As the thread sees them after a turn.
  std::int64_t HeldBytes() {
    Turn();
    return fetch_->measures().unwritten_bytes.value();
  }
  Client& ClientThatReadsNothing(std::vector<FetchPartition> partitions) {
    Client& client = Stream(std::move(partitions));
    client.answers.room = false;
    return client;
  }
  static FetchRequest Nonsense(int partitions) {
    FetchRequest request;
    for (int i = 0; i < partitions; ++i) request.partitions.push_back(From("t", 7));
    return request;
  }
};

TEST_F(FetchBoundsTest, SomeHundredRefusalsThatNobodyReadsEndTheStreamAndAreDropped) {
  Client& client = ClientThatReadsNothing({From("t", 0)});
  ASSERT_EQ(client.session->Apply(Nonsense(300)), absl::OkStatus());
  EXPECT_GE(HeldBytes(), 300 * 512);
  EXPECT_THAT(client.session->Apply(Nonsense(300)), FailsWith(Reason::kLimitExceeded));
  EXPECT_EQ(HeldBytes(), 0);
  EXPECT_TRUE(client.answers.all.empty());
}

TEST_F(FetchBoundsTest, ARefusalCountsWithTheNameThatItRepeats) {
  Client& client = ClientThatReadsNothing({From("t", 0)});
  FetchRequest long_name = Nonsense(1);
  long_name.partitions[0].ref.topic = std::string(60'000, 'x');
  int applied = 0;
  while (applied < 100 && client.session->Apply(long_name).ok()) ++applied;
  EXPECT_LE(applied, 4);
}

TEST_F(FetchBoundsTest, AsManyRefusalsAsARequestHoldsAreToldToWhoReads) {
  Client& client = Stream({From("t", 0)});
  for (int i = 0; i < 5; ++i) ASSERT_EQ(client.session->Apply(Nonsense(5'000)), absl::OkStatus());
  Turn();
  std::size_t refused = 0;
  for (const FetchAnswer& answer : client.answers.all) {
    refused += answer.results.size();
    EXPECT_LE(answer.held_bytes(), (1 << 20) + 1'000u);
  }
  EXPECT_EQ(refused, 25'001u) << "how the one stands, and the refusals";
}

class UnreadCallsTest : public FetchBoundsTest {
 protected:
  static FetchOptions Little() {
    FetchOptions options;
    options.unread_bytes_max = 6'000;
    return options;
  }
  UnreadCallsTest() : FetchBoundsTest(Little()) {}
};

TEST_F(UnreadCallsTest, WhoDoesNotReadIsEndedWhenAllTogetherHoldTooMuch) {
  Append("t", 0, std::string(2'000, 'a'));
  std::vector<Client*> clients;
  for (int i = 0; i < 3; ++i) {
    clients.push_back(&Stream({From("t", 0)}));
    Turn();
    clock_.Advance(absl::Milliseconds(10));
  }
  clients[0]->session->OnWritten();
  EXPECT_LE(HeldBytes(), 6'000);
  Stream({From("t", 0)});
  clock_.Advance(absl::Seconds(2));
  EXPECT_LE(HeldBytes(), 6'000);
  EXPECT_FALSE(clients[0]->answers.unread) << "it has read";
  EXPECT_TRUE(clients[1]->answers.unread);
  EXPECT_FALSE(clients[2]->answers.unread) << "one was enough";
  EXPECT_EQ(fetch_->measures().ended_unread.value(), 1u);
}

TEST_F(FetchBoundsTest, WhatTheListenerOfAStoppedSessionHoldsCountsUntilItIsClosed) {
  Append("t", 0, std::string(1'000, 'a'));
  Client& client = Stream({From("t", 0)});
  ASSERT_GE(HeldBytes(), 1'000);
  client.session->Stop();
  EXPECT_GE(HeldBytes(), 1'000);
  client.session->Close();
  EXPECT_EQ(HeldBytes(), 0);
}

TEST_F(FetchBoundsTest, PartitionsThatComeAndGoWithoutCreditLeaveNoQueueBehind) {
  Client& client = Stream({}, false, 0);
  FetchRequest come_and_go;
  for (int i = 0; i < 4'500; ++i) {
    come_and_go.partitions.push_back(From("t", 0));
    come_and_go.partitions.push_back(From("t", 0));
    come_and_go.partitions.back().action = FetchPartition::Action::kRemove;
  }
  std::size_t most = 0;
  for (int pairs = 0; pairs < 100'000; pairs += 4'500) {
    ASSERT_EQ(client.session->Apply(come_and_go), absl::OkStatus());
    most = std::max(most, client.session->queued());
    Turn();
  }
  EXPECT_LE(most, 2u + 64u);
}

// Nothing is in memory; each of 40 partitions has a batch of 5 KB.
class FortyPartitionsTest : public FetchBoundsTest {
 protected:
  static constexpr int kPartitions = 40;
  static constexpr std::int64_t kBatchBytes = 5'000, kResultBytes = 512 + 100;
  explicit FortyPartitionsTest(FetchOptions options = {}) : FetchBoundsTest(NoRing(options)) {}
  static FetchOptions NoRing(FetchOptions options) {
    options.ring_bytes = 1;
    return options;
  }
  void SetUp() override {
    FetchBoundsTest::SetUp();
    CreateTopic("many", kPartitions, [this](TopicConfig& config) { config.batch.batch_bytes_max = largest_batch_; });
    for (int i = 0; i < kPartitions; ++i) Append("many", i, std::string(kBatchBytes, 'x'));
    ASSERT_TRUE(RunUntil([&] { return fetch_->jobs_outstanding() == 0; }));
  }
  bool NoReadIsUnderWay() {
    return RunUntil([&] { return fetch_->jobs_outstanding() == 0; });
  }
  static std::size_t Batches(const Client& client) {
    std::size_t pieces = 0;
    for (const FetchAnswer& answer : client.answers.all) {
      for (const FetchResult& result : answer.results) pieces += result.pieces.size();
    }
    return pieces;
  }
  std::size_t largest_batch_ = BatchLimits().batch_bytes_max;
};

TEST_F(FortyPartitionsTest, ReadsUnderWayCountWhatTheyMayBring) {
  Client& client = Stream(FromAll("many", kPartitions));
  fetch_->RunTurn();
  EXPECT_EQ(fetch_->jobs_outstanding(), 2u) << "of 1 MiB each";
  EXPECT_TRUE(RunUntil([&] { return Batches(client) == kPartitions; }));
}

class LargestBatchesTest : public FortyPartitionsTest {
 protected:
  LargestBatchesTest() { largest_batch_ = 8'000'000; }
};

TEST_F(LargestBatchesTest, AReadThatMayBringEightMegabytesIsTheOnlyOneOfItsCall) {
  Client& client = Stream(FromAll("many", kPartitions));
  fetch_->RunTurn();
  EXPECT_EQ(fetch_->jobs_outstanding(), 1u);
  EXPECT_TRUE(RunUntil([&] { return Batches(client) == kPartitions; }));
}

TEST_F(FortyPartitionsTest, WhatWasReadForAClientThatLeavesNoRoomCounts) {
  Client& client = Stream(FromAll("many", kPartitions));
  fetch_->RunTurn();
  client.answers.room = false;
  ASSERT_TRUE(NoReadIsUnderWay());
  EXPECT_GE(HeldBytes(), 2 * kBatchBytes);
  EXPECT_TRUE(client.answers.all.empty());
  client.session->Close();
  EXPECT_EQ(HeldBytes(), 0);
}

class LeanAnswersTest : public FortyPartitionsTest {
 protected:
  static FetchOptions Small() {
    FetchOptions options;
    options.unwritten_bytes_max = 100'000;
    options.lean_answer_bytes = 1'000;
    return options;
  }
  LeanAnswersTest() : FortyPartitionsTest(Small()) {}
  // Who takes all that there is, and does not say that it was written: from here on answers are lean.
  Client& Greedy() {
    Client& greedy = Stream(FromAll("many", kPartitions));
    EXPECT_TRUE(RunUntil([&] { return HeldBytes() >= 100'000; }));
    EXPECT_TRUE(NoReadIsUnderWay());
    return greedy;
  }
};

TEST_F(LeanAnswersTest, AStreamOfManyPartitionsHoldsOneBatch) {
  Greedy();
  const std::int64_t before = HeldBytes();
  for (int i = 0; i < 5; ++i) Stream(FromAll("many", kPartitions));
  for (int turns = 0; turns < 50; ++turns) ASSERT_TRUE(NoReadIsUnderWay());
  EXPECT_LE(HeldBytes(), before + 5 * (kBatchBytes + kResultBytes));
  for (std::size_t i = 1; i < clients_.size(); ++i) EXPECT_EQ(Batches(*clients_[i]), 1u);
}

TEST_F(LeanAnswersTest, AUnaryAnswerOfManyPartitionsHoldsOneBatch) {
  Greedy();
  Answers answers;
  const std::shared_ptr<FetchSession> unary = fetch_->Open(false, &answers);
  FetchRequest request;
  request.partitions = FromAll("many", kPartitions);
  request.max_bytes = 10'000'000;
  ASSERT_EQ(unary->Apply(request), absl::OkStatus());
  EXPECT_TRUE(RunUntil([&] { return answers.all.size() == 1; }));
  EXPECT_LE(answers.all[0].payload_bytes, static_cast<std::size_t>(kBatchBytes + 100));
  unary->Close();
}

TEST_F(LeanAnswersTest, WhoReadsGetsABatchAtATimeAndEverythingOnceOthersHaveRead) {
  Client& greedy = Greedy();
  Client& client = Stream(FromAll("many", kPartitions));
  for (std::size_t i = 1; i <= 10; ++i) {
    ASSERT_TRUE(RunUntil([&] { return client.answers.all.size() == i; }));
    EXPECT_LE(client.answers.all.back().payload_bytes, static_cast<std::size_t>(kBatchBytes + 100));
    client.session->OnWritten();
  }
  greedy.session->Close();
  EXPECT_TRUE(RunUntil([&] {
    client.session->OnWritten();
    return Batches(client) == kPartitions;
  }));
}

}  // namespace
}  // namespace cordwood::broker
