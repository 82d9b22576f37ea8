// SPDX-License-Identifier: Apache-2.0
#include "broker/replication/shard_driver.h"

#include <algorithm>
#include <atomic>
#include <deque>
#include <limits>
#include <thread>

#include "broker/replication/replication_fixture.h"
#include "storage/log/keys.h"
#include "storage/log/partition_records.h"

namespace cordwood::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class ShardDriverTest : public DriverFixture {
 protected:
  ShardDriverTest() { Start(); }
};

TEST_F(ShardDriverTest, AcknowledgedRecordsReadBackInOrder) {
  for (const std::size_t partition : {0, 2}) {
    EXPECT_THAT(Append(partition, "a").base_offsets, ElementsAre(Offset(0)));
    EXPECT_THAT(Append(partition, "b").base_offsets, ElementsAre(Offset(1)));
    EXPECT_EQ(ReadAll(partition), "a b");
  }
}

TEST_F(ShardDriverTest, AnswerCarriesTimeStartAndEnd) {
  Append(0, "a");
  const AppendEntry& entry = Append(0, "b");
  EXPECT_EQ(entry.append_ms, clock_.WallMs());
  EXPECT_EQ(entry.log_start, Offset(0));
  EXPECT_EQ(entry.log_end, Offset(2));
}

TEST_F(ShardDriverTest, PublicationComesBeforeTheAnswer) {
  Append(0, "a");
  Append(2, "b");
  EXPECT_THAT(network_->events, ElementsAre("p0 hw 1 [0,1)", "answer 1", "p2 hw 1 [0,1)", "answer 2"));
}

TEST_F(ShardDriverTest, OpOverSeveralPartitionsIsAnsweredOnceWhenAllAre) {
  TestOp& op = Send(EntryOf(0, "a"), EntryOf(2, "b"), EntryOf(0, "c"));
  Await(op);
  EXPECT_EQ(op.answers, 1);
  EXPECT_THAT(op.entry(2).base_offsets, ElementsAre(Offset(1)));
  EXPECT_EQ(ReadAll(0) + "|" + ReadAll(2), "a c|b");
  EXPECT_EQ(network_->events.back(), "answer 1");
}

TEST_F(ShardDriverTest, OsAppendDoesNotWaitForTheSyncOfItsGroup) {
  ASSERT_EQ(Task([&](ShardTurn&) {  // both ops wait in the inbox while this runs, and make one group
    Send(EntryOf(2, "durable"));
    Send(EntryOf(0, "fast"));
    return absl::OkStatus();
  }), absl::OkStatus());
  Await(*ops_[0]);
  Await(*ops_[1]);
  const auto& events = network_->events;
  const auto fast = std::find(events.begin(), events.end(), "answer 2"), durable = std::find(events.begin(), events.end(), "answer 1");
  EXPECT_LT(fast, durable);
  EXPECT_EQ(std::count(events.begin(), events.end(), "p2 hw 0 [0,1)"), 1);  // written, not visible yet
  EXPECT_EQ(std::count(events.begin(), events.end(), "p2 hw 1"), 1);
}

TEST_F(ShardDriverTest, RefusedEntryLeavesTheOthersOfItsOpInPlace) {
  Append(0, "a");
  AppendEntry refused = EntryOf(0, "never");
  refused.expected_offset = Offset(5);
  TestOp& op = Send(EntryOf(0, "b"), std::move(refused), EntryOf(1, "c"));
  Await(op);
  EXPECT_THAT(op.entry(1).status, FailsWith(Reason::kExpectedOffsetMismatch));
  EXPECT_EQ(MessageOf(op.entry(1).status), "append os-0: the log ends at 2, not at the expected 5");
  EXPECT_TRUE(op.entry(1).base_offsets.empty());
  EXPECT_EQ(ReadAll(0) + "|" + ReadAll(1), "a b|c");
}

TEST_F(ShardDriverTest, AppendOfAnotherLeaderEpochIsRefused) {
  Append(0, "a");
  const LeaderEpoch epoch = handles_[0]->snapshot().leader_epoch;
  AppendEntry newer = EntryOf(0, "b");
  newer.current_leader_epoch = epoch + 1;
  TestOp& op = Send(std::move(newer));
  Await(op);
  EXPECT_THAT(op.entry().status, FailsWith(Reason::kUnknownLeaderEpoch));
}

