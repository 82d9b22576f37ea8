// SPDX-License-Identifier: Apache-2.0
// What goes in comes out: produce and fetch, unary.
#include <thread>

#include "tests/integration/broker_fixture.h"

namespace cordwood::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::SizeIs;

class ProduceFetchTest : public BrokerTest {};

TEST_F(ProduceFetchTest, PlainRecordsComeBackAsBatches) {
  CreateTopic("t");
  EXPECT_EQ(Append("t", {"a", "b"}), 0);
  EXPECT_EQ(Append("t", {"c"}), 2);
  EXPECT_EQ(Values("t"), "a b c");
  EXPECT_EQ(Values("t", 0, 1), "b c");
}

TEST_F(ProduceFetchTest, ARecordKeepsKeyNullsHeadersAndTime) {
  CreateTopic("t");
  v1::ProduceRequest request = RecordsRequest("t", 0, {"v"});
  v1::Record& sent = *request.mutable_entries(0)->mutable_records(0);
  sent.set_key(std::string("k\0y", 3));
  sent.set_timestamp_ms(NowMs() - 5000);
  sent.add_headers()->set_key("null");
  *sent.add_headers()->mutable_key() = "full";
  sent.mutable_headers(1)->set_value("x");
  request.mutable_entries(0)->add_records();
  ASSERT_EQ(client().Produce(request).value_or(-1), 0);
  v1::FetchRequest fetch = FetchFrom("t", 0, 0);
  fetch.set_as_records(true);
  const auto result = client().Fetch(fetch);
  ASSERT_TRUE(result.ok()) << result.status();
  ASSERT_THAT(result->records(), SizeIs(2));
  EXPECT_EQ(result->records(0).SerializeAsString(), sent.SerializeAsString());  // offset 0 is not on the wire
  EXPECT_FALSE(result->records(1).has_key() || result->records(1).has_value());
  EXPECT_EQ(result->records(1).offset(), 1);
}

TEST_F(ProduceFetchTest, BatchesOfEveryCodecComeBackByteForByte) {
  CreateTopic("t");
  std::int64_t end = 0;
  for (const Codec codec : kAllCodecs) {
    std::string batch = Batch({"x", "y"}, {}, codec);
    ASSERT_EQ(client().ProduceBatches("t", 0, batch).value_or(-1), end) << CodecName(codec);
    const auto result = client().Fetch(FetchFrom("t", 0, end));
    ASSERT_TRUE(result.ok()) << result.status();
    StampBatch(batch.data(), Offset(end), LeaderEpoch(result->leader_epoch()));
    EXPECT_EQ(result->batches(), batch) << CodecName(codec);
    end += 2;
  }
  EXPECT_EQ(Values("t"), "x y x y x y x y x y");
}

TEST_F(ProduceFetchTest, SeveralBatchesOfAnEntryGetAnOffsetEach) {
  CreateTopic("t");
  const auto response = client().Call(&v1::Log::Stub::Produce, BatchesRequest("t", 0, Batch({"a", "b"}) + Batch({"c"}) + Batch({"d"})));
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_THAT(response->done(), SizeIs(1));
  EXPECT_THAT(response->done(0).base_offset(), ElementsAre(0, 2, 3));
  EXPECT_EQ(Values("t"), "a b c d");
}

TEST_F(ProduceFetchTest, EntriesOfSeveralPartitionsAreAnsweredInOrderAndRefusedAlone) {
  CreateTopic("t", 2);
  v1::ProduceRequest request = RecordsRequest("t", 1, {"b"});
  *request.add_entries() = RecordsRequest("missing", 0, {"x"}).entries(0);
  *request.add_entries() = BatchesRequest("t", 0, Batch({"a"}) + Batch({"c"})).entries(0);
  const auto response = client().Call(&v1::Log::Stub::Produce, request);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_THAT(response->done(), SizeIs(1));
  EXPECT_THAT(response->done(0).base_offset(), ElementsAre(0, -1, 0, 1));
  ASSERT_THAT(response->done(0).errors(), SizeIs(1));
  EXPECT_EQ(response->done(0).errors(0).entry(), 1u);
  EXPECT_EQ(response->done(0).errors(0).reason(), v1::UNKNOWN_TOPIC_OR_PARTITION);
  EXPECT_EQ(Values("t", 0) + "|" + Values("t", 1), "a c|b");
}

