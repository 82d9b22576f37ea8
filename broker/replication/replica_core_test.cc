// SPDX-License-Identifier: Apache-2.0
#include "broker/replication/replica_core.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>

namespace cordwood::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// Every step checks the invariants. Appends are named by their entry number.
class ReplicaCoreTest : public ::testing::Test {
 protected:
  void Step(const ReplicaEvent& event) {
    core_.Step(event, actions_);
    ASSERT_EQ(core_.Invariants(), absl::OkStatus());
  }
  void Lead(Durability durability, std::int64_t end = 0, std::int32_t epoch = 3) {
    Step(Configure{durability, 1});
    Step(BecomeLeader{LeaderEpoch(epoch), Offset(0), Offset(end)});
  }
  void Append(std::uint32_t name, std::int64_t end, Acks acks = Acks::kAll, bool duplicate = false) {
    Step(Appended{Offset(end), duplicate, acks, AckToken{nullptr, name}});
  }
  std::vector<std::uint32_t> Acknowledged() { return Take(actions_.acknowledged); }
  std::vector<std::uint32_t> Abandoned() { return Take(actions_.abandoned); }
  static std::vector<std::uint32_t> Take(std::vector<AckToken>& tokens) {
    std::vector<std::uint32_t> names;
    for (const AckToken& token : tokens) names.push_back(token.entry);
    tokens.clear();
    return names;
  }
  Reason Refusal(std::optional<LeaderEpoch> epoch, Acks acks = Acks::kAll) { return ReasonOf(core_.CheckAppend(epoch, acks)); }

  ReplicaCore core_;
  ReplicaActions actions_;
};

TEST_F(ReplicaCoreTest, HighWatermarkOfAnOsTopicIsTheWrittenEnd) {
  Lead(Durability::kOs);
  Append(1, 5);
  EXPECT_EQ(core_.high_watermark(), Offset(0));
  EXPECT_FALSE(core_.needs_sync());
  Step(Written{Offset(5)});
  EXPECT_EQ(core_.high_watermark(), Offset(5));
  EXPECT_THAT(Acknowledged(), ElementsAre(1u));
}

TEST_F(ReplicaCoreTest, HighWatermarkOfAnFsyncTopicIsTheSyncedEnd) {
  Lead(Durability::kFsync);
  Append(1, 5);
  EXPECT_TRUE(core_.needs_sync());
  Step(Written{Offset(5)});
  EXPECT_EQ(core_.high_watermark(), Offset(0));
  EXPECT_THAT(Acknowledged(), IsEmpty());
  Step(Synced{Offset(5)});
  EXPECT_EQ(core_.high_watermark(), Offset(5));
  EXPECT_THAT(Acknowledged(), ElementsAre(1u));
}

TEST_F(ReplicaCoreTest, LeaderAndNoneAreAcknowledgedOnceWritten) {
  Lead(Durability::kFsync);
  Append(1, 5, Acks::kAll);
  Append(2, 6, Acks::kLeader);
  Append(3, 7, Acks::kNone);
  Step(Written{Offset(7)});
  EXPECT_THAT(Acknowledged(), ElementsAre(2u, 3u));
  Step(Synced{Offset(7)});
  EXPECT_THAT(Acknowledged(), ElementsAre(1u));
}

TEST_F(ReplicaCoreTest, DuplicateIsAcknowledgedOnlyWithItsOriginal) {
  Lead(Durability::kFsync);
  Append(1, 5, Acks::kAll);
  Append(2, 5, Acks::kLeader, /*duplicate=*/true);
  Step(Written{Offset(5)});
  EXPECT_THAT(Acknowledged(), IsEmpty());
  Step(Synced{Offset(5)});
  EXPECT_THAT(Acknowledged(), ElementsAre(1u, 2u));
}

TEST_F(ReplicaCoreTest, DuplicateOfAnAcknowledgedOriginalIsAnsweredAtOnce) {
  Lead(Durability::kFsync, 5);
  Append(1, 4, Acks::kAll, /*duplicate=*/true);
  EXPECT_THAT(Acknowledged(), ElementsAre(1u));
}

TEST_F(ReplicaCoreTest, NewLeaderStartsAtItsDurableEnd) {
  Lead(Durability::kFsync, 9);
  EXPECT_EQ(core_.high_watermark(), Offset(9));
  EXPECT_EQ(core_.leader_epoch(), LeaderEpoch(3));
}

