// SPDX-License-Identifier: Apache-2.0
// Who has to wait for whom among fetch sessions: bounded turns, the catch-up limit, reads that nobody waits for any more.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <latch>

#include "broker/handlers/handlers_fixture.h"

namespace cordwood::broker {
namespace {

class FetchTurnsTest : public StreamsFixture {
 protected:
  using StreamsFixture::StreamsFixture;
};

TEST_F(FetchTurnsTest, CreditIsBoundedWhateverIsAdded) {
  Append("t", 0, "a");
  Client& client = Stream({From("t", 0)});
  for (const std::uint64_t bytes : {std::uint64_t{1} << 63, std::uint64_t{1} << 62, UINT64_MAX, std::uint64_t{1}}) {
    FetchRequest credit;
    credit.add_credit_bytes = bytes;
    ASSERT_EQ(client.session->Apply(credit), absl::OkStatus());
    EXPECT_GT(client.session->credit(), 0);
    EXPECT_LE(client.session->credit(), kFetchCreditMax);
  }
  EXPECT_TRUE(RunUntil([&] { return client.values() == 1; }));
  Append("t", 0, "b");
  EXPECT_TRUE(RunUntil([&] { return client.values() == 2; }));
}

TEST_F(FetchTurnsTest, AClientThatSendsAndDoesNotReadIsToldNothingUntilItReads) {
  Client& client = Stream({From("t", 0)});
  client.answers.room = false;
  for (unsigned position = 1; position <= 100; ++position) {
    FetchRequest seek;
    seek.partitions.push_back(From("t", 0));
    seek.partitions.back().position = position;
    ASSERT_EQ(client.session->Apply(seek), absl::OkStatus());
    Turn();
  }
  EXPECT_TRUE(client.answers.all.empty());
  client.answers.room = true;
  client.session->OnWritten();
  Turn();
  ASSERT_EQ(client.answers.all.size(), 1u);
  EXPECT_EQ(client.answers.last().position, 100u);
}

class ShortTurnsTest : public FetchTurnsTest {
 protected:
  static FetchOptions Short() {
    FetchOptions options;
    options.partitions_per_session_turn = 4;
    options.partitions_per_turn = 8;
    return options;
  }
  ShortTurnsTest() : FetchTurnsTest(Short()) {}
};

TEST_F(ShortTurnsTest, ASessionOfManyPartitionsLetsOthersInBetween) {
  CreateTopic("many", 50);
  for (int i = 0; i < 50; ++i) Append("many", i, "x");
  Append("t", 0, "tail");
  Client& greedy = Stream(FromAll("many", 50));
  Client& modest = Stream({From("t", 0)});
  EXPECT_TRUE(fetch_->RunTurn()) << "there is more to do";
  EXPECT_EQ(modest.values(), 1u);
  std::size_t sent = 0;
  for (const FetchAnswer& answer : greedy.answers.all) sent += answer.results.size();
  EXPECT_LE(sent, 8u);
  for (int turns = 0; turns < 10; ++turns) fetch_->RunTurn();
  sent = 0;
  for (const FetchAnswer& answer : greedy.answers.all) sent += answer.results.size();
  EXPECT_EQ(sent, 50u);
}

class CatchupTest : public FetchTurnsTest {
 protected:
  static constexpr int kRecords = 40;
  static FetchOptions Limited() {
    FetchOptions options;
    options.catchup_bytes_per_second = 1024 * 1024;  // sixteen reads, as the least of them counts
    return options;
  }
  CatchupTest() : FetchTurnsTest(Limited()) {}

