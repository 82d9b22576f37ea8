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

}  // namespace
}  // namespace cordwood::broker
