// SPDX-License-Identifier: Apache-2.0
// Order, positions and memory of what is read ahead; records that own what they show.
#include "client/read_ahead.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <deque>
#include <string>
#include <utility>
#include <vector>

#include "storage/record/batches_for_test.h"

namespace cordwood::client {
namespace {

class ReadAheadTest : public ::testing::Test {
 protected:
  ReadAheadTest() {
    for (std::size_t slot : {0U, 1U}) ahead_.Start(slot, {"t", static_cast<std::int32_t>(slot)}, Offset(0));
  }

  static std::string Bytes(std::int64_t base, int count, Codec codec = Codec::kNone) {
    std::vector<RecordView> records;
    std::vector<std::string> values;
    for (int i = 0; i < count; ++i) values.push_back(std::to_string(base + i));
    for (const std::string& value : values) records.push_back({Offset(0), kTestMs, std::nullopt, value, {}});
    std::string bytes = BuildBatch(records, codec);
    StampBatch(bytes.data(), Offset(base), LeaderEpoch(3));
    return bytes;
  }
  // One chunk of records [base, base + count), alone in its message.
  void Add(std::size_t slot, std::int64_t base, int count, Codec codec = Codec::kNone) {
    AddBytes(slot, base, base + count, Bytes(base, count, codec));
  }
  // One chunk in a message with `others` more bytes. The message.
  SharedBytes AddBytes(std::size_t slot, std::int64_t base, std::int64_t next, const std::string& bytes, std::size_t others = 0) {
    FetchedChunk chunk;
    chunk.slot = slot;
    chunk.message = SharedBytes::CopyOf(bytes + std::string(others, 'x'));
    chunk.batches = chunk.message.view().substr(0, bytes.size());
    chunk.memory_bytes = bytes.size();
    chunk.wanted = Offset(base);
    chunk.next = Offset(next);
    added_ += chunk.memory_bytes;
    SharedBytes message = chunk.message;
    ahead_.Add(std::move(chunk));
    return message;
  }
  void AddError(std::size_t slot) {
    FetchedChunk chunk;
    chunk.slot = slot;
    chunk.status = Error(Reason::kOffsetOutOfRange, "gone");
    chunk.memory_bytes = 1;
    added_ += 1;
    ahead_.Add(std::move(chunk));
  }
  // "partition:value …", or "!slot message".
  std::string Take(std::size_t max = 1000) {
    std::vector<ConsumerRecord> records;
    const auto failed = ahead_.Take(max, &records);
    if (failed.has_value()) return "!" + std::to_string(failed->slot) + " " + MessageOf(failed->status);
    std::string text;
    for (const ConsumerRecord& record : records) {
      EXPECT_EQ(record.value(), std::to_string(record.offset()));
      text += std::to_string(record.partition()) + ":" + std::string(record.value()) + " ";
    }
    return text;
  }
  std::int64_t position(std::size_t slot = 0) const { return ahead_.position(slot).value(); }
  bool AllGivenBack() {
    given_back_ += ahead_.TakeConsumed();
    EXPECT_EQ(ahead_.held_bytes(), added_ - given_back_);
    return given_back_ == added_;
  }