TEST_F(ReplicaCoreTest, AppendOfAnotherEpochIsRefused) {
  Lead(Durability::kOs);
  EXPECT_EQ(Refusal(std::nullopt), Reason::kNone);
  EXPECT_EQ(Refusal(LeaderEpoch(3)), Reason::kNone);
  EXPECT_EQ(Refusal(LeaderEpoch(2)), Reason::kFencedLeaderEpoch);
  EXPECT_EQ(Refusal(LeaderEpoch(4)), Reason::kUnknownLeaderEpoch);
}

TEST_F(ReplicaCoreTest, OnlyALeaderTakesAppends) {
  EXPECT_EQ(Refusal(std::nullopt), Reason::kNotLeaderOrFollower);
  Lead(Durability::kOs);
  Step(Resign{});
  EXPECT_EQ(Refusal(std::nullopt), Reason::kNotLeaderOrFollower);
}

TEST_F(ReplicaCoreTest, ExpectedOffsetMustBeTheLogEnd) {
  Lead(Durability::kOs, 7);
  EXPECT_EQ(core_.CheckExpectedOffset(Offset(7)), absl::OkStatus());
  EXPECT_EQ(ReasonOf(core_.CheckExpectedOffset(Offset(6))), Reason::kExpectedOffsetMismatch);
  EXPECT_EQ(MessageOf(core_.CheckExpectedOffset(Offset(8))), "the log ends at 7, not at the expected 8");
}

TEST_F(ReplicaCoreTest, TooFewInSyncReplicasRefuseAllAndFreezeTheHighWatermark) {
  Step(Configure{Durability::kOs, 2});
  Step(BecomeLeader{LeaderEpoch(1), Offset(0), Offset(0)});
  EXPECT_EQ(Refusal(std::nullopt, Acks::kAll), Reason::kNotEnoughReplicas);
  EXPECT_EQ(Refusal(std::nullopt, Acks::kLeader), Reason::kNone);
  Append(1, 5, Acks::kLeader);
  Step(Written{Offset(5)});
  EXPECT_EQ(core_.high_watermark(), Offset(0));
  EXPECT_THAT(Acknowledged(), ElementsAre(1u));
}

TEST_F(ReplicaCoreTest, ResigningAbandonsWhatIsNotAcknowledged) {
  Lead(Durability::kFsync);
  Append(1, 5);
  Append(2, 6, Acks::kLeader);
  Step(Written{Offset(6)});
  EXPECT_THAT(Acknowledged(), ElementsAre(2u));
  Step(Resign{});
  EXPECT_THAT(Abandoned(), ElementsAre(1u));
}

TEST_F(ReplicaCoreTest, HighWatermarkNeverGoesBackWhenDurabilityRises) {
  Lead(Durability::kOs);
  Append(1, 5);
  Step(Written{Offset(5)});
  Step(Configure{Durability::kFsync, 1});
  EXPECT_EQ(core_.high_watermark(), Offset(5));
  EXPECT_TRUE(core_.needs_sync());
}

TEST_F(ReplicaCoreTest, TruncationAbandonsAndBeginsItsEpoch) {
  Lead(Durability::kFsync);
  Append(1, 5);
  Step(Written{Offset(5)});
  Step(Truncated{Offset(3), LeaderEpoch(4)});
  EXPECT_EQ(core_.log_end(), Offset(3));
  EXPECT_EQ(core_.leader_epoch(), LeaderEpoch(4));
  EXPECT_THAT(Abandoned(), ElementsAre(1u));
}

TEST_F(ReplicaCoreTest, EveryAppendIsAcknowledgedOrAbandonedExactlyOnce) {
  std::mt19937 random(1);
  Lead(Durability::kFsync);
  std::int64_t end = 0;
  std::uint32_t appended = 0;
  std::size_t told = 0;
  for (int i = 0; i < 5000; ++i) {
    const auto dice = random() % 10;
    if (dice < 5) Append(appended++, ++end, static_cast<Acks>(random() % 3), false);
    if (dice == 5 && end > 0) Append(appended++, 1 + static_cast<std::int64_t>(random() % static_cast<unsigned>(end)), Acks::kAll, true);
    if (dice == 6) Step(Written{core_.log_end()});
    if (dice == 7) Step(Configure{random() % 2 == 0 ? Durability::kOs : Durability::kFsync, 1});
    if (dice == 8) Step(Written{core_.log_end()});
    if (dice >= 8) Step(Synced{core_.high_watermark()});
    told += Acknowledged().size();
  }
  Step(Resign{});
  EXPECT_EQ(told + Abandoned().size(), appended);
}

}  // namespace
}  // namespace cordwood::broker