TEST_F(ShardDriverTest, DuplicateIsAnsweredWithItsOriginalOffset) {
  Append(2, "x");
  EXPECT_THAT(Append(2, BatchOfText("a", Stamp(7, 0))).base_offsets, ElementsAre(Offset(1)));
  const AppendEntry& again = Append(2, BatchOfText("a", Stamp(7, 0)));
  EXPECT_THAT(again.base_offsets, ElementsAre(Offset(1)));
  EXPECT_EQ(again.append_ms, -1);
  EXPECT_EQ(ReadAll(2), "x a");
}

TEST_F(ShardDriverTest, DuplicateOfAConditionalAppendIsNotRefused) {
  for (int attempt = 0; attempt < 2; ++attempt) {
    AppendEntry entry = EntryOf(2, BatchOfText("a", Stamp(7, 0)));
    entry.expected_offset = Offset(0);
    TestOp& op = Send(std::move(entry));
    Await(op);
    EXPECT_EQ(op.entry().status, absl::OkStatus());
    EXPECT_THAT(op.entry().base_offsets, ElementsAre(Offset(0)));
  }
}

TEST_F(ShardDriverTest, DuplicateIsNotAnsweredBeforeItsOriginal) {
  ASSERT_EQ(Task([&](ShardTurn&) {
    Send(EntryOf(2, BatchOfText("a", Stamp(7, 0))));
    SendAs(Acks::kLeader, EntryOf(2, BatchOfText("a", Stamp(7, 0))));
    return absl::OkStatus();
  }), absl::OkStatus());
  Await(*ops_[1]);
  EXPECT_THAT(network_->events, ElementsAre("p2 hw 1 [0,1)", "answer 1", "answer 2"));
}

TEST_F(ShardDriverTest, WhatWasGivenUpBeforeItsTurnComesBackUnwritten) {
  ASSERT_EQ(Task([&](ShardTurn&) {
    Send(EntryOf(0, "late"));
    EXPECT_TRUE(ops_[0]->Claim());
    Send(EntryOf(0, "in time"));
    return absl::OkStatus();
  }), absl::OkStatus());
  Await(*ops_[1]);
  EXPECT_EQ(ops_[0]->answers, 1);
  EXPECT_FALSE(ops_[1]->Claim()) << "it is too late to give up what the shard has begun with";
  EXPECT_EQ(ReadAll(0), "in time");
  EXPECT_EQ(driver_->measures().expired.value(), 1u);
}

class SmallInboxTest : public DriverFixture {
 protected:
  SmallInboxTest() {
    driver_options_.inbox_appends_max = 3;
    Start();
  }
};

TEST_F(SmallInboxTest, AFullInboxRefusesDefinitelyAndTakesAgainOnceItIsWorkedOff) {
  ASSERT_EQ(Task([&](ShardTurn&) {
    for (int i = 0; i < 5; ++i) Send(EntryOf(0, std::to_string(i)));
    return absl::OkStatus();
  }), absl::OkStatus());
  for (const auto& op : ops_) Await(*op);
  EXPECT_EQ(ReadAll(0), "0 1 2");
  EXPECT_THAT(ops_[3]->entry().status, FailsWith(Reason::kThrottled));
  EXPECT_THAT(ops_[4]->entry().status, FailsWith(Reason::kThrottled));
  EXPECT_EQ(Append(0, "again").status, absl::OkStatus());
}

class FullLogTest : public DriverFixture {};

TEST_F(FullLogTest, ALogWithoutOffsetsLeftIsNamedByItsTopic) {
  {
    auto store = ShardStore::Open(store_options_).value();
    WriteGroup group;
    PartitionLog::StageCreate(group, PartitionId(1), PartitionIdentity{});
    PartitionCheckpoint checkpoint;
    checkpoint.log_start = checkpoint.log_end = checkpoint.high_watermark = Offset(std::numeric_limits<std::int64_t>::max() - 1);
    group.Put(PartitionKey(MetadataKind::kCheckpoint, PartitionId(1)).view(), Encode(checkpoint));
    ASSERT_EQ(store->Commit(group), absl::OkStatus());
    ASSERT_EQ(store->Close(), absl::OkStatus());
  }
  StartDriver();
  EXPECT_EQ(Append(0, "last").status, absl::OkStatus());
  const Status refused = Append(0, "beyond").status;
  EXPECT_THAT(refused, FailsWith(Reason::kInvalidRecord));
  EXPECT_EQ(MessageOf(refused), "append os-0: no offsets are left");
}

