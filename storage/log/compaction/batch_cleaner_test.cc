// SPDX-License-Identifier: Apache-2.0
#include "storage/log/compaction/batch_cleaner.h"

#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "storage/record/batches_for_test.h"
#include "storage/record/record_reader.h"

namespace cordwood {
namespace {

constexpr Offset kBase{100};

// A batch at kBase of "key=value" words; "key" alone is a tombstone.
std::string BatchAt(const std::vector<std::string>& words, Codec codec = Codec::kNone) {
  std::vector<RecordView> records;
  for (const std::string& word : words) {
    RecordView& record = records.emplace_back();
    const std::string_view text = word;
    const std::size_t equals = text.find('=');
    record.key = text.substr(0, equals);
    if (equals != std::string_view::npos) record.value = text.substr(equals + 1);
    record.timestamp_ms = kTestMs + static_cast<std::int64_t>(records.size());
    record.headers = {{"h", "v"}};
  }
  std::string batch = BuildBatch(records, codec, kTestProducer);
  StampBatch(batch.data(), kBase, LeaderEpoch(3));
  return batch;
}

std::string Words(const std::string& bytes) {
  const RecordBatchView batch = RecordBatchView::Parse(bytes).value();
  EXPECT_EQ(batch.CheckCrc(), absl::OkStatus());
  RecordReader reader(batch);
  EXPECT_EQ(reader.Open(), absl::OkStatus());
  RecordView record;
  std::string words;
  while (reader.Next(&record).value()) {
    words += (words.empty() ? "" : " ") + std::to_string(record.offset.value()) + ":" + std::string(*record.key) +
             (record.value.has_value() ? "=" + std::string(*record.value) : "");
    EXPECT_EQ(record.timestamp_ms, kTestMs + 1 + (record.offset - kBase));
    EXPECT_EQ(record.headers.size(), 1u);
  }
  return words;
}

class BatchCleanerTest : public ::testing::Test {
 protected:
  CleanedBatch Clean(const std::string& batch) { return CleanBatch(RecordBatchView::Parse(batch).value(), {map_, tombstones_from_}).value(); }
  KeyOffsetMap map_{100};
  Offset tombstones_from_{0};
};

TEST_F(BatchCleanerTest, WhatNothingReplacesStaysAsItIs) {
  map_.Put(map_.Prepare("a"), Offset(102));
  map_.Put(map_.Prepare("z"), Offset(500));
  const CleanedBatch cleaned = Clean(BatchAt({"b=1", "c", "a=2"}));
  EXPECT_EQ(cleaned.outcome, CleanedBatch::Outcome::kUnchanged);
  EXPECT_EQ(cleaned.records, 3);
  EXPECT_EQ(cleaned.tombstones, 1);
}

TEST_F(BatchCleanerTest, SurvivorsKeepOffsetsTimesHeadersAndTheBatchItsHeader) {
  map_.Put(map_.Prepare("a"), Offset(104));
  map_.Put(map_.Prepare("b"), Offset(900));
  for (const Codec codec : kAllCodecs) {
    const std::string before = BatchAt({"a=1", "b=1", "c=1", "b=2", "a=2", "d"}, codec);
    const CleanedBatch cleaned = Clean(before);
    ASSERT_EQ(cleaned.outcome, CleanedBatch::Outcome::kRewritten) << CodecName(codec);
    EXPECT_EQ(Words(cleaned.bytes), "102:c=1 104:a=2 105:d") << CodecName(codec);
    // Length, CRC and count differ; nothing else.
    for (const auto& [from, to] : {std::pair{0, 8}, {12, 17}, {21, 57}}) {
      EXPECT_EQ(cleaned.bytes.substr(from, to - from), before.substr(from, to - from)) << CodecName(codec) << " from byte " << from;
    }
  }
}

TEST_F(BatchCleanerTest, TheFirstOfABatchThatStaysIsCopiedToo) {
  map_.Put(map_.Prepare("b"), Offset(900));
  EXPECT_EQ(Words(Clean(BatchAt({"a=1", "b=1", "c=1"})).bytes), "100:a=1 102:c=1");
  EXPECT_EQ(Words(Clean(BatchAt({"a=1", "c=1", "b=1"})).bytes), "100:a=1 101:c=1");
}

TEST_F(BatchCleanerTest, TombstonesGoOnceTheirTimeIsUp) {
  tombstones_from_ = Offset(102);
  EXPECT_EQ(Words(Clean(BatchAt({"a", "b=1", "c", "d"})).bytes), "101:b=1 102:c 103:d");
}

TEST_F(BatchCleanerTest, AnEmptiedBatchIsAHeaderThatCanBeRead) {
  for (const char* key : {"a", "b"}) map_.Put(map_.Prepare(key), Offset(900));
  for (const Codec codec : kAllCodecs) {
    const CleanedBatch cleaned = Clean(BatchAt({"a=1", "b=1"}, codec));
    EXPECT_EQ(cleaned.outcome, CleanedBatch::Outcome::kEmptied);
    EXPECT_EQ(Words(cleaned.bytes), "");
    EXPECT_EQ(RecordBatchView::Parse(cleaned.bytes)->end_offset(), Offset(102));
    EXPECT_EQ(Clean(cleaned.bytes).bytes, cleaned.bytes);
  }
}

TEST_F(BatchCleanerTest, RecordsThatCannotBeReadAreAnError) {
  const std::string torn = WithRecords(BatchAt({"a=1"}), "\x50 cut");
  EXPECT_EQ(ReasonOf(CleanBatch(RecordBatchView::Parse(torn).value(), {map_, tombstones_from_}).status()), Reason::kCorruptMessage);
}

}  // namespace
}  // namespace cordwood