  ReadAhead ahead_{400};
  std::size_t added_ = 0;
  std::size_t given_back_ = 0;
};

TEST_F(ReadAheadTest, RecordsComeInTheOrderOfArrivalAsManyAsWanted) {
  Add(0, 0, 3);
  Add(1, 0, 2);
  Add(0, 3, 1);
  EXPECT_EQ(Take(2), "0:0 0:1 ");
  EXPECT_EQ(position(), 2);
  EXPECT_FALSE(AllGivenBack());
  EXPECT_EQ(Take(2), "0:2 1:0 ");
  EXPECT_EQ(Take(), "1:1 0:3 ");
  EXPECT_EQ(Take(), "");
  EXPECT_EQ(position(), 4);
  EXPECT_TRUE(AllGivenBack());
}

TEST_F(ReadAheadTest, RecordsBeforeTheOneWantedAreSkipped) {
  AddBytes(0, 7, 10, Bytes(2, 4) + Bytes(6, 4));
  EXPECT_EQ(Take(), "0:7 0:8 0:9 ");
}

TEST_F(ReadAheadTest, OffsetsWithoutRecordsAreSteppedOver) {
  AddBytes(0, 0, 20, Bytes(0, 2));
  EXPECT_EQ(Take(), "0:0 0:1 ");
  EXPECT_EQ(Take(), "");
  EXPECT_EQ(position(), 20);
}

TEST_F(ReadAheadTest, AnErrorComesAloneAfterTheRecordsBeforeIt) {
  Add(0, 0, 1);
  AddError(0);
  Add(1, 0, 1);
  EXPECT_EQ(Take(), "0:0 ");
  EXPECT_EQ(Take(), "!0 gone");
  EXPECT_EQ(Take(), "1:0 ");
  EXPECT_TRUE(AllGivenBack());
}

TEST_F(ReadAheadTest, ABatchThatLiesEndsItsPartitionBehindTheSoundRecords) {
  const std::string good = Bytes(0, 3);
  AddBytes(0, 0, 3, WithField(good, 57, std::int32_t{2}));  // one record more than it says
  Add(0, 3, 1);
  Add(1, 0, 1);
  EXPECT_EQ(Take(), "0:0 0:1 ");
  EXPECT_EQ(Take().substr(0, 14), "!0 record 2 of");
  EXPECT_EQ(Take(), "1:0 ");
  EXPECT_TRUE(AllGivenBack());
}

TEST_F(ReadAheadTest, APausedPartitionGoesOnWhereItWas) {
  Add(0, 0, 4, Codec::kZstd);
  EXPECT_EQ(Take(1), "0:0 ");
  ahead_.Pause(0);
  Add(1, 0, 1);
  EXPECT_EQ(Take(), "1:0 ");
  EXPECT_EQ(position(), 1);
  EXPECT_EQ(ahead_.Resume(0), Offset(4));
  EXPECT_EQ(Take(), "0:1 0:2 0:3 ");
  EXPECT_TRUE(AllGivenBack());
}

TEST_F(ReadAheadTest, WhatPausedPartitionsMayNotKeepIsReadAgain) {
  Add(0, 0, 4);
  AddBytes(1, 0, 100, Bytes(0, 100));
  ahead_.Pause(0);
  ahead_.Pause(1);
  EXPECT_EQ(Take(), "");
  EXPECT_EQ(ahead_.Resume(0), Offset(4));
  EXPECT_EQ(ahead_.Resume(1), Offset(0));
  EXPECT_EQ(Take(), "0:0 0:1 0:2 0:3 ");
  EXPECT_TRUE(AllGivenBack());
}

TEST_F(ReadAheadTest, APausedPartitionKeepsItsOwnPartOfAMessageAlone) {
  const std::string bytes = Bytes(0, 3);
  const SharedBytes shared = AddBytes(0, 0, 3, bytes, 10 * bytes.size());
  const SharedBytes own = AddBytes(0, 3, 4, Bytes(3, 1));
  EXPECT_EQ(Take(1), "0:0 ");
  ahead_.Pause(0);
  EXPECT_FALSE(own.unique());
  EXPECT_TRUE(shared.unique());
  EXPECT_EQ(ahead_.Resume(0), Offset(4));
  EXPECT_EQ(Take(), "0:1 0:2 0:3 ");
}

TEST_F(ReadAheadTest, APausedErrorIsTheEndOfItsPartition) {
  AddError(0);
  ahead_.Pause(0);
  EXPECT_EQ(Take(), "");
  EXPECT_EQ(ahead_.Resume(0), std::nullopt);
  EXPECT_EQ(Take(), "!0 gone");
}

TEST_F(ReadAheadTest, ASeekDropsWhatIsHerePausedOrNot) {
  Add(0, 0, 4);
  EXPECT_EQ(Take(1), "0:0 ");
  ahead_.Seek(0, Offset(9));
  EXPECT_EQ(position(), 9);
  EXPECT_TRUE(AllGivenBack());
  Add(0, 9, 2);
  ahead_.Pause(0);
  ahead_.Seek(0, Offset(0));
  EXPECT_TRUE(ahead_.paused(0));
  EXPECT_EQ(ahead_.Resume(0), Offset(0));
  EXPECT_EQ(Take(), "");
  EXPECT_TRUE(AllGivenBack());
}

TEST_F(ReadAheadTest, RecordsOutliveTheirChunkWhateverTheCodec) {
  for (const Codec codec : kAllCodecs) {
    std::vector<ConsumerRecord> records;
    {
      ReadAhead ahead(0);
      ahead.Start(0, {"orders", 5}, Offset(0));
      FetchedChunk chunk;
      chunk.message = SharedBytes::CopyOf(BuildBatch(ThreeRecords(), codec));
      chunk.batches = chunk.message.view();
      chunk.next = Offset(3);
      ahead.Add(std::move(chunk));
      EXPECT_FALSE(ahead.Take(10, &records).has_value());
    }
    ASSERT_EQ(records.size(), 3U) << CodecName(codec);
    EXPECT_EQ(records[0].topic(), "orders");
    EXPECT_EQ(records[0].partition(), 5);
    EXPECT_EQ(records[0].key(), "k1");
    EXPECT_EQ(records[0].value(), "hello");
    EXPECT_TRUE(records[0].headers().empty());
    EXPECT_EQ(records[1].offset(), 1);
    EXPECT_EQ(records[1].timestamp().time_since_epoch().count(), kTestMs + 100);
    EXPECT_FALSE(records[1].has_key());
    ASSERT_EQ(records[1].headers().size(), 2U);
    EXPECT_EQ(records[1].headers()[0], (HeaderView{"h", "v"}));
    EXPECT_EQ(records[1].headers()[1], (HeaderView{"n", std::nullopt}));
    EXPECT_EQ(records[1].header("h"), "v");
    EXPECT_FALSE(records[1].header("n").has_value());
    EXPECT_FALSE(records[2].has_value());
    EXPECT_TRUE(records[2].headers().empty());
  }
}

TEST_F(ReadAheadTest, ACopyShowsWhatTheRecordShowedAndHoldsNoMessage) {
  const std::vector<RecordView> views{{Offset(0), kTestMs, "k", "v", {{"h", "1"}, {"h", std::nullopt}}}, {Offset(0), kTestMs + 1, std::nullopt, std::nullopt, {}},
                                      {Offset(0), kTestMs + 2, "", std::string_view("\0x", 2), {{"", ""}}}};
  std::string bytes = BuildBatch(views);
  StampBatch(bytes.data(), Offset(7), LeaderEpoch(3));
  SharedBytes message = AddBytes(0, 7, 10, bytes);
  std::vector<ConsumerRecord> records;
  ASSERT_FALSE(ahead_.Take(10, &records).has_value());
  std::deque<ConsumerRecord> copies(records.begin(), records.end());
  CopyInPlace(1, &copies);
  EXPECT_EQ(copies[0].value().data(), records[0].value().data());  // it lies before the first that is copied
  CopyInPlace(0, &copies);
  for (std::size_t i = 0; i < records.size(); ++i) {
    EXPECT_EQ(copies[i].topic_partition(), records[i].topic_partition());
    EXPECT_EQ(copies[i].offset(), records[i].offset());
    EXPECT_EQ(copies[i].timestamp(), records[i].timestamp());
    EXPECT_EQ(copies[i].leader_epoch(), 3);
    EXPECT_EQ(std::pair(copies[i].has_key(), copies[i].key()), std::pair(records[i].has_key(), records[i].key()));
    EXPECT_EQ(std::pair(copies[i].has_value(), copies[i].value()), std::pair(records[i].has_value(), records[i].value()));
    EXPECT_TRUE(std::equal(copies[i].headers().begin(), copies[i].headers().end(), records[i].headers().begin(), records[i].headers().end()));
    EXPECT_TRUE(copies[i].value().empty() || copies[i].value().data() != records[i].value().data());
  }
}

}  // namespace
}  // namespace cordwood::client
