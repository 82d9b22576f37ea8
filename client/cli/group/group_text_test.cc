// SPDX-License-Identifier: Apache-2.0
// What a person reads of groups.
#include "client/cli/group/group_text.h"

#include <gtest/gtest.h>

namespace cordwood::client {
namespace {

v1::DescribeGroupResponse Billing() {
  v1::DescribeGroupResponse group;
  group.set_group("billing");
  group.set_state("stable");
  group.set_assignor("uniform");
  group.set_group_epoch(4);
  group.set_lag(1204);
  group.set_lag_ms(2100);
  auto& a = *group.add_members();
  a.set_member_id("0a1b");
  a.set_client("billing-a");
  a.set_address("ipv4:10.1.2.3:4242");
  a.set_member_epoch(4);
  a.set_since_heard_ms(1200);
  a.set_lag(1204);
  a.set_lag_ms(2100);
  auto& assigned = *a.mutable_assigned()->add_topics();
  assigned.set_topic("orders");
  assigned.add_partitions(0);
  assigned.add_partitions(2);
  for (const int i : {0, 1}) {
    auto& p = *group.add_partitions();
    p.set_topic("orders");
    p.set_partition(i);
    p.set_high_watermark(8812010);
  }
  auto& p = *group.mutable_partitions(0);
  p.set_committed(8810806);
  p.set_lag(1204);
  p.set_lag_ms(2100);
  p.set_consume_rate(2100);
  p.set_drain_ms(600);
  p.set_member_id("0a1b");
  return group;
}

TEST(GroupTextTest, DurationsAreShort) {
  EXPECT_EQ(HumanDuration(0), "0s");
  EXPECT_EQ(HumanDuration(40), "40ms");
  EXPECT_EQ(HumanDuration(2149), "2.1s");
  EXPECT_EQ(HumanDuration(59'949), "59.9s");
  EXPECT_EQ(HumanDuration(59'950), "1m0s");
  EXPECT_EQ(HumanDuration(750'000), "12m30s");
  EXPECT_EQ(HumanDuration(3'599'600), "1h0m");
  EXPECT_EQ(HumanDuration(18'720'000), "5h12m");
  EXPECT_EQ(HumanDuration(273'600'000), "3d4h");
}

TEST(GroupTextTest, RatesAreShort) {
  EXPECT_EQ(HumanRate(0), "0/s");
  EXPECT_EQ(HumanRate(0.5), "0.5/s");
  EXPECT_EQ(HumanRate(12.4), "12/s");
  EXPECT_EQ(HumanRate(2100), "2.1k/s");
  EXPECT_EQ(HumanRate(3.4e6), "3.4M/s");
}

TEST(GroupTextTest, ADescriptionHasALinePerPartition) {
  EXPECT_EQ(DescribeText(Billing()),
            "GROUP billing   STATE stable   MEMBERS 1   LAG 1,204 records (oldest 2.1s)   ASSIGNOR uniform   EPOCH 4   COORDINATOR broker 0\n"
            "TOPIC   PART  COMMITTED        END    LAG  LAG-TIME  RATE    ETA    MEMBER\n"
            "orders     0  8,810,806  8,812,010  1,204  2.1s      2.1k/s  600ms  billing-a (10.1.2.3:4242)\n"
            "orders     1          -  8,812,010      -  -         -       -      -\n");
}

TEST(GroupTextTest, AMemberWhoseStreamIsLostAndAPausedPartitionAreShown) {
  v1::DescribeGroupResponse group = Billing();
  group.mutable_members(0)->clear_address();
  group.mutable_partitions(0)->set_paused(true);
  EXPECT_NE(DescribeText(group).find("billing-a (stream lost) paused\n"), std::string::npos);
}

TEST(GroupTextTest, AnAddressIsShownAsItCanBePasted) {
  v1::DescribeGroupResponse group = Billing();
  group.mutable_members(0)->set_address("ipv6:%5B::1%5D:4242");
  EXPECT_NE(DescribeText(group).find("billing-a ([::1]:4242)\n"), std::string::npos);
}

TEST(GroupTextTest, LagThatNeverDrainsSaysSo) {
  v1::DescribeGroupResponse group = Billing();
  group.mutable_partitions(0)->clear_drain_ms();
  group.mutable_partitions(0)->set_consume_rate(0);
  EXPECT_EQ(LagText(group),
            "GROUP billing   STATE stable   MEMBERS 1   LAG 1,204 records (oldest 2.1s)\n"
            "TOPIC   PART  COMMITTED        END    LAG  LAG-TIME  RATE  ETA\n"
            "orders     0  8,810,806  8,812,010  1,204  2.1s      0/s   never\n"
            "orders     1          -  8,812,010      -  -         -     -\n");
  group.mutable_partitions(0)->clear_consume_rate();
  EXPECT_NE(LagText(group).find("1,204  2.1s         -    -\n"), std::string::npos) << LagText(group);
}

TEST(GroupTextTest, MembersShowWhatEachHas) {
  EXPECT_EQ(MembersText(Billing()),
            "MEMBER     ID    ADDRESS        EPOCH  HEARD     PARTITIONS    LAG  LAG-TIME  ASSIGNED    TO GIVE UP\n"
            "billing-a  0a1b  10.1.2.3:4242      4  1.2s ago           2  1,204  2.1s      orders/0,2           -\n");
}

TEST(GroupTextTest, AnExplanationHasWhatIsSoAndWhatToTry) {
  v1::ExplainGroupResponse group;
  group.set_group("billing");
  group.set_state("empty");
  EXPECT_EQ(ExplainText(group), "GROUP billing   STATE empty\nnothing keeps it from going on\n");
  auto& finding = *group.add_findings();
  finding.set_code("no_member");
  finding.set_severity("problem");
  finding.set_text("the group has no member");
  finding.set_advice("start one");
  EXPECT_EQ(ExplainText(group), "GROUP billing   STATE empty\nPROBLEM  no_member: the group has no member\n         try: start one\n");
}

v1::ResetOffsetsResponse Reset() {
  v1::ResetOffsetsResponse reset;
  for (const int i : {0, 1, 2}) {
    auto& answer = *reset.add_answers();
    answer.set_topic("orders");
    answer.set_partition(i);
    answer.set_after(4411);
    answer.set_timestamp_ms(1'700'000'000'000);
  }
  reset.mutable_answers(0)->set_before(12004);
  reset.mutable_answers(1)->set_before(4410);
  return reset;
}

TEST(GroupTextTest, ASeekShowsBeforeAndAfter) {
  EXPECT_EQ(SeekText(Reset(), false),
            "TOPIC   PART   PRIOR  CURRENT   DELTA  TIMESTAMP\n"
            "orders     0  12,004    4,411  -7,593  2023-11-14T22:13:20.000Z\n"
            "orders     1   4,410    4,411       1  2023-11-14T22:13:20.000Z\n"
            "orders     2       -    4,411       -  2023-11-14T22:13:20.000Z\n");
  EXPECT_NE(SeekText(Reset(), true).find("CURRENT  TARGET"), std::string::npos);
}

TEST(GroupTextTest, TheLastLineOfASeekSaysWhatHappens) {
  v1::ResetOffsetsResponse reset = Reset();
  EXPECT_EQ(SeekOutcome("billing", reset, true),
            "Dry run: nothing changed. 7,593 records would be delivered again, 1 record would be passed over; nothing was committed in 1 partition before. Re-run without --dry-run to apply.");
  EXPECT_EQ(SeekOutcome("billing", reset, false), "group billing: 3 partitions set; 7,593 records are delivered again, 1 record is passed over; nothing was committed in 1 partition before");
  reset.mutable_answers(0)->set_unconfirmed_member("0a1b");
  reset.mutable_answers(2)->set_unconfirmed_member("0a1b");
  EXPECT_NE(SeekOutcome("billing", reset, false).find("\nmember 0a1b has not yet said that it reads from there: orders/0, orders/2;"), std::string::npos);
}

// Groups and members are named by whoever uses them.
TEST(GroupTextTest, NothingThatATerminalObeysIsPrinted) {
  v1::DescribeGroupResponse group = Billing();
  group.set_group("a\x1b[2J");
  group.mutable_members(0)->set_client("b\nGROUP c \xc2\x9b\x7f \xc3\xa9");
  v1::ExplainGroupResponse explain;
  explain.set_group(group.group());
  explain.add_findings()->set_text("member \x1b]0;x\x07");
  v1::ListGroupsResponse list;
  list.add_groups()->set_group(group.group());
  v1::ResetOffsetsResponse reset;
  reset.add_answers()->set_unconfirmed_member("\x1b[2J");
  for (const std::string& text : {DescribeText(group), MembersText(group), LagText(group), ExplainText(explain), ListText(list), SeekOutcome("g", reset, false)}) {
    EXPECT_EQ(text.find_first_of("\x1b\x07\x7f"), std::string::npos) << text;
    EXPECT_EQ(text.find("\nGROUP c"), std::string::npos) << text;
    EXPECT_EQ(text.find("\xc2\x9b"), std::string::npos) << text;
  }
  EXPECT_NE(MembersText(group).find("b\\x0aGROUP c \\xc2\\x9b\\x7f \xc3\xa9"), std::string::npos) << MembersText(group);
}

TEST(GroupTextTest, NamesDoNotWriteToTheTerminal) {
  v1::ListGroupsResponse groups;
  groups.add_groups()->set_group("esc\x1b[31m\nline");
  groups.add_groups()->set_group("gr\u00fc\u00dfe");
  EXPECT_EQ(ListText(groups), "GROUP                STATE  MEMBERS  PARTITIONS\n"
                              "esc\\x1b[31m\\x0aline               0           0\n"
                              "gr\u00fc\u00dfe                             0           0\n");
  v1::DescribeGroupResponse group;
  group.set_group("a\tb");
  EXPECT_EQ(LagText(group).rfind("GROUP a\\x09b   STATE", 0), 0u);
}

}  // namespace
}  // namespace cordwood::client
