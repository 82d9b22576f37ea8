// SPDX-License-Identifier: Apache-2.0
// Each finding is found where it is so, and not where it is not.
#include "broker/groups/lag/group_findings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <fstream>
#include <regex>
#include <set>

#include "broker/groups/lag/lag_fixture.h"

namespace cordwood::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// "problem not_fetching orders [0 1] a", …
std::vector<std::string> Found(const GroupSnapshot& group) {
  std::vector<std::string> found;
  for (const GroupFinding& finding : Explain(group)) {
    EXPECT_FALSE(finding.text.empty());
    EXPECT_FALSE(finding.advice.empty());
    std::string line(SeverityName(finding.severity));
    line.append(" ").append(FindingName(finding.kind));
    if (!finding.topic.empty()) line += " " + finding.topic;
    if (!finding.partitions.empty()) {
      line += " [";
      for (const PartitionIndex partition : finding.partitions) line += (line.back() == '[' ? "" : " ") + ToString(partition);
      line += "]";
    }
    if (!finding.member.empty()) line += " " + finding.member;
    found.push_back(line);
  }
  return found;
}

// One member that reads two partitions and is behind in both.
GroupSnapshot Reading() {
  GroupSnapshot group = GroupOf({MemberOf("a")}, {PartitionOf(0, 5, 0, 10, "a"), PartitionOf(1, 5, 0, 10, "a")});
  for (PartitionSnapshot& partition : group.partitions) partition.position = Offset(5);
  return group;
}

TEST(GroupFindingsTest, OfAGroupThatGoesOnNothingIsSaid) { EXPECT_THAT(Found(Reading()), IsEmpty()); }

TEST(GroupFindingsTest, NoMemberIsAProblemWhereRecordsWait) {
  EXPECT_THAT(Found(GroupOf({}, {PartitionOf(0, 5, 0, 10)})), ElementsAre("problem no_member"));
  EXPECT_THAT(Found(GroupOf({}, {PartitionOf(0, 10, 0, 10)})), ElementsAre("note no_member"));
}

// The same group as a replay job.
GroupSnapshot Replaying(ReplayState state, bool done = false) {
  GroupSnapshot group = Reading();
  group.replay.emplace();
  group.replay->state = state;
  group.replay_done = done;
  for (PartitionSnapshot& partition : group.partitions) {
    partition.range = ReplayRange{Offset(5), Offset(10), 0};
    partition.progress.still_ms = 60'000;
  }
  return group;
}

TEST(GroupFindingsTest, AReplayJobThatIsPausedIsNotBlamedOnItsMembers) {
  EXPECT_THAT(Found(Replaying(ReplayState::kPaused)), ElementsAre("problem replay_paused"));
  EXPECT_THAT(Explain(Replaying(ReplayState::kPaused))[0].advice, HasSubstr("cord group replay resume billing"));
  EXPECT_THAT(Found(Replaying(ReplayState::kRunning)), ElementsAre("problem not_fetching orders [0 1] a"));
}

