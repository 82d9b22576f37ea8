// SPDX-License-Identifier: Apache-2.0
// Fetches that find, wait, read, seek and fail, over a real shard.
#include "broker/handlers/fetch_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/handlers/handlers_fixture.h"

namespace cordwood::broker {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

class FetchHandlerTest : public HandlerFixture {
 protected:
  using HandlerFixture::HandlerFixture;
  void TearDown() override {
    for (auto& session : sessions_) session->Close();
    EXPECT_TRUE(RunUntil([&] { return fetch_->jobs_outstanding() == 0; }));
    HandlerFixture::TearDown();
  }
  void Append(int partition, const std::vector<std::string>& values) { AppendEntryOf(EntryFor("t", partition, values)); }
  void AppendBatch(int partition, const std::vector<std::string>& values) { AppendEntryOf(EntryOfBatch("t", partition, MakeBatch(values))); }
  void AppendEntryOf(ProduceEntry entry) {
    ProduceRequest request;
    request.entries.push_back(std::move(entry));
    ASSERT_EQ(produce_->Produce(stream_, std::move(request)), absl::OkStatus());
    ASSERT_TRUE(RunUntil([&] { return stream_->unanswered == 0; }));
    ASSERT_TRUE(outcomes_.all.back().failures.empty());
  }
  FetchPartition From(int partition, std::int64_t offset) {
    FetchPartition from;
    from.ref.topic = "t";
    from.ref.partition = partition;
    from.fetch_offset = Offset(offset);
    return from;
  }
  FetchRequest RequestOf(std::vector<FetchPartition> partitions, int max_wait_ms = 0, int min_bytes = 1) {
    FetchRequest request;
    request.seq = 3;
    request.max_wait_ms = max_wait_ms;
    request.min_bytes = min_bytes;
    request.partitions = std::move(partitions);
    return request;
  }
  FetchSession& Open(bool is_stream) {
    sessions_.push_back(fetch_->Open(is_stream, &answers_));
    return *sessions_.back();
  }
  // The one answer of a unary fetch.
  const FetchAnswer& Fetch(const FetchRequest& request) {
    const std::size_t before = answers_.all.size();
    EXPECT_EQ(Open(false).Apply(request), absl::OkStatus());
    EXPECT_TRUE(RunUntil([&] { return answers_.all.size() > before; }));
    return answers_.all.back();
  }
  Reason ReasonOfFetch(FetchPartition partition) {
    Fetch(RequestOf({std::move(partition)}));
    return answers_.last().failure.has_value() ? ReasonOf(answers_.last().failure->status) : Reason::kNone;
  }
  FetchSession& Stream(std::vector<FetchPartition> partitions, std::uint64_t credit) {
    FetchSession& session = Open(true);
    FetchRequest request = RequestOf(std::move(partitions));
    request.add_credit_bytes = credit;
    EXPECT_EQ(session.Apply(request), absl::OkStatus());
    return session;
  }
  void ForgetRing(int partition) { const_cast<TailRing&>(fetch_->ring()).Forget(shard_.Replica("t", partition)->id); }

