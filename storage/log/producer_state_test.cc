// SPDX-License-Identifier: Apache-2.0
// Which sequences of idempotent producers may be appended, and what is remembered of them.
#include "storage/log/producer_state.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "storage/log/test_bytes.h"

namespace cordwood {
namespace {

constexpr std::int32_t kSequenceMax = INT32_MAX;

// A log with one small language: Append("7/0 0-9") is producer 7, epoch 0, sequences 0 to 9; Check() says what would become of a batch.
class ProducerStateTest : public ::testing::Test {
 protected:
  explicit ProducerStateTest(ProducerLimits limits = {}) : state_(limits) {}

  static HeaderBatch Batch(std::int64_t producer, std::int16_t epoch, std::int32_t first, std::int32_t last) {
    return {producer, epoch, first, static_cast<std::int32_t>((static_cast<std::uint32_t>(last - first) & 0x7FFF'FFFF) + 1), 0};
  }

  // At the log end, ten offsets long whatever its sequences.
  void Append(HeaderBatch batch, std::int64_t append_ms = 0) {
    batch.offset = end_;
    end_ += 10;
    state_.Apply(HeaderBatches({batch}).views()[0], append_ms);
    ASSERT_TRUE(state_.Invariants().ok()) << state_.Invariants();
  }

  // "ok", "dup@20" (base offset), "dup#0" (first of the entry), or the reason's name; for each batch, or the refusal alone.
  std::string Check(const std::vector<HeaderBatch>& batches, std::int64_t append_ms = -1) const {
    const HeaderBatches entry(batches);
    const auto verdicts = state_.Check(entry.views(), append_ms);
    if (!verdicts.ok()) return std::string(ReasonName(ReasonOf(verdicts.status())));
    std::string all;
    for (const AppendVerdict& verdict : *verdicts) {
      if (!all.empty()) all += ' ';
      if (!verdict.duplicate) all += "ok";
      else if (verdict.duplicate_of >= 0) all += "dup#" + std::to_string(verdict.duplicate_of);
      else all += "dup@" + ToString(verdict.base_offset);
    }
    return all;
  }

  ProducerState state_;
  std::int64_t end_ = 0;
};

TEST_F(ProducerStateTest, BatchOfNoProducerAlwaysPasses) {
  EXPECT_EQ(Check({HeaderBatch{}}), "ok");
  Append(HeaderBatch{});
  EXPECT_EQ(state_.size(), 0);
}

TEST_F(ProducerStateTest, NewProducerStartsAtZero) {
  EXPECT_EQ(Check({Batch(7, 0, 0, 9)}), "ok");
  EXPECT_EQ(Check({Batch(7, 5, 0, 9)}), "ok");
  EXPECT_EQ(Check({Batch(7, 0, 1, 9)}), "UNKNOWN_PRODUCER_ID");
}

TEST_F(ProducerStateTest, NextSequencePassesAndAGapDoesNot) {
  Append(Batch(7, 0, 0, 9));
  EXPECT_EQ(Check({Batch(7, 0, 10, 10)}), "ok");
  EXPECT_EQ(Check({Batch(7, 0, 11, 11)}), "OUT_OF_ORDER_SEQUENCE_NUMBER");
}

TEST_F(ProducerStateTest, DuplicateIsAnsweredWithItsOriginalOffset) {
  Append(Batch(7, 0, 0, 9));
  Append(Batch(8, 0, 0, 0));
  Append(Batch(7, 0, 10, 14));
  EXPECT_EQ(Check({Batch(7, 0, 0, 9)}), "dup@0");
  EXPECT_EQ(Check({Batch(7, 0, 10, 14)}), "dup@20");
}

TEST_F(ProducerStateTest, TheLastFiveBatchesAreRememberedAndNoMore) {
  for (int i = 0; i < 6; ++i) Append(Batch(7, 0, i, i));
  EXPECT_EQ(Check({Batch(7, 0, 0, 0)}), "DUPLICATE_SEQUENCE_NUMBER");
  for (int i = 1; i < 6; ++i) EXPECT_EQ(Check({Batch(7, 0, i, i)}), "dup@" + std::to_string(10 * i));
  EXPECT_EQ(Check({Batch(7, 0, 6, 6)}), "ok");
}

TEST_F(ProducerStateTest, AppendedSequencesInOtherBatchesAreNoExactDuplicate) {
  Append(Batch(7, 0, 0, 9));
  EXPECT_EQ(Check({Batch(7, 0, 0, 4)}), "DUPLICATE_SEQUENCE_NUMBER");
  EXPECT_EQ(Check({Batch(7, 0, 5, 9)}), "DUPLICATE_SEQUENCE_NUMBER");
}

// Saying "duplicate" to it would lose sequence 10.
TEST_F(ProducerStateTest, BatchThatOverlapsAndGoesOnIsOutOfOrder) {
  Append(Batch(7, 0, 0, 9));
  EXPECT_EQ(Check({Batch(7, 0, 5, 10)}), "OUT_OF_ORDER_SEQUENCE_NUMBER");
  EXPECT_EQ(Check({Batch(7, 0, 0, 10)}), "OUT_OF_ORDER_SEQUENCE_NUMBER");
}

TEST_F(ProducerStateTest, OlderEpochIsFenced) {
  Append(Batch(7, 3, 0, 9));
  EXPECT_EQ(Check({Batch(7, 2, 10, 10)}), "INVALID_PRODUCER_EPOCH");
  EXPECT_EQ(Check({Batch(7, 2, 0, 9)}), "INVALID_PRODUCER_EPOCH");
}

TEST_F(ProducerStateTest, NegativeEpochIsRefused) { EXPECT_EQ(Check({Batch(7, -1, 0, 0)}), "INVALID_PRODUCER_EPOCH"); }

TEST_F(ProducerStateTest, NewEpochStartsAtZeroAndForgetsTheOldOne) {
  Append(Batch(7, 3, 0, 9));
  EXPECT_EQ(Check({Batch(7, 4, 10, 10)}), "OUT_OF_ORDER_SEQUENCE_NUMBER");
  EXPECT_EQ(Check({Batch(7, 4, 0, 9)}), "ok");
  Append(Batch(7, 4, 0, 4));
  EXPECT_EQ(Check({Batch(7, 4, 0, 4)}), "dup@10");
  EXPECT_EQ(Check({Batch(7, 4, 0, 9)}), "OUT_OF_ORDER_SEQUENCE_NUMBER");
}

class SequenceWrapTest : public ProducerStateTest {
 protected:
  // Up to 2^31-3; no real producer gets here in one batch, the log does not mind.
  SequenceWrapTest() { Append(Batch(7, 0, 0, kSequenceMax - 2)); }
};

TEST_F(SequenceWrapTest, ZeroFollowsTheLargestSequence) {
  Append(Batch(7, 0, kSequenceMax - 1, kSequenceMax));
  EXPECT_EQ(Check({Batch(7, 0, 0, 0)}), "ok");
  EXPECT_EQ(Check({Batch(7, 0, 1, 1)}), "OUT_OF_ORDER_SEQUENCE_NUMBER");
}

TEST_F(SequenceWrapTest, BatchMayWrapInside) {
  EXPECT_EQ(Check({Batch(7, 0, kSequenceMax - 1, 3)}), "ok");
  Append(Batch(7, 0, kSequenceMax - 1, 3));
  EXPECT_EQ(Check({Batch(7, 0, 4, 4)}), "ok");
}

TEST_F(SequenceWrapTest, DuplicateOfAWrappedBatchIsFound) {
  Append(Batch(7, 0, kSequenceMax - 1, 3));
  EXPECT_EQ(Check({Batch(7, 0, kSequenceMax - 1, 3)}), "dup@10");
  EXPECT_EQ(Check({Batch(7, 0, kSequenceMax - 1, 2)}), "DUPLICATE_SEQUENCE_NUMBER");
}

TEST_F(SequenceWrapTest, OlderThanTheWindowIsSeenAcrossTheWrap) {
  Append(Batch(7, 0, kSequenceMax - 1, kSequenceMax));
  for (int i = 0; i < 5; ++i) Append(Batch(7, 0, i, i));
  EXPECT_EQ(Check({Batch(7, 0, kSequenceMax - 1, kSequenceMax)}), "DUPLICATE_SEQUENCE_NUMBER");
  EXPECT_EQ(Check({Batch(7, 0, kSequenceMax - 1, 0)}), "DUPLICATE_SEQUENCE_NUMBER");
}

// "Behind" ends half the ring away, at 2^30.
TEST_F(SequenceWrapTest, HalfTheRingSeparatesBehindFromAhead) {
  Append(Batch(7, 0, kSequenceMax - 1, 3));
  const std::int32_t oldest = 3 + 1 + (1 << 30);  // 3 - (2^30 - 1), on the ring
  EXPECT_EQ(Check({Batch(7, 0, oldest, oldest)}), "DUPLICATE_SEQUENCE_NUMBER");
  EXPECT_EQ(Check({Batch(7, 0, oldest - 1, oldest - 1)}), "OUT_OF_ORDER_SEQUENCE_NUMBER");
}

TEST_F(ProducerStateTest, BatchesOfOneEntryFollowEachOther) {
  Append(Batch(7, 0, 0, 9));
  EXPECT_EQ(Check({Batch(7, 0, 10, 10), Batch(7, 0, 11, 12), Batch(7, 0, 13, 13)}), "ok ok ok");
  EXPECT_EQ(Check({Batch(7, 0, 10, 10), Batch(7, 0, 12, 12)}), "OUT_OF_ORDER_SEQUENCE_NUMBER");
  EXPECT_EQ(Check({Batch(7, 0, 11, 12), Batch(7, 0, 10, 10)}), "OUT_OF_ORDER_SEQUENCE_NUMBER");
}

TEST_F(ProducerStateTest, NewProducerMaySendSeveralBatchesAtOnce) {
  EXPECT_EQ(Check({Batch(7, 0, 0, 4), Batch(8, 0, 0, 0), Batch(7, 0, 5, 5), Batch(8, 0, 1, 1)}), "ok ok ok ok");
}

TEST_F(ProducerStateTest, EpochMayRiseInsideAnEntry) {
  Append(Batch(7, 0, 0, 9));
  EXPECT_EQ(Check({Batch(7, 1, 0, 0), Batch(7, 1, 1, 1)}), "ok ok");
  EXPECT_EQ(Check({Batch(7, 1, 0, 0), Batch(7, 0, 10, 10)}), "INVALID_PRODUCER_EPOCH");
}

TEST_F(ProducerStateTest, DuplicatesInsideAnEntryNameTheirOriginal) {
  Append(Batch(7, 0, 0, 9));
  EXPECT_EQ(Check({Batch(7, 0, 0, 9), Batch(7, 0, 10, 10), Batch(7, 0, 10, 10), Batch(7, 0, 11, 11)}), "dup@0 ok dup#1 ok");
  EXPECT_EQ(Check({Batch(8, 0, 0, 0), Batch(8, 0, 0, 0)}), "ok dup#0");
}

TEST_F(ProducerStateTest, CheckChangesNothing) {
  Append(Batch(7, 0, 0, 9));
  const std::string before = state_.Encode(Offset(end_));
  EXPECT_EQ(Check({Batch(7, 0, 10, 10), Batch(8, 0, 0, 0), Batch(7, 1, 0, 0)}), "ok ok ok");
  EXPECT_EQ(state_.Encode(Offset(end_)), before);
}

TEST_F(ProducerStateTest, RefusalSaysWhoAndWhatWasExpected) {
  Append(Batch(7, 0, 0, 9));
  const HeaderBatches entry({Batch(7, 0, 12, 13)});
  EXPECT_EQ(MessageOf(state_.Check(entry.views()).status()), "producer 7 epoch 0, sequences 12-13: the next one is 10");
}

// Without the rollback, the retry below would be taken for a duplicate of what the log no longer has: a lost write.
TEST_F(ProducerStateTest, TruncatedBatchIsNoDuplicate) {
  Append(Batch(7, 0, 0, 9));
  Append(Batch(7, 0, 10, 10));
  state_.TruncateTo(Offset(10));
  EXPECT_EQ(Check({Batch(7, 0, 10, 10)}), "ok");
  EXPECT_EQ(Check({Batch(7, 0, 0, 9)}), "dup@0");
}

TEST_F(ProducerStateTest, ProducerWithoutRememberedBatchesIsForgotten) {
  Append(Batch(7, 0, 0, 9));
  Append(Batch(8, 0, 0, 9));
  state_.TruncateTo(Offset(10));
  EXPECT_EQ(state_.size(), 1);
  EXPECT_EQ(Check({Batch(8, 0, 0, 9)}), "ok");
  EXPECT_EQ(Check({Batch(8, 0, 10, 10)}), "UNKNOWN_PRODUCER_ID");
}

TEST_F(ProducerStateTest, TruncationToNothingIsAnEmptyState) {
  Append(Batch(7, 0, 0, 9), 1000);
  state_.TruncateTo(Offset(0));
  EXPECT_EQ(state_.Encode(Offset(0)), ProducerState().Encode(Offset(0)));
}

TEST_F(ProducerStateTest, ClockFallsBackWithTruncation) {
  Append(Batch(7, 0, 0, 9), 1000);
  Append(HeaderBatch{}, 9'999'999'999'999);  // a leader whose clock ran ahead
  Append(Batch(8, 0, 0, 0), 9'999'999'999'999);
  state_.TruncateTo(Offset(10));
  Append(Batch(9, 0, 0, 0), 2000);
  EXPECT_EQ(Check({Batch(9, 0, 1, 1)}), "ok");
  ProducerState expected;
  HeaderBatch nine = Batch(9, 0, 0, 0);
  nine.offset = 30;
  expected.Apply(HeaderBatches({nine}).views()[0], 2000);
  EXPECT_EQ(state_.Encode(Offset(40)), expected.Encode(Offset(40)));  // 7 had expired by the clock that ran ahead, and stays forgotten
}

class ProducerExpiryTest : public ProducerStateTest {
 protected:
  ProducerExpiryTest() : ProducerStateTest({.producers_max = 3, .expiration_ms = 100}) {}
};

TEST_F(ProducerExpiryTest, ProducerExpiresByTheLogsClock) {
  Append(Batch(7, 0, 0, 0), 1000);
  Append(Batch(8, 0, 0, 0), 1100);
  EXPECT_EQ(Check({Batch(7, 0, 1, 1)}), "ok");  // not older than 100 ms yet
  Append(Batch(8, 0, 1, 1), 1101);
  EXPECT_EQ(Check({Batch(7, 0, 1, 1)}), "UNKNOWN_PRODUCER_ID");
  EXPECT_EQ(state_.size(), 1);
}

TEST_F(ProducerExpiryTest, BatchesOfNoProducerMoveTheClock) {
  Append(Batch(7, 0, 0, 0), 1000);
  Append(HeaderBatch{}, 1101);
  EXPECT_EQ(state_.size(), 0);
}

TEST_F(ProducerExpiryTest, AppendingKeepsAProducerAlive) {
  for (int i = 0; i < 10; ++i) Append(Batch(7, 0, i, i), 1000 + 100 * i);
  EXPECT_EQ(Check({Batch(7, 0, 10, 10)}), "ok");
}

// The leader judged it by the clock before the batch; the batch itself must not expire its own producer on the way in.
TEST_F(ProducerExpiryTest, ProducerThatComesBackAfterSilenceOfAllGoesOn) {
  Append(Batch(7, 0, 0, 0), 1000);
  EXPECT_EQ(Check({Batch(7, 0, 1, 1)}, 5000), "ok");
  Append(Batch(7, 0, 1, 1), 5000);
  EXPECT_EQ(Check({Batch(7, 0, 0, 0)}), "dup@0");
}

TEST_F(ProducerExpiryTest, ExpiredProducerStartsAnew) {
  Append(Batch(7, 4, 0, 0), 1000);
  Append(HeaderBatch{}, 2000);
  EXPECT_EQ(Check({Batch(7, 0, 0, 0)}), "ok");
  Append(Batch(7, 0, 0, 0), 2000);
  EXPECT_EQ(Check({Batch(7, 0, 0, 0)}), "dup@20");
}

TEST_F(ProducerExpiryTest, ClockThatGoesBackInTheLogStandsStill) {
  Append(Batch(7, 0, 0, 0), 1000);
  Append(Batch(8, 0, 0, 0), 500);
  Append(HeaderBatch{}, 1090);
  EXPECT_EQ(state_.size(), 2);
}

TEST_F(ProducerExpiryTest, NewProducerAboveTheBoundIsRefusedAndKnownOnesGoOn) {
  for (int id = 1; id <= 3; ++id) Append(Batch(id, 0, 0, 0), 1000);
  EXPECT_EQ(Check({Batch(4, 0, 0, 0)}), "LIMIT_EXCEEDED");
  EXPECT_EQ(Check({Batch(1, 0, 1, 1)}), "ok");
}

TEST_F(ProducerExpiryTest, NewProducersOfOneEntryCountTogether) {
  Append(Batch(1, 0, 0, 0), 1000);
  EXPECT_EQ(Check({Batch(2, 0, 0, 0), Batch(3, 0, 0, 0), Batch(2, 0, 1, 1)}), "ok ok ok");
  EXPECT_EQ(Check({Batch(2, 0, 0, 0), Batch(3, 0, 0, 0), Batch(4, 0, 0, 0)}), "LIMIT_EXCEEDED");
}

// All three have long expired by the wall clock, but nothing has moved the log's: without a look at the new append's time the
// partition would be closed to new producers for ever.
TEST_F(ProducerExpiryTest, FullPartitionThatStoodStillTakesNewProducers) {
  for (int id = 1; id <= 3; ++id) Append(Batch(id, 0, 0, 0), 1000 + id);
  EXPECT_EQ(Check({Batch(4, 0, 0, 0)}, 1101), "LIMIT_EXCEEDED");
  EXPECT_EQ(Check({Batch(4, 0, 0, 0)}, 1102), "ok");
  EXPECT_EQ(Check({Batch(4, 0, 0, 0), Batch(5, 0, 0, 0)}, 1102), "LIMIT_EXCEEDED");
  EXPECT_EQ(Check({Batch(4, 0, 0, 0), Batch(5, 0, 0, 0)}, 1103), "ok ok");
  Append(Batch(4, 0, 0, 0), 1102);
  EXPECT_EQ(state_.size(), 3);
}

TEST_F(ProducerExpiryTest, WhoAppendedLatelyStillCountsAtTheBound) {
  for (int id = 1; id <= 3; ++id) Append(Batch(id, 0, 0, 0), 1000);
  for (int id = 1; id <= 3; ++id) Append(Batch(id, 0, 1, 1), 1050);
  EXPECT_EQ(Check({Batch(4, 0, 0, 0)}, 1150), "LIMIT_EXCEEDED");
  EXPECT_EQ(Check({Batch(4, 0, 0, 0)}, 1151), "ok");
}

TEST_F(ProducerExpiryTest, FollowerTakesWhateverItsLeaderTook) {
  for (int id = 1; id <= 5; ++id) Append(Batch(id, 0, 0, 0), 1000);
  EXPECT_EQ(state_.size(), 5);
}

}  // namespace
}  // namespace cordwood