TEST(GroupFindingsTest, AtTheOriginalPaceNobodyIsBlamedForAGap) {
  GroupSnapshot group = Replaying(ReplayState::kRunning);
  group.replay->clock = ReplayClock{1'000, 0, -1};
  for (PartitionSnapshot& partition : group.partitions) partition.first_waiting_ms = 1'001;
  EXPECT_THAT(Found(group), IsEmpty());
  group.partitions[1].first_waiting_ms = 1'000;
  EXPECT_THAT(Found(group), ElementsAre("problem not_fetching orders [1] a"));
}

TEST(GroupFindingsTest, AtARateNobodyIsBlamedForALargeRecordThatIsPaidFor) {
  GroupSnapshot group = Replaying(ReplayState::kRunning);
  group.replay->bytes_per_second = 1'000;
  EXPECT_THAT(Found(group), IsEmpty());
  for (PartitionSnapshot& partition : group.partitions) partition.progress.still_ms = 1'049'000;
  EXPECT_THAT(Found(group), ElementsAre("problem not_fetching orders [0 1] a"));
}

TEST(GroupFindingsTest, AReplayJobNeedsMembersUntilItHasEnded) {
  for (const auto& [state, done] : {std::pair(ReplayState::kRunning, false), std::pair(ReplayState::kRunning, true), std::pair(ReplayState::kCancelled, false)}) {
    GroupSnapshot group = Replaying(state, done);
    group.members.clear();
    const bool ended = done || state == ReplayState::kCancelled;
    EXPECT_EQ(Found(group), ended ? std::vector<std::string>() : std::vector<std::string>{"problem no_member"});
  }
}

TEST(GroupFindingsTest, WhatRetentionTookFromAReplayJobIsPassedOver) {
  GroupSnapshot group = Replaying(ReplayState::kRunning);
  for (PartitionSnapshot& partition : group.partitions) {
    partition.progress.still_ms = 0;
    partition.ends->log_start = Offset(7);
  }
  EXPECT_THAT(Found(group), IsEmpty());
}

TEST(GroupFindingsTest, AMemberFencedLatelyIsToldWithTheReason) {
  GroupSnapshot group = Reading();
  group.fenced.push_back({"b", "worker-2", "", "was silent for 15000 ms", 12'500});
  EXPECT_THAT(Found(group), ElementsAre("note member_fenced b"));
  EXPECT_EQ(Explain(group)[0].text, "member worker-2 (b) was put out 12 s ago: was silent for 15000 ms");
  group.fenced[0].ago_ms = 600'001;
  EXPECT_THAT(Found(group), IsEmpty());
}

TEST(GroupFindingsTest, AFencedMemberIsAProblemWhereNobodyIsLeft) {
  GroupSnapshot group = GroupOf({}, {});
  group.fenced.push_back({"b", "", "", "silent", 1});
  EXPECT_THAT(Found(group), ElementsAre("problem member_fenced b", "note no_member"));
}

TEST(GroupFindingsTest, AMemberWithoutAStreamKeepsItsPartitions) {
  GroupSnapshot group = Reading();
  group.members[0].attached = false;
  group.members[0].since_heard_ms = 9000;
  group.partitions[0].progress.still_ms = group.partitions[1].progress.still_ms = 90'000;
  EXPECT_THAT(Found(group), ElementsAre("problem stream_lost a"));
  EXPECT_THAT(Explain(group)[0].text, HasSubstr("last heard of 9 s ago; it keeps 2 partitions"));
}

TEST(GroupFindingsTest, ASubscribedTopicThatDoesNotExistIsNamed) {
  GroupSnapshot group = Reading();
  group.members[0].topics = {"orders", "ordres"};
  group.missing_topics = {"ordres"};
  EXPECT_THAT(Found(group), ElementsAre("problem unknown_topic ordres"));
}

TEST(GroupFindingsTest, MembersThatSubscribeToNothingThatExistsAreToldTogether) {
  GroupSnapshot group = Reading();
  for (const char* id : {"b", "c", "d"}) {
    group.members.push_back(MemberOf(id));
    group.members.back().has_topics = false;
  }
  group.members[1].pattern = group.members[2].pattern = "ordres-.*";
  EXPECT_THAT(Found(group), ElementsAre("problem nothing_to_read d", "problem nothing_to_read")) << "and none is idle";
  EXPECT_EQ(Explain(group)[0].text, "nothing to read: there is no topic that d subscribes to");
  EXPECT_EQ(Explain(group)[1].text, "nothing to read: no topic matches the pattern ordres-.*; subscribed by it: 2 members");
}

TEST(GroupFindingsTest, ALogThatCannotBeReadIsNamed) {
  GroupSnapshot group = Reading();
  group.partitions[1].ends.reset();
  EXPECT_THAT(Found(group), IsEmpty()) << "not opened yet";
  group.partitions[1].log_unavailable = true;
  EXPECT_THAT(Found(group), ElementsAre("problem log_unavailable orders [1] a"));
}

TEST(GroupFindingsTest, ACommittedOffsetBelowTheLogStartHasLostRecords) {
  GroupSnapshot group = Reading();
  group.partitions[0].ends->log_start = Offset(8);
  EXPECT_THAT(Found(group), ElementsAre("problem below_log_start orders [0] a"));
  EXPECT_THAT(Explain(group)[0].text, HasSubstr("3 records were deleted"));
}

TEST(GroupFindingsTest, ACommittedOffsetBeyondTheEndIsNamed) {
  GroupSnapshot group = Reading();
  group.partitions[0].committed->offset = Offset(11);
  EXPECT_THAT(Found(group), ElementsAre("problem beyond_log_end orders [0] a"));
}

TEST(GroupFindingsTest, AWaitForARevocationNamesWhoHasToGiveUpWhat) {
  GroupSnapshot group = Reading();
  group.members.push_back(MemberOf("b"));
  group.members[0].revoking = {PlaceAt(1)};
  group.members[0].held = group.members[0].target = {PlaceAt(0)};
  group.members[1].target = {PlaceAt(1)};
  group.partitions[1].revoking = true;
  group.partitions[1].next_owner = "b";
  group.partitions[1].progress.still_ms = 90'000;
  EXPECT_THAT(Found(group), ElementsAre("problem awaiting_revocation orders [1] a"));
  EXPECT_EQ(Explain(group)[0].text, "orders/1: member a was told to give them up, for b, and has not yet; it has at most 300 s for that");
}

TEST(GroupFindingsTest, AWaitForThePositionAfterAResetIsNoted) {
  GroupSnapshot group = Reading();
  group.partitions[1].awaiting_position = true;
  group.partitions[1].progress.still_ms = 90'000;
  EXPECT_THAT(Found(group), ElementsAre("note awaiting_position orders [1] a"));
}

TEST(GroupFindingsTest, AnOwnerThatTakesNoRecordsForThirtySecondsWhileSomeWait) {
  GroupSnapshot group = Reading();
  for (PartitionSnapshot& partition : group.partitions) partition.progress.still_ms = 30'000;
  EXPECT_THAT(Found(group), ElementsAre("problem not_fetching orders [0 1] a"));
  for (PartitionSnapshot& partition : group.partitions) partition.progress.still_ms = 29'999;
  EXPECT_THAT(Found(group), IsEmpty());
}

TEST(GroupFindingsTest, AnOwnerAtTheEndHasNothingToTake) {
  GroupSnapshot group = Reading();
  for (PartitionSnapshot& partition : group.partitions) {
    partition.position = Offset(10);
    partition.progress.still_ms = 90'000;
  }
  EXPECT_THAT(Found(group), IsEmpty());
}

TEST(GroupFindingsTest, AnOwnerThatGoesOnAndDoesNotCommit) {
  GroupSnapshot group = Reading();
  group.partitions[0].position = Offset(9);
  group.partitions[0].progress.ahead = 4;
  group.partitions[0].progress.ahead_ms = 60'000;
  EXPECT_THAT(Found(group), ElementsAre("problem not_committing orders [0] a"));
  EXPECT_THAT(Explain(group)[0].text, HasSubstr("has gone on by 4 records"));
  group.partitions[0].progress.ahead_ms = 59'999;
  EXPECT_THAT(Found(group), IsEmpty());
}

TEST(GroupFindingsTest, APausedPartitionIsAProblemWhereRecordsWait) {
  GroupSnapshot group = Reading();
  group.partitions[0].paused = true;
  group.partitions[0].progress.still_ms = 90'000;
  EXPECT_THAT(Found(group), ElementsAre("problem paused orders [0] a"));
  group.partitions[0].committed->offset = Offset(10);
  EXPECT_THAT(Found(group), IsEmpty());
}

TEST(GroupFindingsTest, MembersWithoutPartitionsAreNotedOnceTheGroupIsAtRest) {
  GroupSnapshot group = Reading();
  group.members.push_back(MemberOf("b"));
  group.members.push_back(MemberOf("c"));
  EXPECT_THAT(Found(group), ElementsAre("note idle_member"));
  EXPECT_THAT(Explain(group)[0].text, HasSubstr("2 of 3 members have no partition: b, c"));
  group.group_epoch = MemberEpoch(1);
  EXPECT_THAT(Found(group), IsEmpty());
}

TEST(GroupFindingsTest, ProblemsComeFirstAndManyPartitionsAreCounted) {
  GroupSnapshot group = GroupOf({MemberOf("a"), MemberOf("b")}, {});
  for (int i = 0; i < 8; ++i) {
    group.partitions.push_back(PartitionOf(i, 5, 7, 10, "a"));
    group.partitions.back().awaiting_position = true;
  }
  EXPECT_THAT(Found(group), ElementsAre("problem below_log_start orders [0 1 2 3 4 5 6 7] a", "note awaiting_position orders [0 1 2 3 4 5 6 7] a", "note idle_member"));
  EXPECT_THAT(Explain(group)[0].text, HasSubstr("orders/0, orders/1, orders/2, orders/3, orders/4 and 3 more: "));
}

TEST(GroupFindingsTest, ThePageNamesEveryFinding) {
  std::ifstream file(CORDWOOD_SOURCE_DIR "/docs/reference/group-findings.md");
  const std::regex row(R"(\| `(\w+)` \|.*)");
  std::vector<std::string> listed;
  std::smatch match;
  for (std::string line; std::getline(file, line);) {
    if (std::regex_match(line, match, row)) listed.push_back(match[1]);
  }
  std::vector<std::string> known;
  for (std::size_t i = 0; i < kFindingKinds; ++i) known.emplace_back(FindingName(static_cast<FindingKind>(i)));
  EXPECT_EQ(std::set<std::string>(known.begin(), known.end()).size(), kFindingKinds);
  EXPECT_EQ(listed, known);
}

}  // namespace
}  // namespace cordwood::broker