TEST_F(ProduceFetchTest, WithoutAPartitionTheKeyChooses) {
  CreateTopic("t", 8);
  std::vector<int> chosen;
  for (int i = 0; i < 3; ++i) {
    v1::ProduceRequest request = RecordsRequest("t", 0, {"v"});
    request.mutable_entries(0)->clear_partition();
    request.mutable_entries(0)->mutable_records(0)->set_key("customer-7");
    const auto response = client().Call(&v1::Log::Stub::Produce, request);
    ASSERT_TRUE(response.ok()) << response.status();
    ASSERT_THAT(response->done(0).partition(), SizeIs(1));
    chosen.push_back(response->done(0).partition(0));
  }
  EXPECT_THAT(chosen, ElementsAre(chosen[0], chosen[0], chosen[0]));
  EXPECT_EQ(Values("t", chosen[0]), "v v v");
}

TEST_F(ProduceFetchTest, WithoutPartitionAndKeyPartitionsTakeTurns) {
  CreateTopic("t", 3);
  v1::ProduceRequest request = RecordsRequest("t", 0, {"v"});
  request.mutable_entries(0)->clear_partition();
  for (int i = 0; i < 6; ++i) ASSERT_TRUE(client().Produce(request).ok());
  EXPECT_EQ(LogEnd("t", 0) * 100 + LogEnd("t", 1) * 10 + LogEnd("t", 2), 222);
}

TEST_F(ProduceFetchTest, EveryKindOfAcksAppends) {
  CreateTopic("t");
  for (const v1::Acks acks : {v1::ACKS_DEFAULT, v1::ACKS_LEADER, v1::ACKS_ALL, v1::ACKS_NONE}) {
    v1::ProduceRequest request = RecordsRequest("t", 0, {v1::Acks_Name(acks)});
    request.set_acks(acks);
    EXPECT_TRUE(client().Produce(request).ok());
  }
  EXPECT_TRUE(WaitUntil([&] { return LogEnd("t") == 4; }));
  EXPECT_EQ(Values("t"), "ACKS_DEFAULT ACKS_LEADER ACKS_ALL ACKS_NONE");
}

TEST_F(ProduceFetchTest, ExpectedOffsetMakesAnAppendConditional) {
  CreateTopic("t");
  v1::ProduceRequest request = RecordsRequest("t", 0, {"a"});
  request.mutable_entries(0)->set_expected_offset(0);
  EXPECT_EQ(client().Produce(request).value_or(-1), 0);
  const auto again = client().Produce(request);
  EXPECT_EQ(ReasonOf(again.status()), Reason::kExpectedOffsetMismatch) << again.status();
  EXPECT_EQ(Values("t"), "a");
}

TEST_F(ProduceFetchTest, LogAppendTimeIsTheBrokersAndIsAnswered) {
  CreateTopic("t", 1, {{"message.timestamp.type", "LogAppendTime"}});
  v1::ProduceRequest request = RecordsRequest("t", 0, {"a", "b"});
  request.mutable_entries(0)->mutable_records(0)->set_timestamp_ms(1);
  const std::int64_t before = NowMs();
  const auto response = client().Call(&v1::Log::Stub::Produce, request);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_THAT(response->done(0).append_time_ms(), SizeIs(1));
  const std::int64_t time = response->done(0).append_time_ms(0);
  EXPECT_TRUE(time >= before && time <= NowMs()) << time;
  const auto records = client().FetchAll("t", 0);
  ASSERT_TRUE(records.ok()) << records.status();
  EXPECT_EQ((*records)[0].timestamp_ms(), time);
}

TEST_F(ProduceFetchTest, AProducersDuplicateIsAnsweredWithItsFirstOffsetAndNotAppended) {
  CreateTopic("t");
  const std::int64_t producer = client().InitProducer().value_or(-1);
  ASSERT_GE(producer, 0);
  const std::string first = Batch({"a", "b"}, Stamp(producer, 0)), second = Batch({"c"}, Stamp(producer, 2));
  EXPECT_EQ(client().ProduceBatches("t", 0, first).value_or(-1), 0);
  EXPECT_EQ(client().ProduceBatches("t", 0, second).value_or(-1), 2);
  EXPECT_EQ(client().ProduceBatches("t", 0, first).value_or(-1), 0);
  KillAndRestart();
  EXPECT_EQ(client().ProduceBatches("t", 0, first).value_or(-1), 0);
  EXPECT_EQ(client().ProduceBatches("t", 0, second).value_or(-1), 2);
  EXPECT_EQ(Values("t"), "a b c");
}

