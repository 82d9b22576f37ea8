// SPDX-License-Identifier: Apache-2.0
// Order, retries, time limits, window and splitting, against a broker of a few lines that keeps Kafka's rules for sequences.
#include "client/internal/produce_core_fixture.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <limits>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "cordwood/v1/log.pb.h"

namespace cordwood::client {
namespace {

using Values = std::vector<std::string>;

TEST_F(ProduceCoreTest, BatchesOfOnePartitionShareAMessageAndKeepTheirOrder) {
  Open();
  Enqueue("a", 2);
  Enqueue("b");
  SendAll();
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_EQ(sent_[0].entries[0].batches.size(), 2U);
  AnswerAll();
  EXPECT_EQ(outcome_, "@0x2 @2x1");
  EXPECT_EQ(logs_[0].values, (Values{"a0", "a1", "b0"}));
}

TEST_F(ProduceCoreTest, WhatComesAfterEverythingFailedDoesNotWaitForARetryBeforeIt) {
  Open();
  Enqueue("a");
  SendAll();
  refuse_with_ = Reason::kThrottled;
  core_.Answered(Apply(sent_[0]), now_, absl::Minutes(1));
  core_.FailAll(absl::UnimplementedError("no such method"));
  Enqueue("b");
  EXPECT_TRUE(core_.NextMessage(now_).has_value());
}

TEST_F(ProduceCoreTest, AtMostFiveBatchesOfAPartitionAreInFlight) {
  Open();
  for (int i = 0; i < 8; ++i) Enqueue("a");
  SendAll();
  ASSERT_EQ(sent_.size(), 1U);
  EXPECT_EQ(sent_[0].entries[0].batches.size(), 5U);
  AnswerAll();
  SendAll();
  EXPECT_EQ(sent_[0].entries[0].batches.size(), 3U);
}

TEST_F(ProduceCoreTest, LostRequestsAreSentAgainInOrder) {
  Open();
  Enqueue("a");
  SendAll();
  Enqueue("b");
  SendAll();
  Break();
  Enqueue("c");
  RunToEnd();
  EXPECT_EQ(logs_[0].values, (Values{"a0", "b0", "c0"}));
}

TEST_F(ProduceCoreTest, ARetriableRefusalKeepsTheOrder) {
  Open();
  Enqueue("a");
  SendAll();
  Enqueue("b");
  SendAll();
  RefuseOldest(Reason::kLeaderNotAvailable);
  AnswerAll();  // b: out of order, because a is missing
  EXPECT_EQ(outcome_, "");
  RunToEnd();
  EXPECT_EQ(outcome_, "@0x1 @1x1");
  EXPECT_EQ(logs_[0].values, (Values{"a0", "b0"}));
}

TEST_F(ProduceCoreTest, ARefusedBatchWaitsBeforeItIsTriedAgain) {
  Open();
  Enqueue("a");
  SendAll();
  refuse_with_ = Reason::kThrottled;
  core_.Answered(Apply(sent_[0]), now_, absl::Milliseconds(50));
  EXPECT_EQ(core_.NextWake(), now_ + absl::Milliseconds(50));
  EXPECT_FALSE(core_.NextMessage(now_).has_value());
  now_ += absl::Milliseconds(50);
  core_.Tick(now_);
  EXPECT_TRUE(core_.NextMessage(now_).has_value());
}

// A broker under overload gives up what has waited too long, and what is behind it then has a sequence that does not fit.
TEST_F(ProduceCoreTest, WhatTheBrokerGaveUpGoesAgainBeforeWhatWasSentBehindIt) {
  Open();
  for (const char* name : {"a", "b", "c", "d"}) {
    Enqueue(name);
    SendAll();
  }
  ASSERT_EQ(sent_.size(), 4U);
  core_.Answered(Apply(sent_[0]), now_, kNoBackoff);
  refuse_with_ = Reason::kThrottled;
  core_.Answered(Apply(sent_[1]), now_, kNoBackoff);
  refuse_with_ = Reason::kNone;
  sent_.erase(sent_.begin(), sent_.begin() + 2);
  AnswerAll();
  EXPECT_EQ(logs_[0].values, (Values{"a0"})) << "c and d are out of sequence";
  RunToEnd();
  EXPECT_EQ(outcome_, "@0x1 @1x1 @2x1 @3x1");
  EXPECT_EQ(logs_[0].values, (Values{"a0", "b0", "c0", "d0"}));
  EXPECT_EQ(next_id_, 1001) << "under the same producer id";
}

TEST_F(ProduceCoreTest, AProducerWaitsForADiskOrAShardToBecomeWell) {
  for (const Reason reason : {Reason::kDiskFull, Reason::kStorageError, Reason::kPoisoned}) {
    Open();
    const auto slot = static_cast<std::uint32_t>(logs_.size() - 1);
    Enqueue("a", 1, slot);
    SendAll();
    refuse_with_ = reason;
    AnswerAll();
    refuse_with_ = Reason::kNone;
    EXPECT_EQ(outcome_, "") << ReasonName(reason);
    RunToEnd();
    EXPECT_EQ(std::exchange(outcome_, ""), "@0x1") << ReasonName(reason);
  }
}

TEST_F(ProduceCoreTest, RefusalsInARowAreEachWaitedForTwiceAsLongUpToASecond) {
  Open();
  Enqueue("a");
  for (const int wait_ms : {50, 100, 200, 400, 800, 1000, 1000}) {
    EXPECT_EQ(RefuseAll(Reason::kDiskFull, absl::Milliseconds(50)), absl::Milliseconds(wait_ms));
  }
  RunToEnd();
  Enqueue("b");
  EXPECT_EQ(RefuseAll(Reason::kDiskFull, absl::Milliseconds(50)), absl::Milliseconds(50));
}

TEST_F(ProduceCoreTest, WhatWasRefusedUntilItsTimeWasOverFailsWithTheLastRefusal) {
  Open(2);
  Enqueue("a", 1, 0);
  RefuseAll(Reason::kThrottled, absl::Milliseconds(1));
  RefuseAll(Reason::kDiskFull, absl::Milliseconds(1));
  core_.Tick(now_ += absl::Seconds(121));
  Enqueue("b", 1, 1);
  RefuseAll(Reason::kPoisoned, absl::Milliseconds(1));
  core_.Tick(now_ += absl::Seconds(121));
  Collect();
  EXPECT_EQ(outcome_, "DISK_FULLx1 POISONEDx1");
}

TEST_F(ProduceCoreTest, WhatMayBeInTheLogDoesNotFailWithARefusalThatSaysItIsNot) {
  Open();
  Enqueue("a");
  SendAll();
  LoseAnswers();
  RefuseAll(Reason::kDiskFull, absl::Milliseconds(1));
  core_.Tick(now_ += absl::Seconds(121));
  Collect();
  EXPECT_EQ(outcome_, "REQUEST_TIMED_OUTx1");
  EXPECT_EQ(words_, "no acknowledgement within the delivery timeout; it may have been appended; the last answer was DISK_FULL");
}

TEST_F(ProduceCoreTest, AnIndefiniteRefusalOfAFirstAttemptIsToldAsItIs) {
  Open();
  Enqueue("a");
  RefuseAll(Reason::kUnknownServerError, kNoBackoff);
  EXPECT_EQ(outcome_, "UNKNOWN_SERVER_ERRORx1");
}

TEST_F(ProduceCoreTest, AnOffsetThatLeavesNoneForTheLastRecordIsUnknown) {
  for (const std::int64_t past : {-1, 0}) {
    Open();
    Enqueue("a", 3);
    SendAll();
    v1::ProduceResponse response = Apply(sent_.back());
    response.mutable_done(0)->set_base_offset(0, std::numeric_limits<std::int64_t>::max() - 2 + past);
    core_.Answered(response, now_, kNoBackoff);
    Collect();
  }
  EXPECT_EQ(outcome_, "@9223372036854775804x3 @-1x3");
}

TEST_F(ProduceCoreTest, AfterARefusalNothingIsSentUntilAllIsAnswered) {
  Open();
  Enqueue("a");
  SendAll();
  Enqueue("b");
  SendAll();
  RefuseOldest(Reason::kInvalidTimestamp);
  Enqueue("c");
  SendAll();
  EXPECT_EQ(sent_.size(), 1U);  // b alone
  AnswerAll();
  RunToEnd();
  EXPECT_EQ(logs_[0].values, (Values{"b0", "c0"}));
}

TEST_F(ProduceCoreTest, OfAnEntryThatIsRefusedOnlyTheGuiltyBatchFails) {
  Open();
  logs_[0].bytes_max = 200;
  Enqueue("a");
  Enqueue("big", 1, 0, 500);
  Enqueue("c");
  RunToEnd();
  EXPECT_EQ(outcome_, "@0x1 MESSAGE_TOO_LARGEx1 @1x1");
  EXPECT_EQ(logs_[0].values, (Values{"a0", "c0"}));
}

TEST_F(ProduceCoreTest, ABatchTooLargeIsSplitUntilItFits) {
  Open();
  logs_[0].bytes_max = 150;
  Enqueue("a", 16, 0, 10);
  Enqueue("b");
  RunToEnd();
  ASSERT_EQ(logs_[0].values.size(), 17U);
  for (int i = 0; i < 16; ++i) EXPECT_EQ(logs_[0].values[static_cast<std::size_t>(i)], "a" + std::to_string(i) + "..........");
  EXPECT_EQ(outcome_, "@0x4 @4x4 @8x4 @12x4 @16x1");
}

TEST_F(ProduceCoreTest, OfASplitBatchOnlyTheRecordThatIsTooLargeFails) {
  Open();
  logs_[0].bytes_max = 150;
  RecordBatchBuilder builder;
  ProduceBatch batch;
  for (const std::string& value : {std::string("a"), std::string(500, 'x'), std::string("c")}) {
    builder.Add({Offset(0), 1, std::nullopt, std::string_view(value), {}});
    batch.acks.emplace_back();
  }
  batch.bytes = *builder.Build(Codec::kNone, {});
  batch.created = now_;
  core_.Enqueue(0, std::move(batch));
  RunToEnd();
  EXPECT_EQ(outcome_, "@0x1 MESSAGE_TOO_LARGEx1 @1x1");
  EXPECT_EQ(logs_[0].values, (Values{"a", "c"}));
}

TEST_F(ProduceCoreTest, AStreamIsToldOnceWhatAHandleMeans) {
  Open(2);
  Enqueue("a", 1, 0);
  EXPECT_EQ(SendAndSeeNames(), "0:named");
  Enqueue("b", 1, 0);
  Enqueue("c", 1, 1);
  EXPECT_EQ(SendAndSeeNames(), "0 1:named");
  Break();
  Enqueue("d", 1, 1);
  EXPECT_EQ(SendAndSeeNames(), "1:named");
}

TEST_F(ProduceCoreTest, AfterARefusalTheStreamIsToldAgainWhatTheHandleMeans) {
  Open();
  for (const Reason reason : {Reason::kUnknownHandle, Reason::kUnknownTopicId, Reason::kLeaderNotAvailable}) {
    Enqueue("a");
    SendAndSeeNames(reason);
    Enqueue("b");
    EXPECT_EQ(SendAndSeeNames(), "0:named") << ReasonName(reason);
    Enqueue("c");
    EXPECT_EQ(SendAndSeeNames(), "0") << ReasonName(reason);
  }
}

TEST_F(ProduceCoreTest, TheWindowBoundsWhatIsUnanswered) {
  Open(4);
  v1::ProduceResponse small;
  small.set_window_bytes(1000);
  core_.Answered(small, now_, kNoBackoff);
  for (std::uint32_t slot = 0; slot < 4; ++slot) Enqueue("a", 1, slot, 600);
  SendAll();
  EXPECT_LE(core_.unanswered_bytes(), 1000U + 700U);
  EXPECT_EQ(sent_.size(), 2U);
  RunToEnd();
  for (const PaperLog& log : logs_) EXPECT_EQ(log.values.size(), 1U);
}

TEST_F(ProduceCoreTest, AMessageAboveTheWindowGoesAlone) {
  Open();
  v1::ProduceResponse small;
  small.set_window_bytes(10);
  core_.Answered(small, now_, kNoBackoff);
  Enqueue("a", 1, 0, 5000);
  RunToEnd();
  EXPECT_EQ(outcome_, "@0x1");
}

TEST_F(ProduceCoreTest, MessagesStayBelowTheirLimit) {
  Open(64);
  for (std::uint32_t slot = 0; slot < 64; ++slot) Enqueue("a", 1, slot, 100'000);
  SendAll();
  for (const ProduceMessage& message : sent_) EXPECT_LE(message.bytes, 1024U * 1024);
  EXPECT_GE(sent_[0].entries.size(), 9U);
}

TEST_F(ProduceCoreTest, ABatchOfWhichAnAnswerSaysNothingIsNotAcknowledged) {
  Open(2);
  Enqueue("a", 1, 0);
  Enqueue("b", 1, 1);
  SendAll();
  ASSERT_EQ(sent_.size(), 1U);
  v1::ProduceResponse response;
  response.add_done()->set_seq(sent_[0].seq);
  response.mutable_done(0)->add_errors()->set_reason(v1::INVALID_REQUEST);
  core_.Answered(response, now_, kNoBackoff);
  Collect();
  EXPECT_EQ(outcome_, "INVALID_REQUESTx1 UNKNOWN_SERVER_ERRORx1");
}

TEST_F(ProduceCoreTest, AMessageHasNoMoreEntriesThanABrokerTakes) {
  Open(12'000);
  RecordBatchBuilder builder;
  builder.Add({Offset(0), 1, std::nullopt, std::string_view("a"), {}});
  const SharedBytes bytes = *builder.Build(Codec::kNone, {});
  for (std::uint32_t slot = 0; slot < 12'000; ++slot) {
    ProduceBatch batch;
    batch.bytes = bytes;
    batch.acks.resize(1);
    batch.created = now_;
    core_.Enqueue(slot, std::move(batch));
  }
  SendAll();
  ASSERT_EQ(sent_.size(), 2U);
  EXPECT_EQ(sent_[0].entries.size(), 10'000U);
  EXPECT_EQ(sent_[1].entries.size(), 2'000U);
  AnswerAll();
  EXPECT_TRUE(core_.idle());
}

TEST_F(ProduceCoreTest, WhatCannotBeSentInTimeIsFailed) {
  Open();
  Enqueue("a");
  core_.StreamBroken(absl::UnavailableError("gone"), now_, kNoBackoff);
  now_ += absl::Seconds(121);
  core_.Tick(now_);
  Collect();
  EXPECT_EQ(outcome_, "REQUEST_TIMED_OUTx1");
  EXPECT_EQ(words_, "could not be sent within the delivery timeout");
  EXPECT_TRUE(core_.idle());
}

TEST_F(ProduceCoreTest, AtTheEndEachBatchTellsWhetherItWasSentAndWhatRefusedIt) {
  Open(2);
  Enqueue("a", 1, 0);
  RefuseAll(Reason::kPoisoned, absl::Minutes(1));
  Enqueue("b", 1, 1);
  SendAll();
  core_.FailAll(std::nullopt);
  std::string words;
  for (const Completion& completion : core_.TakeCompletions()) words += std::string(ReasonName(ReasonOf(completion.status))) + " " + MessageOf(completion.status) + "\n";
  EXPECT_EQ(words,
            "REQUEST_TIMED_OUT no acknowledgement within the time left to the producer; it may have been appended; the last answer was POISONED\n"
            "REQUEST_TIMED_OUT no acknowledgement within the time left to the producer; it may have been appended\n");
}

TEST_F(ProduceCoreTest, AStreamThatOwesAnAnswerIsOverdue) {
  Open();
  Enqueue("a");
  SendAll();
  EXPECT_FALSE(core_.overdue(now_ + absl::Seconds(34)));
  EXPECT_TRUE(core_.overdue(now_ + absl::Seconds(35)));
}

TEST_F(ProduceCoreTest, WhenTheTransportRefusesAMessageTheGuiltyBatchIsFound) {
  Open(3);
  for (std::uint32_t slot = 0; slot < 3; ++slot) Enqueue("a", 1, slot, slot == 1 ? 100'000 : 10);
  for (int turn = 0; turn < 20 && !core_.idle(); ++turn) {
    SendAll();
    const bool refused = std::any_of(sent_.begin(), sent_.end(), [](const ProduceMessage& m) { return m.bytes > 50'000; });
    if (refused) {
      Break(absl::ResourceExhaustedError("received message larger than max"));
    } else {
      AnswerAll();
    }
  }
  EXPECT_EQ(logs_[0].values.size() + logs_[2].values.size(), 2U);
  EXPECT_NE(outcome_.find("MESSAGE_TOO_LARGEx1"), std::string::npos) << outcome_;
}

TEST_F(ProduceCoreTest, ACallRefusedForWantOfResourcesSaysNothingAboutTheSizeOfABatch) {
  Open();
  Enqueue("a");
  SendAll();
  Break(Error(Reason::kLimitExceeded, "too many calls"));
  EXPECT_EQ(outcome_, "");
  RunToEnd();
  EXPECT_EQ(outcome_, "@0x1");
}

class ProduceCoreAcksNoneTest : public ProduceCoreTest {
 protected:
  ProduceCoreAcksNoneTest() : ProduceCoreTest([] {
    ProduceCoreOptions options;
    options.acks = Acks::kNone;
    return options;
  }()) {}
};

TEST_F(ProduceCoreAcksNoneTest, ABatchIsDoneWhenTheTransportHasIt) {
  Open();
  Enqueue("a", 3);
  SendAll();
  Collect();
  EXPECT_EQ(outcome_, "@-1x3");
  EXPECT_TRUE(core_.idle());
}

TEST_F(ProduceCoreAcksNoneTest, AfterARefusalTheStreamIsToldAgainWhatTheHandleMeans) {
  Open();
  Enqueue("a");
  EXPECT_EQ(SendAndSeeNames(Reason::kDiskFull), "0:named");
  Enqueue("b");
  EXPECT_EQ(SendAndSeeNames(), "0:named");
  Enqueue("c");
  EXPECT_EQ(SendAndSeeNames(), "0");
}

TEST_F(ProduceCoreAcksNoneTest, AStreamThatTakesNoMessageIsOverdue) {
  Open();
  Enqueue("a");
  ASSERT_TRUE(core_.NextMessage(now_).has_value());
  EXPECT_FALSE(core_.overdue(now_ + absl::Seconds(34)));
  EXPECT_TRUE(core_.overdue(now_ + absl::Seconds(35)));
  core_.Written();
  EXPECT_FALSE(core_.overdue(now_ + absl::Seconds(35)));
}

// Random refusals, broken streams, lost requests and answers: each value is in the log exactly once and in order, or it failed.
class ProduceCoreCampaign : public ProduceCoreTest, public ::testing::WithParamInterface<int> {};

TEST_P(ProduceCoreCampaign, EveryRecordExactlyOnceAndInOrder) {
  std::mt19937 random(static_cast<unsigned>(GetParam()));
  constexpr Reason kRefusals[] = {Reason::kLeaderNotAvailable, Reason::kThrottled, Reason::kRequestTimedOut, Reason::kNotEnoughReplicas};
  Open(3);
  int next = 0;
  for (int turn = 0; turn < 300; ++turn) {
    if (core_.wants_producer_id()) GiveId();
    const int what = static_cast<int>(random() % 10);
    if (what < 4) Enqueue(std::to_string(next++) + "-", 1 + static_cast<int>(random() % 3), random() % 3);
    if (what < 8) SendAll();
    if (what == 5) LoseAnswers();
    if (what == 6) Break();
    if (what == 7 && !sent_.empty()) RefuseOldest(kRefusals[random() % 4]);
    if (what >= 8) AnswerAll();
    core_.Tick(now_ += absl::Milliseconds(1));
    Check();
  }
  RunToEnd();
  EXPECT_EQ(outcome_.find("_"), std::string::npos) << outcome_;
  std::set<std::string> all;
  for (const PaperLog& log : logs_) {
    int last = -1;
    for (const std::string& value : log.values) {
      EXPECT_TRUE(all.insert(value).second) << value << " twice";
      EXPECT_GE(std::stoi(value), last);
      last = std::stoi(value);
    }
  }
}

INSTANTIATE_TEST_SUITE_P(Seeds, ProduceCoreCampaign, ::testing::Range(1, 200));

}  // namespace
}  // namespace cordwood::client