  Outcomes outcomes_;
  std::shared_ptr<ProduceStream> stream_ = std::make_shared<ProduceStream>(true, &outcomes_);
  Answers answers_;
  std::vector<std::shared_ptr<FetchSession>> sessions_;
};

TEST_F(FetchHandlerTest, ReadsFromTheRingAndFromTheDiskAlike) {
  Append(0, {"a", "b", "c"});
  EXPECT_EQ(Fetch(RequestOf({From(0, 0)})).results.size(), 1u);
  EXPECT_EQ(answers_.Values(0), "a b c");
  answers_.all.clear();
  ForgetRing(0);
  Fetch(RequestOf({From(0, 1)}));
  EXPECT_EQ(answers_.Values(0), "b c");
  EXPECT_EQ(answers_.last().high_watermark, Offset(3));
  EXPECT_EQ(answers_.all.back().seq, 3u);
}

TEST_F(FetchHandlerTest, AUnaryFetchAnswersEveryPartitionInRequestOrder) {
  Append(1, {"x"});
  const FetchAnswer& answer = Fetch(RequestOf({From(1, 0), From(0, 0), From(7, 0)}));
  ASSERT_EQ(answer.results.size(), 3u);
  EXPECT_EQ(answer.results[0].high_watermark, Offset(1));
  EXPECT_EQ(answer.results[1].high_watermark, Offset(0));
  EXPECT_THAT(answer.results[2].failure->status, FailsWith(Reason::kUnknownTopicOrPartition));
  EXPECT_EQ(answers_.Values(1), "x");
}

TEST_F(FetchHandlerTest, ALongPollEndsWithTheFirstRecord) {
  ASSERT_EQ(Open(false).Apply(RequestOf({From(0, 0), From(1, 0)}, 60'000)), absl::OkStatus());
  Turn();
  EXPECT_EQ(answers_.all.size(), 0u);
  Append(1, {"x"});
  ASSERT_TRUE(RunUntil([&] { return answers_.all.size() == 1; }));
  EXPECT_EQ(answers_.Values(1), "x");
}

TEST_F(FetchHandlerTest, ALongPollEndsEmptyAtItsDeadline) {
  ASSERT_EQ(Open(false).Apply(RequestOf({From(0, 0)}, 500)), absl::OkStatus());
  clock_.Advance(absl::Milliseconds(490));
  Turn();
  EXPECT_EQ(answers_.all.size(), 0u);
  clock_.Advance(absl::Milliseconds(20));
  Turn();
  ASSERT_EQ(answers_.all.size(), 1u);
  EXPECT_EQ(answers_.all[0].payload_bytes, 0u);
}

TEST_F(FetchHandlerTest, MinBytesGathersOverSeveralAppends) {
  ASSERT_EQ(Open(false).Apply(RequestOf({From(0, 0)}, 60'000, 200)), absl::OkStatus());
  Append(0, {"a"});
  Append(0, {"b"});
  EXPECT_EQ(answers_.all.size(), 0u);
  Append(0, {"c"});
  ASSERT_TRUE(RunUntil([&] { return answers_.all.size() == 1; }));
  EXPECT_EQ(answers_.Values(0), "a b c");
}

TEST_F(FetchHandlerTest, MaxBytesBoundsAllPartitionsButGivesOneBatchWhateverItsSize) {
  Append(0, {std::string(1000, 'a'), "b"});
  Append(1, {"c"});
  FetchRequest request = RequestOf({From(0, 0), From(1, 0)});
  request.max_bytes = 10;
  const FetchAnswer& answer = Fetch(request);
  EXPECT_GT(answer.payload_bytes, 1000u);
  EXPECT_EQ(answers_.Values(0), std::string(1000, 'a'));
  EXPECT_EQ(answers_.Values(1), "");
}

TEST_F(FetchHandlerTest, OffsetsOutOfRangeAreNamedWithTheRange) {
  Append(0, {"a", "b", "c"});
  ASSERT_EQ(shard_.driver().RunAndWait([&](ShardTurn& turn) { return turn.StageLogStart(shard_.Replica("t", 0), Offset(1)); }), absl::OkStatus());
  EXPECT_EQ(ReasonOfFetch(From(0, 0)), Reason::kOffsetOutOfRange);
  EXPECT_EQ(answers_.last().failure->log_start, Offset(1));
  EXPECT_EQ(answers_.last().failure->log_end, Offset(3));
  EXPECT_EQ(ReasonOfFetch(From(0, 4)), Reason::kOffsetOutOfRange);
  EXPECT_EQ(ReasonOfFetch(From(0, -1)), Reason::kOffsetOutOfRange);
  EXPECT_EQ(ReasonOfFetch(From(0, 3)), Reason::kNone) << "the end itself is not an error";
  EXPECT_EQ(ReasonOfFetch(From(0, 1)), Reason::kNone);
}

TEST_F(FetchHandlerTest, WhatIsWrongIsSaidPerPartition) {
  FetchPartition unknown = From(0, 0);
  unknown.ref.topic = "tt";
  EXPECT_EQ(ReasonOfFetch(unknown), Reason::kUnknownTopicOrPartition);
  FetchPartition no_partition = From(0, 0);
  no_partition.ref.partition.reset();
  EXPECT_EQ(ReasonOfFetch(no_partition), Reason::kInvalidRequest);
  FetchPartition by_handle = From(0, 0);
  by_handle.ref.handle = 4;
  EXPECT_EQ(ReasonOfFetch(by_handle), Reason::kInvalidRequest);
  EXPECT_THAT(Open(false).Apply(RequestOf({})), FailsWith(Reason::kInvalidRequest));
}

TEST_F(FetchHandlerTest, LeaderEpochsAreCompared) {
  Append(0, {"a"});
  const LeaderEpoch epoch = shard_.Replica("t", 0)->snapshot().leader_epoch;
  FetchPartition from = From(0, 0);
  from.current_leader_epoch = epoch - 1;
  EXPECT_EQ(ReasonOfFetch(from), Reason::kFencedLeaderEpoch);
  from.current_leader_epoch = epoch + 1;
  EXPECT_EQ(ReasonOfFetch(from), Reason::kUnknownLeaderEpoch);
  from.current_leader_epoch = epoch;
  EXPECT_EQ(ReasonOfFetch(from), Reason::kNone);
}

TEST_F(FetchHandlerTest, LastFetchedEpochShowsWhereLogsPart) {
  Append(0, {"a", "b"});
  const LeaderEpoch epoch = shard_.Replica("t", 0)->snapshot().leader_epoch;
  FetchPartition from = From(0, 1);
  from.last_fetched_epoch = epoch;
  EXPECT_EQ(ReasonOfFetch(from), Reason::kNone);
  EXPECT_FALSE(answers_.last().diverging.has_value());
  EXPECT_EQ(answers_.Values(0, Offset(1)), "b");
  from.last_fetched_epoch = epoch + 3;
  EXPECT_EQ(ReasonOfFetch(from), Reason::kNone);
  ASSERT_TRUE(answers_.last().diverging.has_value());
  EXPECT_EQ(answers_.last().diverging->epoch, epoch);
  EXPECT_EQ(answers_.last().diverging->end, Offset(2));
}

TEST_F(FetchHandlerTest, ALogStartThatMovedDuringTheReadIsNoDataLoss) {
  Append(0, {"a", "b", "c"});
  ForgetRing(0);
  ASSERT_EQ(Open(false).Apply(RequestOf({From(0, 0)})), absl::OkStatus());
  fetch_->RunTurn();  // the read is under way, its answer waits in the outbox
  ASSERT_EQ(fetch_->jobs_outstanding(), 1u);
  ASSERT_EQ(shard_.driver().RunAndWait([&](ShardTurn& turn) { return turn.StageLogStart(shard_.Replica("t", 0), Offset(3)); }), absl::OkStatus());
  ASSERT_TRUE(RunUntil([&] { return answers_.all.size() == 1; }));
  EXPECT_THAT(answers_.last().failure->status, FailsWith(Reason::kOffsetOutOfRange));
  EXPECT_EQ(answers_.last().failure->log_start, Offset(3));
}

TEST_F(FetchHandlerTest, ARecordThatComesDuringAnEmptyReadIsSentAtOnce) {
  AppendBatch(0, {"a", "b"});
  ForgetRing(0);
  const ReplicaSnapshot now = shard_.Replica("t", 0)->snapshot();
  ReplicaSnapshot before = now;
  before.high_watermark = Offset(1);  // no batch ends below
  shard_.Replica("t", 0)->Publish(before);
  ASSERT_EQ(Open(false).Apply(RequestOf({From(0, 0)}, 60'000)), absl::OkStatus());
  fetch_->RunTurn();
  ASSERT_EQ(fetch_->jobs_outstanding(), 1u);
  shard_.Replica("t", 0)->Publish(now);  // and the news came through before the read is back
  ASSERT_TRUE(RunUntil([&] { return answers_.all.size() == 1; }));
  EXPECT_EQ(answers_.Values(0), "a b");
}

TEST_F(FetchHandlerTest, APartitionDeletedDuringTheReadIsUnknown) {
  Append(0, {"a"});
  ForgetRing(0);
  const ReplicaHandlePtr replica = shard_.Replica("t", 0);
  const ReplicaSnapshot before = replica->snapshot();
  ASSERT_EQ(Open(false).Apply(RequestOf({From(0, 0)})), absl::OkStatus());
  shard_.DeleteTopic("t");
  const ReplicaSnapshot deleted = replica->snapshot();
  replica->Publish(before);
  fetch_->RunTurn();  // the read finds nothing
  ASSERT_EQ(fetch_->jobs_outstanding(), 1u);
  replica->Publish(deleted);
  ASSERT_TRUE(RunUntil([&] { return answers_.all.size() == 1; }));
  ASSERT_TRUE(answers_.last().failure.has_value());
  EXPECT_THAT(answers_.last().failure->status, FailsWith(Reason::kUnknownTopicOrPartition));
}

TEST_F(FetchHandlerTest, AStreamSaysHowEachPartitionStandsAndThenSendsWhatComes) {
  Append(0, {"a"});
  Stream({From(0, 0), From(1, 0)}, 1'000'000);
  ASSERT_TRUE(RunUntil([&] { return answers_.Values(0) == "a"; }));
  EXPECT_EQ(answers_.last().ref->partition, 1);
  EXPECT_EQ(answers_.last().high_watermark, Offset(0));
  Append(1, {"x"});
  Append(0, {"b"});
  ASSERT_TRUE(RunUntil([&] { return answers_.Values(0) == "a b" && answers_.Values(1) == "x"; }));
}

TEST_F(FetchHandlerTest, WithoutCreditNothingIsSentAndOneByteOfCreditMovesOneBatch) {
  Append(0, {"a", "b"});
  FetchSession& session = Stream({From(0, 0)}, 0);
  Turn();
  ASSERT_EQ(answers_.all.size(), 1u) << "how it stands costs nothing";
  EXPECT_EQ(answers_.all[0].payload_bytes, 0u);
  FetchRequest credit;
  credit.add_credit_bytes = 1;
  ASSERT_EQ(session.Apply(credit), absl::OkStatus());
  ASSERT_TRUE(RunUntil([&] { return answers_.Values(0) == "a"; }));
  EXPECT_LT(session.credit(), 0);
  credit.add_credit_bytes = 1000;
  ASSERT_EQ(session.Apply(credit), absl::OkStatus());
  EXPECT_TRUE(RunUntil([&] { return answers_.Values(0) == "a b"; }));
}

TEST_F(FetchHandlerTest, BytesThatAreBeingReadAreCreditStill) {
  Append(0, {"a"});
  ForgetRing(0);
  FetchSession& session = Stream({From(0, 0)}, 1);
  fetch_->RunTurn();
  ASSERT_EQ(fetch_->jobs_outstanding(), 1u);
  EXPECT_EQ(session.credit(), 1);
  while (fetch_->jobs_outstanding() > 0) outbox_.Drain();
  EXPECT_LT(session.credit(), 0);
  EXPECT_FALSE(session.spent()) << "what was read waits for the end of the turn";
  Turn();
  EXPECT_EQ(answers_.Values(0), "a");
  EXPECT_TRUE(session.spent());
}

TEST_F(FetchHandlerTest, AListenerWithoutRoomIsSpared) {
  Append(0, {"a"});
  FetchSession& session = Stream({From(0, 0)}, 1000);
  ASSERT_TRUE(RunUntil([&] { return answers_.Values(0) == "a"; }));
  answers_.room = false;
  Append(0, {"b"});
  Turn();
  EXPECT_EQ(answers_.Values(0), "a");
  answers_.room = true;
  session.OnWritten();
  EXPECT_TRUE(RunUntil([&] { return answers_.Values(0) == "a b"; }));
}

TEST_F(FetchHandlerTest, PauseSetAndRemoveDoWhatTheySay) {
  FetchSession& session = Stream({From(0, 0), From(1, 0)}, 1'000'000);
  FetchPartition change = From(0, 0);
  change.action = FetchPartition::Action::kPause;
  ASSERT_EQ(session.Apply(RequestOf({change})), absl::OkStatus());
  change = From(1, 0);
  change.action = FetchPartition::Action::kRemove;
  ASSERT_EQ(session.Apply(RequestOf({change})), absl::OkStatus());
  Append(0, {"a", "b"});
  Append(1, {"x"});
  Turn();
  EXPECT_EQ(answers_.Values(0) + answers_.Values(1), "");
  change = From(0, 1);
  change.position = 5;
  ASSERT_EQ(session.Apply(RequestOf({change})), absl::OkStatus());
  ASSERT_TRUE(RunUntil([&] { return answers_.Values(0, Offset(1)) == "b"; }));
  EXPECT_EQ(answers_.last().position, 5u);
}

TEST_F(FetchHandlerTest, ASeekDropsTheReadThatIsUnderWay) {
  Append(0, {"a", "b", "c"});
  ForgetRing(0);
  FetchSession& session = Stream({From(0, 0)}, 1'000'000);
  fetch_->RunTurn();
  ASSERT_EQ(fetch_->jobs_outstanding(), 1u);
  FetchPartition seek = From(0, 2);
  seek.position = 1;
  ASSERT_EQ(session.Apply(RequestOf({seek})), absl::OkStatus());
  ASSERT_TRUE(RunUntil([&] { return !answers_.all.empty() && answers_.all.back().payload_bytes > 0; }));
  EXPECT_EQ(answers_.last().position, 1u);
  EXPECT_EQ(answers_.Values(0), "c");
}

TEST_F(FetchHandlerTest, AStreamsPartitionThatFailedStaysPausedUntilItIsSetAgain) {
  FetchSession& session = Stream({From(0, 5)}, 1'000'000);
  Turn();
  EXPECT_THAT(answers_.last().failure->status, FailsWith(Reason::kOffsetOutOfRange));
  EXPECT_THAT(MessageOf(answers_.last().failure->status), HasSubstr("t-0: offset 5 is outside [0, 0]"));
  Append(0, {"a"});
  EXPECT_EQ(answers_.all.size(), 1u);
  ASSERT_EQ(session.Apply(RequestOf({From(0, 0)})), absl::OkStatus());
  EXPECT_TRUE(RunUntil([&] { return answers_.Values(0) == "a"; }));
}

TEST_F(FetchHandlerTest, ADeletedTopicEndsTheWait) {
  Stream({From(0, 0)}, 1'000'000);
  Turn();
  Append(0, {"a"});
  SetImage(shard_.DeleteTopic("t"));
  ASSERT_TRUE(RunUntil([&] { return answers_.last().failure.has_value(); }));
  EXPECT_THAT(answers_.last().failure->status, FailsWith(Reason::kUnknownTopicOrPartition));
}

TEST_F(FetchHandlerTest, WhatIsLeftOfADeletedTopicCanBeRemovedByHandleAndByName) {
  FetchPartition by_handle = From(0, 0);
  by_handle.ref.handle = 7;
  FetchSession& session = Stream({by_handle, From(1, 0)}, 1'000'000);
  SetImage(shard_.DeleteTopic("t"));
  ASSERT_TRUE(RunUntil([&] { return !answers_.all.empty() && answers_.last().failure.has_value(); }));
  Turn();
  answers_.all.clear();
  by_handle.ref.topic.clear();
  FetchPartition by_name = From(1, 0);
  by_handle.action = by_name.action = FetchPartition::Action::kRemove;
  ASSERT_EQ(session.Apply(RequestOf({by_handle, by_name})), absl::OkStatus());
  Turn();
  EXPECT_EQ(answers_.all.size(), 0u) << "they are removed";
  ASSERT_EQ(session.Apply(RequestOf({by_handle, by_name})), absl::OkStatus());
  Turn();
  ASSERT_EQ(answers_.all.size(), 1u) << "they were";
  EXPECT_THAT(answers_.all[0].results[0].failure->status, FailsWith(Reason::kUnknownTopicId));
  EXPECT_THAT(answers_.all[0].results[1].failure->status, FailsWith(Reason::kUnknownTopicOrPartition));
}

TEST_F(FetchHandlerTest, AFullStreamSeeksAndReplacesButTakesNoMore) {
  CreateTopic("many", kFetchPartitionsMax);
  std::vector<FetchPartition> all(kFetchPartitionsMax, From(0, 0));
  for (std::size_t i = 0; i < all.size(); ++i) all[i].ref.topic = "many", all[i].ref.partition = static_cast<int>(i);
  FetchSession& session = Stream(all, 0);
  EXPECT_EQ(session.Apply(RequestOf({all[17]})), absl::OkStatus());
  all[17].action = FetchPartition::Action::kRemove;
  EXPECT_EQ(session.Apply(RequestOf({all[17], From(0, 0)})), absl::OkStatus());
  EXPECT_THAT(session.Apply(RequestOf({From(1, 0)})), FailsWith(Reason::kLimitExceeded));
}

TEST_F(FetchHandlerTest, ManyWaitersOfOnePartitionAllHear) {
  std::vector<std::unique_ptr<Answers>> answers;
  for (int i = 0; i < 1000; ++i) {
    answers.push_back(std::make_unique<Answers>());
    sessions_.push_back(fetch_->Open(false, answers.back().get()));
    ASSERT_EQ(sessions_.back()->Apply(RequestOf({From(0, 0)}, 60'000)), absl::OkStatus());
  }
  Turn();
  Append(0, {"a"});
  ASSERT_TRUE(RunUntil([&] { return answers.back()->all.size() == 1; }));
  for (const auto& each : answers) EXPECT_EQ(each->Values(0), "a");
}

TEST_F(FetchHandlerTest, AClosedPartitionIsReadWithoutOpening) {
  Append(0, {"a"});
  ForgetRing(0);
  const ReplicaSnapshot open = shard_.Replica("t", 0)->snapshot();
  ReplicaSnapshot closed = open;
  closed.phase = ReplicaPhase::kClosed;
  shard_.Replica("t", 0)->Publish(closed);
  Fetch(RequestOf({From(0, 0)}));
  EXPECT_EQ(answers_.Values(0), "a");
  EXPECT_EQ(shard_.Replica("t", 0)->snapshot().phase, ReplicaPhase::kClosed);
}

TEST_F(FetchHandlerTest, AnUnopenedPartitionIsOpenedFirst) {
  ReplicaSnapshot unopened;
  unopened.phase = ReplicaPhase::kUnopened;
  shard_.Replica("t", 0)->Publish(unopened);
  EXPECT_EQ(ReasonOfFetch(From(0, 0)), Reason::kNone);
  EXPECT_EQ(shard_.Replica("t", 0)->snapshot().phase, ReplicaPhase::kOpen);
}

class SmallAnswersTest : public FetchHandlerTest {
 protected:
  static FetchOptions Small() {
    FetchOptions options;
    options.ring_bytes = 1;  // everything from the disk
    options.answer_bytes = 4000;
    options.session_read_bytes_max = 4000;
    options.read_bytes_max = 8000;
    return options;
  }
  SmallAnswersTest() : FetchHandlerTest(Small()) {}
};

TEST_F(SmallAnswersTest, PartitionsTakeTurns) {
  for (int i = 0; i < 10; ++i) {
    Append(0, {std::string(1000, 'a')});
    Append(1, {std::string(1000, 'b')});
  }
  FetchPartition first = From(0, 0), second = From(1, 0);
  first.max_bytes = second.max_bytes = 2000;
  Stream({first, second}, 1'000'000);
  ASSERT_TRUE(RunUntil([&] { return answers_.Values(0).size() == 10 * 1001 - 1 && answers_.Values(1).size() == 10 * 1001 - 1; }));
  int most_ahead = 0, lead = 0;
  for (const FetchAnswer& answer : answers_.all) {
    for (const FetchResult& result : answer.results) lead += (result.ref->partition == 0 ? 1 : -1) * static_cast<int>(result.pieces.size());
    most_ahead = std::max(most_ahead, std::abs(lead));
  }
  EXPECT_LE(most_ahead, 2);
}

TEST_F(SmallAnswersTest, ManyCatchUpReadersShareTheReadersAndAllArrive) {
  for (int i = 0; i < 20; ++i) Append(0, {std::string(1000, 'a')});
  std::vector<std::unique_ptr<Answers>> answers;
  for (int i = 0; i < 20; ++i) {
    answers.push_back(std::make_unique<Answers>());
    sessions_.push_back(fetch_->Open(true, answers.back().get()));
    FetchRequest request = RequestOf({From(0, 0)});
    request.add_credit_bytes = 1'000'000;
    ASSERT_EQ(sessions_.back()->Apply(request), absl::OkStatus());
  }
  for (const auto& each : answers) EXPECT_TRUE(RunUntil([&] { return each->Values(0).size() == 20 * 1001 - 1; }));
}

}  // namespace
}  // namespace cordwood::broker
