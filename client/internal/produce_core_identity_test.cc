// SPDX-License-Identifier: Apache-2.0
// Under which producer id and sequence batches leave, when either is lost or a partition is released, against the fixture's broker on paper.
#include "client/internal/produce_core_fixture.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "storage/record/record_batch.h"

namespace cordwood::client {
namespace {

using Values = std::vector<std::string>;

// Of each batch: slot:id@sequence.
std::string StampsOf(const std::vector<ProduceMessage>& messages) {
  std::string stamps;
  for (const ProduceMessage& message : messages) {
    for (const ProduceMessage::Entry& entry : message.entries) {
      for (const SharedBytes& bytes : entry.batches) {
        const RecordBatchView batch = *RecordBatchView::Parse(bytes.view());
        stamps += (stamps.empty() ? "" : " ") + std::to_string(entry.slot) + ":" + ToString(batch.producer_id()) + "@" + ToString(batch.base_sequence());
      }
    }
  }
  return stamps;
}

TEST_F(ProduceCoreTest, NothingIsSentBeforeAProducerIdIsThere) {
  core_.AddPartition();
  logs_.emplace_back();
  core_.StreamOpened();
  Enqueue("a");
  EXPECT_TRUE(core_.wants_producer_id());
  EXPECT_FALSE(core_.NextMessage(now_).has_value());
  GiveId();
  EXPECT_FALSE(core_.wants_producer_id());
  EXPECT_TRUE(core_.NextMessage(now_).has_value());
}

// The sequences of a partition that comes back begin anew: under the old id a broker would take them for repeats.
TEST_F(ProduceCoreTest, AReleasedSlotBeginsAnewUnderAnIdTheBrokerHasNotSeenFromIt) {
  Open(2);
  Enqueue("a", 1, 0);
  Enqueue("b", 1, 1);
  core_.Retire(0);
  EXPECT_FALSE(core_.Release(0));
  SendAll();
  AnswerAll();
  EXPECT_TRUE(core_.Release(0));
  Enqueue("c", 1, 1);
  Enqueue("d", 1, 0);
  EXPECT_TRUE(core_.wants_producer_id());
  GiveId();
  SendAll();
  AnswerAll();
  EXPECT_EQ(logs_[0].values, (Values{"a0", "d0"}));
  EXPECT_EQ(logs_[1].values, (Values{"b0", "c0"}));
}

// Or the broker would take the first batches of the one for repeats of the other's.
TEST_F(ProduceCoreTest, APartitionThatComesBackWhileItsRetiredSlotIsInFlightGetsAnotherId) {
  Open(2);
  Enqueue("a", 1, 0);
  SendAll();
  core_.Retire(0);
  Enqueue("b", 1, 1);
  EXPECT_TRUE(core_.wants_producer_id());
  GiveId();
  SendAll();
  EXPECT_EQ(StampsOf(sent_), "0:1000@0 1:1001@0");
}

TEST_F(ProduceCoreTest, ASlotThatWasRetiredBeforeItHadAnIdGetsOneForItselfAlone) {
  core_.AddPartition();
  core_.AddPartition();
  core_.StreamOpened();
  Enqueue("a", 1, 0);
  core_.Retire(0);
  Enqueue("b", 1, 1);
  for (int i = 0; i < 2; ++i) {
    EXPECT_TRUE(core_.wants_producer_id());
    GiveId();
    SendAll();
    Check();
  }
  EXPECT_FALSE(core_.wants_producer_id());
  EXPECT_EQ(StampsOf(sent_), "1:1000@0 0:1001@0");
}

TEST_F(ProduceCoreTest, ARetiredSlotWhoseIdTheBrokerForgotGetsOneForItselfAlone) {
  Open(2);
  Enqueue("a", 1, 0);
  RunToEnd();
  logs_[0].ForgetProducers();
  Enqueue("b", 1, 0);
  SendAll();
  core_.Retire(0);
  Enqueue("c", 1, 1);
  GiveId();
  SendAll();
  AnswerAll();
  EXPECT_TRUE(core_.wants_producer_id());
  GiveId();
  SendAll();
  EXPECT_EQ(StampsOf(sent_), "0:1002@0");
  AnswerAll();
  EXPECT_EQ(logs_[0].values, (Values{"a0", "b0"}));
}

TEST_F(ProduceCoreTest, WithNothingToSendNoProducerIdIsWanted) {
  core_.AddPartition();
  core_.StreamOpened();
  Enqueue("a");
  core_.FailAll(absl::UnimplementedError("no such method"));
  EXPECT_FALSE(core_.wants_producer_id());
  Enqueue("b");
  EXPECT_TRUE(core_.wants_producer_id());
  core_.Tick(now_ += absl::Seconds(121));  // b's time is over
  EXPECT_FALSE(core_.wants_producer_id());
}

TEST_F(ProduceCoreTest, LostAnswersAreNoDuplicates) {
  Open();
  Enqueue("a");
  Enqueue("b");
  SendAll();
  LoseAnswers();
  EXPECT_EQ(outcome_, "");
  RunToEnd();
  EXPECT_EQ(outcome_, "@0x1 @1x1");
  EXPECT_EQ(logs_[0].values, (Values{"a0", "b0"}));
}

// Or b would take a's sequences and be answered as its duplicate.
TEST_F(ProduceCoreTest, ABatchThatMayBeInTheLogKeepsItsSequencesWhenItsRepetitionIsRefused) {
  Open();
  Enqueue("a");
  SendAll();
  LoseAnswers();
  SendAll();
  refuse_with_ = Reason::kInvalidTimestamp;
  AnswerAll();
  refuse_with_ = Reason::kNone;
  Enqueue("b");
  RunToEnd();
  EXPECT_EQ(outcome_, "REQUEST_TIMED_OUTx1 @1x1");
  EXPECT_EQ(logs_[0].values, (Values{"a0", "b0"}));
  EXPECT_EQ(next_id_, 1001);  // under the same producer id
}

TEST_F(ProduceCoreTest, ABatchRefusedIndefinitelyKeepsItsSequencesWhenItsRepetitionIsRefused) {
  Open();
  Enqueue("a");
  SendAll();
  for (const Reason reason : {Reason::kRequestTimedOut, Reason::kInvalidTimestamp}) {
    refuse_with_ = reason;
    AnswerAll();
    SendAll();
  }
  refuse_with_ = Reason::kNone;
  EXPECT_EQ(outcome_, "REQUEST_TIMED_OUTx1");
  EXPECT_EQ(words_, "an earlier attempt may have been appended; the last one met INVALID_TIMESTAMP");
  Enqueue("b");
  SendAll();
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_EQ(RecordBatchView::Parse(sent_[0].entries[0].batches[0].view())->base_sequence(), Sequence(1));
}

TEST_F(ProduceCoreTest, ADefiniteRefusalFailsOneBatchAndTheRestTakesItsSequences) {
  Open();
  Enqueue("a");
  SendAll();
  Enqueue("b");
  SendAll();
  RefuseOldest(Reason::kInvalidTimestamp);
  AnswerAll();
  Enqueue("c");
  RunToEnd();
  EXPECT_EQ(outcome_, "INVALID_TIMESTAMPx1 @0x1 @1x1");
  EXPECT_EQ(logs_[0].values, (Values{"b0", "c0"}));
  EXPECT_EQ(next_id_, 1001);  // under the same producer id
}

TEST_F(ProduceCoreTest, ABrokerThatForgotTheProducerGetsANewOne) {
  Open();
  Enqueue("a");
  RunToEnd();
  logs_[0].ForgetProducers();
  Enqueue("b");
  Enqueue("c");
  RunToEnd();
  EXPECT_EQ(logs_[0].values, (Values{"a0", "b0", "c0"}));
  EXPECT_EQ(outcome_, "@0x1 @1x1 @2x1");
  EXPECT_GT(next_id_, 1001);
}

TEST_F(ProduceCoreTest, OtherPartitionsKeepTheirProducerId) {
  Open(2);
  Enqueue("a", 1, 0);
  Enqueue("b", 1, 1);
  RunToEnd();
  logs_[0].ForgetProducers();
  Enqueue("c", 1, 0);
  Enqueue("d", 1, 1);
  SendAll();
  const auto id = [](const SharedBytes& bytes) { return RecordBatchView::Parse(bytes.view())->producer_id().value(); };
  EXPECT_EQ(id(sent_[0].entries[0].batches[0]), id(sent_[0].entries[1].batches[0]));
  RunToEnd();
  EXPECT_EQ(logs_[1].values, (Values{"b0", "d0"}));
}

TEST_F(ProduceCoreTest, ADuplicateFromLongAgoIsASuccess) {
  Open();
  Enqueue("a");
  SendAll();
  refuse_with_ = Reason::kDuplicateSequence;
  AnswerAll();
  EXPECT_EQ(outcome_, "@-1x1");
}

TEST_F(ProduceCoreTest, AfterABatchOfUnknownFateTheNextIsNeitherLostNorDoubled) {
  Open();
  Enqueue("a");
  SendAll();
  Break();  // nobody knows whether a arrived; it did not
  core_.StreamBroken(absl::UnavailableError("gone"), now_, kNoBackoff);
  now_ += absl::Seconds(121);
  core_.Tick(now_);
  core_.StreamOpened();
  Enqueue("b");
  RunToEnd();
  EXPECT_EQ(outcome_, "REQUEST_TIMED_OUTx1 @0x1");
  EXPECT_EQ(logs_[0].values, (Values{"b0"}));
}

}  // namespace
}  // namespace cordwood::client