TEST_F(ShardDriverTest, UnknownProducerIsRefusedByItsReason) {
  EXPECT_THAT(Append(0, BatchOfText("a", Stamp(7, 5))).status, FailsWith(Reason::kUnknownProducerId));
}

TEST_F(ShardDriverTest, NewTopicImageChangesDurabilityAtTheNextAppend) {
  Append(0, "a");
  AppendEntry entry = EntryOf(0, "b");
  entry.topic = TopicOf("os", Durability::kFsync, /*revision=*/2);
  TestOp& op = SendAs(Acks::kLeader, std::move(entry));
  Await(op);
  ASSERT_TRUE(network_->RunUntil([&] { return handles_[0]->snapshot().high_watermark == Offset(2); }));
  EXPECT_EQ(Append(0, "c").status, absl::OkStatus());  // an older image, late, does not turn it back
}

TEST_F(ShardDriverTest, OneSendersOrderIsKept) {
  for (int i = 0; i < 500; ++i) Send(EntryOf(0, std::to_string(i)), EntryOf(2, std::to_string(i)));
  for (const auto& op : ops_) Await(*op);
  for (int i = 0; i < 500; ++i) EXPECT_THAT(ops_[static_cast<std::size_t>(i)]->entry().base_offsets, ElementsAre(Offset(i)));
}