  // A log that is not in the ring, and then a record of another topic: somebody produces.
  void SetUp() override {
    FetchTurnsTest::SetUp();
    CreateTopic("busy", 1);
    for (int i = 0; i < kRecords; ++i) Append("t", 0, std::to_string(i) + std::string(batch_bytes_, 'x'));
    clock_.Advance(absl::Seconds(1));
    ForgetRing("t", 0);
    Append("busy", 0, "now");
  }
  // So many ms go by, in each of which somebody produces a little.
  void Pass(int ms) {
    for (int i = 0; i < ms; i += 4) {
      clock_.Advance(absl::Milliseconds(4));
      if (i % 40 == 0) Append("busy", 0, "x");
      ASSERT_TRUE(RunUntil([&] { return fetch_->jobs_outstanding() == 0; }));
    }
  }
  // At most one batch a read.
  static FetchPartition Behind(int max_bytes = 1) {
    FetchPartition from = From("t", 0);
    from.max_bytes = max_bytes;
    return from;
  }
  std::size_t batch_bytes_ = 60'000;
};

// Each is worth seven tenths of a second.
class LargeBatchesCatchupTest : public CatchupTest {
 protected:
  LargeBatchesCatchupTest() {
    batch_bytes_ = 700'000;
    shard_.SetEncoder([](std::string_view, Offset from, std::size_t) -> StatusOr<EncodedRecords> {
      return EncodedRecords{SharedBytes::CopyOf("record"), Offset(from.value() + 1)};
    });
  }
  static std::size_t Reads(const Client& client) {
    std::size_t pieces = 0;
    for (const FetchAnswer& answer : client.answers.all) {
      for (const FetchResult& result : answer.results) pieces += result.pieces.size();
    }
    return pieces;
  }
};

TEST_F(LargeBatchesCatchupTest, AReadCountsWhatItBrought) {
  Client& client = Stream({Behind()});
  Pass(40);
  EXPECT_EQ(Reads(client), 2u) << "a full bucket, and a debt";
  Pass(2'000);
  EXPECT_GE(Reads(client), 4u);
  EXPECT_LE(Reads(client), 5u);
}

TEST_F(LargeBatchesCatchupTest, RecordsDecodedForASimpleClientCountAsTheBatchThatWasRead) {
  Client& client = Stream({Behind()}, true);
  Pass(2'000);
  EXPECT_GE(Reads(client), 3u);
  EXPECT_LE(Reads(client), 5u);
}

TEST_F(CatchupTest, WhoIsBehindReadsAtTheLimitWhileSomebodyProduces) {
  Client& client = Stream({Behind()});
  Pass(40);
  const std::size_t first = client.values();  // a full bucket
  EXPECT_GE(first, 16u);
  EXPECT_LE(first, 20u);
  EXPECT_GT(fetch_->measures().catchup_waiting_bytes.value(), 0);
  Pass(500);
  EXPECT_GE(client.values(), first + 7);
  EXPECT_LE(client.values(), first + 12);
  EXPECT_GT(fetch_->measures().catchup_held_micros.value(), 300'000u);
}

TEST_F(CatchupTest, OnceNobodyProducesEverythingIsRead) {
  Client& client = Stream({Behind()});
  Pass(40);
  ASSERT_LT(client.values(), static_cast<std::size_t>(kRecords));
  clock_.Advance(absl::Milliseconds(110));
  EXPECT_TRUE(RunUntil([&] { return client.values() == kRecords; }));
  EXPECT_EQ(fetch_->measures().catchup_waiting_bytes.value(), 0);
}

TEST_F(CatchupTest, SessionsThatAreBehindTakeTurns) {
  Client& greedy = Stream({Behind(1'000'000)});
  Client& second = Stream({Behind()});
  Client& third = Stream({Behind()});
  Pass(2000);
  EXPECT_GE(second.values(), 6u);
  EXPECT_GE(third.values(), 6u);
  EXPECT_LE(second.values(), third.values() + 2);
  EXPECT_LE(third.values(), second.values() + 2);
  EXPECT_GE(greedy.values(), second.values());
}

TEST_F(CatchupTest, TheTailIsReadAtOnceByTheOneThatIsBehindElsewhereToo) {
  Client& both = Stream({Behind(), From("t", 1)});
  Client& tail = Stream({From("t", 1)});
  Pass(100);
  ASSERT_GT(fetch_->measures().catchup_waiting_bytes.value(), 0);
  Append("t", 1, "news");
  Turn();
  EXPECT_EQ(tail.answers.Values(1), "news");
  EXPECT_EQ(both.answers.Values(1), "news");
}

TEST_F(CatchupTest, WhoIsHeldBackMaySetAndRemoveAsOftenAsHeLikes) {
  Client& client = Stream({Behind()});
  Pass(40);
  for (int i = 0; i < 500; ++i) {
    FetchRequest change;
    change.partitions.push_back(Behind());
    change.partitions.back().action = i % 2 == 0 ? FetchPartition::Action::kRemove : FetchPartition::Action::kSet;
    ASSERT_EQ(client.session->Apply(change), absl::OkStatus());
    Turn();
  }
  const std::size_t before = client.values();
  Pass(500);
  EXPECT_GT(client.values(), before);
  EXPECT_LE(client.values(), before + 12);
}

TEST_F(CatchupTest, ASessionThatEndsWhileItIsHeldBackLeavesNothingBehind) {
  Client& client = Stream({Behind()});
  Pass(40);
  ASSERT_GT(fetch_->measures().catchup_waiting_bytes.value(), 0);
  client.session->Close();
  Pass(200);
  EXPECT_EQ(fetch_->measures().catchup_waiting_bytes.value(), 0);
}

// Reads wait in the pool while both readers stand still in the first ones.
class UnwantedReadsTest : public FetchTurnsTest {
 protected:
  UnwantedReadsTest() {
    shard_.SetEncoder([this](std::string_view, Offset, std::size_t) -> StatusOr<EncodedRecords> {
      ++begun_;
      gate_.wait();
      return EncodedRecords{SharedBytes::CopyOf("read"), Offset(1)};
    });
  }
  // Sessions whose reads the readers have begun with; what others ask for waits behind.
  void OccupyReaders() {
    Stream({From("t", 0)}, true);
    Stream({From("t", 0)}, true);
    ASSERT_TRUE(RunUntil([&] { return begun_ == 2; }));
  }
  std::uint64_t Dropped() {
    gate_.count_down();
    EXPECT_TRUE(RunUntil([&] { return fetch_->jobs_outstanding() == 0; }));
    return fetch_->measures().reads_dropped.value();
  }
  std::latch gate_{1};
  std::atomic<int> begun_{0};
};

TEST_F(UnwantedReadsTest, ReadsOfACallThatHasEndedComeBackUnread) {
  Append("t", 0, "a");
  OccupyReaders();
  Client& gone = Stream({From("t", 0)}, true);
  Turn();
  ASSERT_EQ(fetch_->jobs_outstanding(), 3u);
  gone.session->Close();
  EXPECT_EQ(Dropped(), 1u);
  EXPECT_EQ(begun_, 2);
}

TEST_F(UnwantedReadsTest, AReadThatAPauseASeekOrARemovalMadeUselessComesBackUnread) {
  Append("t", 0, "a");
  Append("t", 1, "b");
  OccupyReaders();
  for (const auto action : {FetchPartition::Action::kPause, FetchPartition::Action::kRemove, FetchPartition::Action::kSet}) {
    Client& client = Stream({From("t", 0)}, true);
    Turn();
    FetchPartition change = From("t", 0, 1);
    change.action = action;
    FetchRequest request;
    request.partitions.push_back(change);
    ASSERT_EQ(client.session->Apply(request), absl::OkStatus());
  }
  EXPECT_EQ(Dropped(), 3u);
  EXPECT_EQ(begun_, 2);
}

class FewReadsTest : public FetchTurnsTest {
 protected:
  static FetchOptions Few() {
    FetchOptions options;
    options.read_bytes_max = 4 * BatchLimits().batch_bytes_max;
    options.session_read_bytes_max = 2 * options.read_bytes_max;
    options.openings_max = 2;
    return options;
  }
  FewReadsTest() : FetchTurnsTest(Few()) {}
};

TEST_F(FewReadsTest, TinyReadsDoNotFillTheReadersQueue) {
  CreateTopic("many", 20);
  std::vector<FetchPartition> all;
  for (int i = 0; i < 20; ++i) {
    Append("many", i, "x");
    ForgetRing("many", i);
    all.push_back(From("many", i));
    all.back().max_bytes = 1;
  }
  Client& client = Stream(all);
  fetch_->RunTurn();
  EXPECT_EQ(fetch_->jobs_outstanding(), 4u);
  std::size_t pieces = 0;
  EXPECT_TRUE(RunUntil([&] {
    pieces = 0;
    for (const FetchAnswer& answer : client.answers.all) {
      for (const FetchResult& result : answer.results) pieces += result.pieces.size();
    }
    return pieces == 20;
  }));
}

TEST_F(FewReadsTest, OpeningsThatAreTooManyWaitTheirTurn) {
  CreateTopic("many", 20);
  std::vector<FetchPartition> all;
  for (int i = 0; i < 20; ++i) {
    ReplicaSnapshot unopened;
    unopened.phase = ReplicaPhase::kUnopened;
    shard_.Replica("many", i)->Publish(unopened);
    all.push_back(From("many", i));
  }
  Client& client = Stream(all);
  fetch_->RunTurn();
  EXPECT_EQ(fetch_->jobs_outstanding(), 2u);
  EXPECT_TRUE(RunUntil([&] {
    std::size_t results = 0;
    for (const FetchAnswer& answer : client.answers.all) results += answer.results.size();
    return results == 20;
  }));
}

}  // namespace
}  // namespace cordwood::broker