TEST_F(ProduceFetchTest, ProducerIdsAreNeverGivenTwice) {
  const std::int64_t first = client().InitProducer().value_or(-1), second = client().InitProducer().value_or(-1);
  EXPECT_LT(first, second);
  KillAndRestart();
  EXPECT_LT(second, client().InitProducer().value_or(-1));
}

TEST_F(ProduceFetchTest, AFetchHonoursMaxBytesButGivesOneBatch) {
  CreateTopic("t");
  const std::string big(100'000, 'x');
  for (int i = 0; i < 4; ++i) ASSERT_TRUE(client().ProduceBatches("t", 0, Batch({big})).ok());
  v1::FetchRequest request = FetchFrom("t", 0, 0);
  request.set_max_bytes(1);
  const auto one = client().Fetch(request);
  ASSERT_TRUE(one.ok()) << one.status();
  EXPECT_GT(one->batches().size(), 100'000u);
  EXPECT_LT(one->batches().size(), 101'000u);
  request.set_max_bytes(250'000);
  const auto two = client().Fetch(request);
  ASSERT_TRUE(two.ok()) << two.status();
  EXPECT_GT(two->batches().size(), 200'000u);
  EXPECT_LT(two->batches().size(), 300'000u);
}

TEST_F(ProduceFetchTest, SeveralPartitionsAreFetchedAtOnce) {
  CreateTopic("t", 2);
  Append("t", {"a"}, 0);
  Append("t", {"b"}, 1);
  v1::FetchRequest request = FetchFrom("t", 0, 0);
  request.set_as_records(true);
  *request.add_partitions() = FetchFrom("t", 1, 0).partitions(0);
  const auto response = client().Call(&v1::Log::Stub::Fetch, request);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_THAT(response->results(), SizeIs(2));
  EXPECT_EQ(response->results(0).records(0).value() + response->results(1).records(0).value(), "ab");
  EXPECT_EQ(response->results(0).high_watermark() + response->results(1).high_watermark(), 2);
}

TEST_F(ProduceFetchTest, AtTheEndAFetchAnswersAtOnceWithoutRecords) {
  CreateTopic("t");
  Append("t", {"a"});
  const auto result = client().Fetch(FetchFrom("t", 0, 1));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->batches().empty());
  EXPECT_EQ(result->high_watermark(), 1);
}

TEST_F(ProduceFetchTest, AWaitingFetchEndsWithItsTime) {
  CreateTopic("t");
  v1::FetchRequest request = FetchFrom("t", 0, 0);
  request.set_min_bytes(1);
  request.set_max_wait_ms(200);
  const absl::Time begin = absl::Now();
  const auto result = client().Fetch(request);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_TRUE(result->batches().empty());
  EXPECT_GE(absl::Now() - begin, absl::Milliseconds(190));
  EXPECT_LT(absl::Now() - begin, absl::Seconds(10));
}

TEST_F(ProduceFetchTest, AWaitingFetchIsWokenByProduce) {
  CreateTopic("t");
  v1::FetchRequest request = FetchFrom("t", 0, 0);
  request.set_min_bytes(1);
  request.set_max_wait_ms(60'000);
  std::thread producer([this] { Append("t", {"woken"}); });
  const absl::Time begin = absl::Now();
  const auto result = client().Fetch(request);
  producer.join();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->batches().empty());
  EXPECT_LT(absl::Now() - begin, absl::Seconds(20));
}

TEST_F(ProduceFetchTest, ATopicIdNamesATopicAndDiesWithIt) {
  CreateTopic("t");
  v1::DescribeTopicRequest describe;
  describe.set_name("t");
  const auto described = client().Call(&v1::Admin::Stub::DescribeTopic, describe);
  ASSERT_TRUE(described.ok()) << described.status();
  v1::ProduceRequest request = RecordsRequest("ignored", 0, {"a"});
  request.mutable_entries(0)->set_topic_id(described->topic().topic_id());
  EXPECT_EQ(client().Produce(request).value_or(-1), 0);
  ASSERT_TRUE(client().DeleteTopic("t").ok());
  CreateTopic("t");
  EXPECT_EQ(ReasonOf(client().Produce(request).status()), Reason::kUnknownTopicId);
  EXPECT_EQ(Values("t"), "");
}

}  // namespace
}  // namespace cordwood::testing
