// SPDX-License-Identifier: Apache-2.0
#include "tests/fault/log_model.h"

#include <gtest/gtest.h>

namespace cordwood::testing {
namespace {

struct ProducerStampOf {
  ProducerId id = kNoProducerId;
  Sequence first{-1};
};

class LogModelTest : public ::testing::Test {
 protected:
  void Append(std::int32_t count, ProducerStampOf producer = {}, std::int64_t append_ms = 1000) {
    auto batch = std::make_shared<ModelBatch>();
    batch->base = model_.log_end;
    batch->count = count;
    batch->bytes = std::string(10, 'b');
    batch->timestamps.assign(static_cast<std::size_t>(count), append_ms);
    batch->append_ms = append_ms;
    batch->epoch = LeaderEpoch(0);
    batch->producer = producer.id;
    batch->producer_epoch = ProducerEpoch(0);
    batch->first_sequence = producer.first;
    model_.Append(std::move(batch), 5000);
  }
  PartitionModel model_;
};

TEST_F(LogModelTest, AnAppendMovesTheEnd) {
  Append(3);
  Append(2);
  EXPECT_EQ(model_.log_end, Offset(5));
  EXPECT_EQ(model_.IndexOf(Offset(3)), 1u);
  EXPECT_EQ(model_.size_bytes(), 20u);
}

TEST_F(LogModelTest, ALogStartInsideABatchKeepsTheBatch) {
  Append(3);
  Append(3);
  model_.SetLogStart(Offset(4));
  EXPECT_EQ(model_.batches.size(), 1u);
  EXPECT_EQ(model_.bytes_before, 10u);
  EXPECT_EQ(model_.BytesBefore(Offset(3)), 10u);
}

TEST_F(LogModelTest, ATruncationInsideABatchRemovesIt) {
  Append(3);
  Append(3);
  model_.Truncate(Offset(5), {LeaderEpoch(2), Offset(5)});
  EXPECT_EQ(model_.log_end, Offset(3));
  EXPECT_EQ(model_.epochs.back(), (EpochStart{LeaderEpoch(2), Offset(5)}));
}

TEST_F(LogModelTest, ABatchSentAgainIsADuplicate) {
  Append(3, {ProducerId(1), Sequence(0)});
  const ModelVerdict again = ExpectedVerdict(model_, ProducerId(1), ProducerEpoch(0), Sequence(0), 3);
  ASSERT_NE(again.original, nullptr);
  EXPECT_EQ(again.original->base, Offset(0));
  EXPECT_EQ(ExpectedVerdict(model_, ProducerId(1), ProducerEpoch(0), Sequence(3), 1).reason, Reason::kNone);
  EXPECT_EQ(ExpectedVerdict(model_, ProducerId(1), ProducerEpoch(0), Sequence(4), 1).reason, Reason::kOutOfOrderSequence);
  EXPECT_EQ(ExpectedVerdict(model_, ProducerId(2), ProducerEpoch(0), Sequence(4), 1).reason, Reason::kUnknownProducerId);
}

TEST_F(LogModelTest, ASilentProducerExpiresByTheLogsClock) {
  Append(1, {ProducerId(1), Sequence(0)}, 1000);
  Append(1, {}, 6001);
  EXPECT_TRUE(model_.producers.empty());
}

TEST_F(LogModelTest, TheFirstLateRecordIsFoundByOffset) {
  Append(2, {}, 1000);
  Append(2, {}, 3000);
  Append(2, {}, 2000);
  EXPECT_EQ(model_.FindTimestamp(Offset(6), 1500)->offset, Offset(2));
  EXPECT_FALSE(model_.FindTimestamp(Offset(2), 1500).has_value());
}

}  // namespace
}  // namespace cordwood::testing
