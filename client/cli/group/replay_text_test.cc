// SPDX-License-Identifier: Apache-2.0
// What people read of replay jobs.
#include "client/cli/group/replay_text.h"

#include <gtest/gtest.h>

namespace cordwood::client {
namespace {

v1::DescribeReplayResponse Replay() {
  v1::DescribeReplayResponse described;
  auto& replay = *described.mutable_replay();
  replay.set_group("billing.replay");
  replay.set_source("billing");
  replay.set_state("running");
  replay.set_bytes_per_second(5'000'000);
  replay.set_members(1);
  replay.set_partitions(2);
  replay.set_partitions_done(1);
  replay.set_total(2001);
  replay.set_done(2000);
  replay.set_rate(10);
  replay.set_eta_ms(100);
  for (const int partition : {0, 1}) {
    auto& p = *described.add_partitions();
    p.set_topic("orders");
    p.set_partition(partition);
    p.set_from(1000 * partition);
    p.set_to(1000 * partition + 1000 + partition);
    p.set_committed(1000 * partition + 1000);
    if (partition == 1) p.set_member_id("m"), p.set_client("cord"), p.set_rate(10);
  }
  return described;
}

TEST(ReplayTextTest, WhatIsNotAllDoneIsNotAHundredPercent) {
  EXPECT_EQ(ReplayText(Replay()),
            "REPLAY billing.replay   GROUP billing   STATE running   PACE 5.0 MB/s   MEMBERS 1\n"
            "DONE 2,000 of 2,001 records (99.9%)   PARTITIONS 1 of 2   RATE 10/s   ETA 100ms\n"
            "TOPIC   PART   FROM     TO  COMMITTED  LEFT  DONE    RATE  MEMBER\n"
            "orders     0      0  1,000      1,000     0  100.0%  -     -\n"
            "orders     1  1,000  2,001      2,000     1  99.9%   10/s  cord\n");
}

TEST(ReplayTextTest, TheOriginalPaceHasAClockAndWhatWasDeletedIsSaid) {
  auto replay = Replay();
  replay.mutable_replay()->set_bytes_per_second(0);
  replay.mutable_replay()->set_original_pace(true);
  replay.mutable_replay()->set_clock_ms(1'000);
  replay.mutable_replay()->set_skipped(3);
  replay.mutable_replay()->clear_eta_ms();
  const std::string text = ReplayText(replay);
  EXPECT_NE(text.find("PACE original"), std::string::npos);
  EXPECT_EQ(text.find("NEXT"), std::string::npos);
  EXPECT_NE(text.find("ETA -   SKIPPED 3 (deleted before they were read)   CLOCK 1970-01-01T00:00:01.000Z\n"), std::string::npos) << text;
}

TEST(ReplayTextTest, AGapOfTheOriginalPaceIsSaid) {
  auto replay = Replay();
  replay.mutable_replay()->set_clock_ms(1'000);
  replay.mutable_replay()->set_next_due_ms(7'200'000);
  EXPECT_NE(ReplayText(replay).find("CLOCK 1970-01-01T00:00:01.000Z   NEXT in 2h0m\n"), std::string::npos) << ReplayText(replay);
}

TEST(ReplayTextTest, AListHasALineForEachJob) {
  v1::ListReplaysResponse list;
  *list.add_replays() = Replay().replay();
  EXPECT_EQ(ReplayListText(list),
            "JOB             GROUP    STATE    PACE      MEMBERS  RECORDS  DONE   RATE  ETA    CREATED\n"
            "billing.replay  billing  running  5.0 MB/s        1    2,001  99.9%  10/s  100ms  1970-01-01T00:00:00.000Z\n");
}

TEST(ReplayTextTest, WhoMakesAJobIsToldHowToReadIt) {
  v1::CreateReplayResponse created;
  *created.mutable_replay() = Replay().replay();
  *created.mutable_partitions() = Replay().partitions();
  EXPECT_EQ(ReplayCreatedText(created), "TOPIC   PART   FROM     TO  RECORDS\norders     0      0  1,000    1,000\norders     1  1,000  2,001    1,001\n");
  EXPECT_EQ(ReplayCreatedNote(created),
            "replay job billing.replay beside group billing: 2,001 records, pace 5.0 MB/s\n"
            "read it with  cord consume orders -g billing.replay  in one or more processes; each ends when the job is done");
}

}  // namespace
}  // namespace cordwood::client