TEST_F(ShardDriverTest, NoWakeUpIsLostAmongManyThreads) {
  TestNetwork networks[2];
  std::vector<std::thread> threads;
  std::atomic<int> answered{0};
  for (std::size_t partition = 0; partition < 2; ++partition) {
    threads.emplace_back([this, partition, &network = networks[partition], &answered] {
      for (int i = 0; i < 1000; ++i) {  // one at a time, so that the shard falls asleep in between
        TestOp op;
        op.outbox = &network.outbox;
        op.entries.push_back(EntryOf(partition, "x"));
        driver_->Append(&op);
        if (!network.RunUntil([&] { return op.answers == 1; })) return;
        answered.fetch_add(1);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  ASSERT_EQ(Task([](ShardTurn&) { return absl::OkStatus(); }), absl::OkStatus());  // the last wake-up is over: the networks may go
  EXPECT_EQ(answered.load(), 2000);
}

TEST_F(ShardDriverTest, OneGroupWakesANetworkThreadOnce) {
  ASSERT_EQ(Task([&](ShardTurn&) {
    for (int i = 0; i < 50; ++i) Send(EntryOf(0, "x"));
    return absl::OkStatus();
  }), absl::OkStatus());
  ASSERT_EQ(Task([](ShardTurn&) { return absl::OkStatus(); }), absl::OkStatus());  // the group is done
  EXPECT_EQ(network_->wakes(), 1);
  Await(*ops_.back());
}

TEST_F(ShardDriverTest, LargeInboxMakesSeveralGroups) {
  const std::string large(300'000, 'x');
  ASSERT_EQ(Task([&](ShardTurn&) {
    for (int i = 0; i < 9; ++i) Send(EntryOf(0, large));
    return absl::OkStatus();
  }), absl::OkStatus());
  Await(*ops_.back());
  const auto is_publication = [](const std::string& event) { return event[0] == 'p'; };
  EXPECT_EQ(std::count_if(network_->events.begin(), network_->events.end(), is_publication), 3);  // about a MiB each
}

TEST_F(ShardDriverTest, TaskSeesTheAppendsBeforeIt) {
  Send(EntryOf(0, "a"));
  Offset end;
  ASSERT_EQ(Task([&](ShardTurn& turn) -> Status {
    CORDWOOD_ASSIGN_OR_RETURN(const PartitionLog* log, turn.Open(handles_[0]));
    end = log->log_end();
    return absl::OkStatus();
  }), absl::OkStatus());
  EXPECT_EQ(end, Offset(1));
  Await(*ops_[0]);
}

TEST_F(ShardDriverTest, TasksErrorIsItsOutcome) {
  EXPECT_THAT(Task([](ShardTurn&) { return Error(Reason::kConflict, "mine"); }), FailsWith(Reason::kConflict));
}

TEST_F(ShardDriverTest, StopAnswersWhatWaitsAndRefusesTheRest) {
  for (int i = 0; i < 100; ++i) Send(EntryOf(2, "x"));
  ASSERT_EQ(driver_->Stop(), absl::OkStatus());
  TestOp& late = Send(EntryOf(2, "late"));
  Await(late);
  for (int i = 0; i < 100; ++i) EXPECT_EQ(ops_[static_cast<std::size_t>(i)]->answers, 1);
  EXPECT_EQ(ops_[99]->entry().status, absl::OkStatus());
  EXPECT_THAT(late.entry().status, FailsWith(Reason::kShuttingDown));
  EXPECT_THAT(Task([](ShardTurn&) { return absl::OkStatus(); }), FailsWith(Reason::kShuttingDown));
}

TEST_F(ShardDriverTest, EveryAppendThatRacesWithStopIsAnsweredOnce) {
  std::atomic<int> sent{0};
  std::atomic<bool> stopped{false};
  std::deque<TestOp> ops;
  std::thread sender([&] {
    for (bool last = false; !last; sent.fetch_add(1)) {
      last = stopped.load();
      TestOp& op = ops.emplace_back();
      op.outbox = &network_->outbox;
      op.entries.push_back(EntryOf(0, "x"));
      driver_->Append(&op);
    }
  });
  while (sent.load() < 200) std::this_thread::yield();
  EXPECT_EQ(driver_->Stop(), absl::OkStatus());
  stopped = true;
  sender.join();
  network_->outbox.Drain();
  for (const TestOp& op : ops) ASSERT_EQ(op.answers, 1) << MessageOf(op.entry().status);
  EXPECT_THAT(ops.back().entry().status, FailsWith(Reason::kShuttingDown));
}

TEST_F(ShardDriverTest, StopLeavesClosedPartitionsWithExactEnds) {
  Append(0, "a");
  Append(0, "b");
  StopAndRestart();
  const auto stubs = ReadPartitionStubs(driver_->store()).value();
  EXPECT_FALSE(stubs[0].checkpoint.open);
  EXPECT_EQ(stubs[0].checkpoint.log_end, Offset(2));
  EXPECT_EQ(stubs[0].checkpoint.high_watermark, Offset(2));
  EXPECT_EQ(driver_->store().epoch_floor(), LeaderEpoch(0));
}

TEST_F(ShardDriverTest, CrashRaisesTheLeaderEpochAndKeepsTheRecords) {
  Append(0, "a");
  Append(2, "b");
  CrashAndRestart();
  EXPECT_TRUE(ReadPartitionStubs(driver_->store()).value()[0].checkpoint.open);
  EXPECT_THAT(Append(0, "c").base_offsets, ElementsAre(Offset(1)));
  EXPECT_EQ(handles_[0]->snapshot().leader_epoch, LeaderEpoch(1));
  EXPECT_EQ(ReadAll(0), "a c");
}

TEST_F(ShardDriverTest, IdlePartitionIsClosedAndOpensAgain) {
  Append(0, "a");
  EXPECT_EQ(handles_[0]->snapshot().phase, ReplicaPhase::kOpen);
  clock_.Advance(driver_options_.idle_close);
  const auto closed = [&] {
    (void)Task([](ShardTurn&) { return absl::OkStatus(); });  // a turn, so that the shard looks at the clock
    return handles_[0]->snapshot().phase == ReplicaPhase::kClosed;
  };
  for (int i = 0; i < 1000 && !closed(); ++i) {
  }
  EXPECT_EQ(handles_[0]->snapshot().phase, ReplicaPhase::kClosed);
  EXPECT_EQ(handles_[0]->snapshot().log_end, Offset(1));
  EXPECT_THAT(Append(0, "b").base_offsets, ElementsAre(Offset(1)));
  EXPECT_EQ(ReadAll(0), "a b");
}

TEST_F(ShardDriverTest, LogThatCannotBeReadIsOffline) {
  handles_[0] = std::make_shared<ReplicaHandle>(TopicId(), PartitionIndex(0), PartitionId(99), *driver_, ReplicaSnapshot());
  EXPECT_THAT(Append(0, "a").status, FailsWith(Reason::kStorageError));
  EXPECT_EQ(handles_[0]->snapshot().phase, ReplicaPhase::kOffline);
  EXPECT_THAT(MessageOf(handles_[0]->offline_why()), HasSubstr("99"));
  EXPECT_EQ(Append(1, "b").status, absl::OkStatus());
}

TEST_F(ShardDriverTest, LogStartMovesUpToTheHighWatermark) {
  for (const char* text : {"a", "b", "c"}) Append(0, text);
  EXPECT_EQ(Task([&](ShardTurn& turn) { return turn.StageLogStart(handles_[0], Offset(2)); }), absl::OkStatus());
  EXPECT_EQ(handles_[0]->snapshot().log_start, Offset(2));
  EXPECT_EQ(Task([&](ShardTurn& turn) { return turn.StageLogStart(handles_[0], Offset(1)); }), absl::OkStatus());
  EXPECT_EQ(handles_[0]->snapshot().log_start, Offset(2));
  EXPECT_THAT(Task([&](ShardTurn& turn) { return turn.StageLogStart(handles_[0], Offset(4)); }), FailsWith(Reason::kOffsetOutOfRange));
  EXPECT_EQ(ReadAll(0), "c");
}

TEST_F(ShardDriverTest, LogsAreCutOnceBelowTheirStart) {
  for (const char* text : {"a", "b"}) Append(0, text);
  ASSERT_EQ(Task([&](ShardTurn& turn) { return turn.StageLogStart(handles_[0], Offset(1)); }), absl::OkStatus());
  EXPECT_EQ(driver_->TakeReclaimableBytes(), 0u);
  int cut = -1, again = -1;
  ASSERT_EQ(Task([&](ShardTurn& turn) { cut = turn.StageDrops(10); return absl::OkStatus(); }), absl::OkStatus());
  EXPECT_GT(driver_->TakeReclaimableBytes(), 0u);
  EXPECT_EQ(driver_->TakeReclaimableBytes(), 0u);
  ASSERT_EQ(Task([&](ShardTurn& turn) { again = turn.StageDrops(10); return absl::OkStatus(); }), absl::OkStatus());
  EXPECT_EQ(cut, 1);
  EXPECT_EQ(again, 0);
  EXPECT_EQ(ReadAll(0), "b");
}

// A stop or a crash may come between the move and the cut.
TEST_F(ShardDriverTest, LogsWhoseStartWasMovedAreCutOverAStopAndACrash) {
  const auto is_cut = [&](std::size_t partition) {
    return !LogReader(driver_->store()).Read(handles_[partition]->id, {Offset(0), Offset(2), 1}).ok();
  };
  for (const std::size_t partition : {0, 1}) {
    for (const char* text : {"a", "b"}) Append(partition, text);
  }
  ASSERT_EQ(Task([&](ShardTurn& turn) { return turn.StageLogStart(handles_[0], Offset(1)); }), absl::OkStatus());
  StopAndRestart();
  EXPECT_TRUE(is_cut(0));
  ASSERT_EQ(Task([&](ShardTurn& turn) { return turn.StageLogStart(handles_[1], Offset(1)); }), absl::OkStatus());
  CrashAndRestart();
  EXPECT_FALSE(is_cut(1));
  Append(1, "c");
  ASSERT_EQ(Task([&](ShardTurn& turn) { turn.StageDrops(10); return absl::OkStatus(); }), absl::OkStatus());
  EXPECT_TRUE(is_cut(1));
}

TEST_F(ShardDriverTest, TruncationBelowTheHighWatermarkIsRefused) {
  Append(0, "a");
  const auto truncate = [&](ShardTurn& turn) { return turn.StageTruncate(handles_[0], Offset(0), LeaderEpoch(5)).status(); };
  EXPECT_THAT(Task(truncate), FailsWith(Reason::kOffsetOutOfRange));
}

TEST_F(ShardDriverTest, DeletedPartitionRefusesAppendsAndIsGone) {
  Append(0, "a");
  EXPECT_EQ(Task([&](ShardTurn& turn) { return turn.StageDelete(handles_[0]); }), absl::OkStatus());
  EXPECT_THAT(Append(0, "b").status, FailsWith(Reason::kUnknownTopicOrPartition));
  EXPECT_EQ(handles_[0]->snapshot().phase, ReplicaPhase::kDeleted);
  EXPECT_EQ(ReadPartitionStubs(driver_->store()).value().size(), kPartitions - 1);
}

TEST_F(ShardDriverTest, AppendInTheSameGroupAsTheDeletionIsAnsweredFirst) {
  ASSERT_EQ(Task([&](ShardTurn&) {
    Send(EntryOf(2, "a"));
    driver_->Run([&](ShardTurn& turn) { return turn.StageDelete(handles_[2]); }, [](Status) {});
    Send(EntryOf(2, "b"));
    return absl::OkStatus();
  }), absl::OkStatus());
  Await(*ops_[1]);
  EXPECT_EQ(ops_[0]->entry().status, absl::OkStatus());
  EXPECT_THAT(ops_[1]->entry().status, FailsWith(Reason::kUnknownTopicOrPartition));
}

}  // namespace
}  // namespace cordwood::broker
