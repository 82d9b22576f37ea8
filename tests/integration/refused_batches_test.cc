// SPDX-License-Identifier: Apache-2.0
// Batches that no log may hold: each is refused by its own reason.
#include "tests/integration/refusal_fixture.h"

namespace cordwood::testing {
namespace {

class RefusedBatchTest : public RefusalTest {
 protected:
  static std::string Good() { return Batch({"x", "y"}); }
  static std::string AtTime(std::int64_t ms) { return BuildBatch({{Offset(0), ms, {}, "x", {}}}); }
};

TEST_F(RefusedBatchTest, WrongCrc) {
  std::string batch = Good();
  batch.back() = static_cast<char>(~batch.back());
  ExpectBatchRefused("batch with a flipped byte", batch, Reason::kCorruptMessage, {"orders-0", "CRC"});
  StoreBigEndian(batch.data() + 17, std::uint32_t{0});
  ExpectBatchRefused("batch with CRC 0", batch, Reason::kCorruptMessage);
}

TEST_F(RefusedBatchTest, EveryFlippedByteIsRefused) {
  const std::string good = Good();
  for (std::size_t i = 8; i < good.size(); ++i) {
    if (i >= 12 && i < 16) continue;  // the leader epoch is the broker's to set, and outside the CRC
    std::string batch = good;
    batch[i] = static_cast<char>(~batch[i]);
    const Status status = client().ProduceBatches("orders", 0, batch).status();
    const Reason expected = i == 22 ? Reason::kUnsupportedCompression : Reason::kCorruptMessage;  // the codec's bits are looked at first
    EXPECT_EQ(ReasonOf(status), expected) << i << ": " << status;
  }
}

TEST_F(RefusedBatchTest, EveryCutLengthIsRefused) {
  const std::string good = Good();
  for (std::size_t length = 1; length < good.size(); ++length) {
    const Status status = client().ProduceBatches("orders", 0, good.substr(0, length)).status();
    EXPECT_EQ(ReasonOf(status), Reason::kCorruptMessage) << length << ": " << status;
  }
}

TEST_F(RefusedBatchTest, WrongMagic) {
  ExpectBatchRefused("batch with magic 1", WithField(Good(), 16, std::int8_t{1}), Reason::kCorruptMessage, {"magic"});
}

TEST_F(RefusedBatchTest, WrongLength) {
  const std::string good = Good();
  const auto length = static_cast<std::int32_t>(good.size() - kBatchLengthPrefixBytes);
  ExpectBatchRefused("batch with a length too long", WithField(good, 8, length + 1), Reason::kCorruptMessage);
  ExpectBatchRefused("batch with a length too short", WithField(good, 8, length - 1), Reason::kCorruptMessage);
  ExpectBatchRefused("batch with a negative length", WithField(good, 8, std::int32_t{-1}), Reason::kCorruptMessage);
  ExpectBatchRefused("batch followed by rubbish", good + "rubbish", Reason::kCorruptMessage);
}

TEST_F(RefusedBatchTest, WrongCount) {
  ExpectBatchRefused("batch of 2 records that counts 3", WithField(Good(), 57, std::int32_t{3}), Reason::kInvalidRecord);
  ExpectBatchRefused("batch with a negative count", WithField(Good(), 57, std::int32_t{-1}), Reason::kInvalidRecord);
  ExpectBatchRefused("batch with a wrong last offset delta", WithField(Good(), 23, std::int32_t{7}), Reason::kInvalidRecord);
}

// All of it under a correct CRC: only who walks the records sees it.
TEST_F(RefusedBatchTest, RecordsThatNoConsumerCouldRead) {
  const std::string good = Batch({"x", "y"});
  const std::string two = good.substr(kBatchHeaderBytes);
  const auto expect = [](std::string records) { return WithRecords(Good(), records); };
  const std::string counts_one = WithField(WithField(good, 57, std::int32_t{1}), 23, std::int32_t{0});
  ExpectBatchRefused("batch of 2 records that counts 1", counts_one, Reason::kInvalidRecord, {"orders-0", "behind the last of its 1 records"});
  ExpectBatchRefused("batch with bytes behind its records", expect(two + "zz"), Reason::kInvalidRecord, {"2 bytes behind the last"});
  ExpectBatchRefused("batch whose record is cut", expect(two.substr(0, two.size() - 1)), Reason::kInvalidRecord, {"record 1", "longer than"});
  ExpectBatchRefused("batch of rubbish", expect(std::string(two.size(), '\xff')), Reason::kInvalidRecord, {"record 0", "longer than"});
  std::string records = two;  // a record of one byte: length, attributes, both deltas, key length -1, value length, value, header count
  records[3] = 18;
  ExpectBatchRefused("batch with offset delta 9", expect(records), Reason::kInvalidRecord, {"record 0", "offset delta 9 instead of 0"});
  records = two;
  records[4] = 100;
  ExpectBatchRefused("batch with a key length of 50", expect(records), Reason::kInvalidRecord, {"record 0", "key length"});
}

TEST_F(RefusedBatchTest, TimesThatTheHeaderHides) {
  std::string ahead = AtTime(NowMs() + 7'200'000);
  for (const std::size_t field : {27, 35}) ahead = WithField(ahead, field, NowMs());
  std::string records;
  AppendVarint(&records, 10);
  records.append(1, '\0');
  AppendVarlong(&records, 7'200'000);
  records += std::string("\0\1\2x\0", 5);
  ExpectBatchRefused("record two hours ahead under an honest header", WithRecords(ahead, records), Reason::kInvalidTimestamp,
                     {"record 0", "message.timestamp.after.max.ms"});
  const std::int64_t now = NowMs();
  ExpectBatchRefused("batch with another max timestamp than its records", WithField(AtTime(now), 35, now + 1), Reason::kInvalidTimestamp,
                     {"max timestamp", std::to_string(now)});
}

TEST_F(RefusedBatchTest, ZeroRecords) {
  const std::string empty = WithField(WithField(WithRecords(Good(), ""), 57, std::int32_t{0}), 23, std::int32_t{-1});
  ExpectBatchRefused("batch of zero records", empty, Reason::kInvalidRecord);
  v1::ProduceRequest request = RecordsRequest("orders", 0, {});
  ExpectProduceRefused("entry without records and batches", request, Reason::kInvalidRequest);
}

TEST_F(RefusedBatchTest, ControlAndTransactionalBits) {
  ExpectBatchRefused("batch with the control bit", WithField(Good(), 21, kControlBit), Reason::kInvalidRecord, {"control"});
  ExpectBatchRefused("batch with the transactional bit", WithField(Good(), 21, kTransactionalBit), Reason::kInvalidRecord, {"transaction"});
}

TEST_F(RefusedBatchTest, UnknownCodec) {
  ExpectBatchRefused("batch of codec 7", WithField(Good(), 21, std::int16_t{7}), Reason::kUnsupportedCompression);
}

TEST_F(RefusedBatchTest, OverMaxMessageBytes) {
  ExpectBatchRefused("batch over max.message.bytes", Batch({std::string(1'048'588, 'x')}), Reason::kMessageTooLarge, {"1048588"});
  ExpectProduceRefused("plain records over max.message.bytes", RecordsRequest("orders", 0, {std::string(1'100'000, 'x')}), Reason::kMessageTooLarge);
}

TEST_F(RefusedBatchTest, OverTheReceiveLimit) {
  std::string batches;
  while (batches.size() <= 8 << 20) batches += Batch({std::string(900'000, 'x')});
  const auto own = client().ProduceBatches("orders", 0, batches);
  ExpectRefused("request over socket.request.max.bytes", own.status(), Reason::kMessageTooLarge, {"socket.request.max.bytes"});
  const auto transport = client().ProduceBatches("orders", 0, batches + batches);
  ShowRefusal("request over the transport's limit", transport.status());
  EXPECT_EQ(transport.status().code(), absl::StatusCode::kResourceExhausted) << transport.status();
}

TEST_F(RefusedBatchTest, TimesOutsideTheWindow) {
  ExpectBatchRefused("batch two hours ahead", AtTime(NowMs() + 7'200'000), Reason::kInvalidTimestamp, {"message.timestamp.after.max.ms"});
  CreateTopic("recent", 1, {{"message.timestamp.before.max.ms", "60000"}});
  const auto old = client().ProduceBatches("recent", 0, AtTime(NowMs() - 120'000));
  ExpectRefused("batch two minutes late where one is allowed", old.status(), Reason::kInvalidTimestamp, {"message.timestamp.before.max.ms"});
  v1::ProduceRequest plain = RecordsRequest("recent", 0, {"x"});
  plain.mutable_entries(0)->mutable_records(0)->set_timestamp_ms(NowMs() - 120'000);
  ExpectProduceRefused("plain record two minutes late", plain, Reason::kInvalidTimestamp);
  EXPECT_EQ(LogEnd("recent"), 0);
}

TEST_F(RefusedBatchTest, WrongSequences) {
  CreateTopic("t");
  const std::int64_t producer = client().InitProducer().value_or(-1);
  const auto send = [&](int sequence, int epoch = 0) {
    return client().ProduceBatches("t", 0, Batch({"v"}, Stamp(producer, sequence, epoch))).status();
  };
  ExpectRefused("unknown producer at sequence 5", send(5), Reason::kUnknownProducerId);
  ASSERT_TRUE(send(0, 1).ok());
  ExpectRefused("sequence 2 where 1 is next", send(2, 1), Reason::kOutOfOrderSequence, {"2", "1"});
  ExpectRefused("an older producer epoch", send(1, 0), Reason::kInvalidProducerEpoch);
  for (int i = 1; i <= 6; ++i) ASSERT_TRUE(send(i, 1).ok());
  ExpectRefused("a duplicate older than the five remembered", send(0, 1), Reason::kDuplicateSequence);
  EXPECT_EQ(LogEnd("t"), 7);
}

TEST_F(RefusedBatchTest, OneBadBatchRefusesItsWholeEntryAlone) {
  CreateTopic("t");
  v1::ProduceRequest request = BatchesRequest("orders", 0, Good() + WithField(Good(), 57, std::int32_t{9}));
  *request.add_entries() = RecordsRequest("t", 0, {"good"}).entries(0);
  ExpectProduceRefused("entry whose second batch is bad", request, Reason::kInvalidRecord);
  EXPECT_EQ(Values("t"), "good");
}

}  // namespace
}  // namespace cordwood::testing
