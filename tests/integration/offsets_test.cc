// SPDX-License-Identifier: Apache-2.0
// Offsets by position, time and epoch; the log start moved by hand and by retention.
#include "tests/integration/broker_fixture.h"

namespace cordwood::testing {
namespace {

using ::testing::SizeIs;

class OffsetsTest : public BrokerTest {
 protected:
  using Query = v1::ListOffsetsRequest::Query;
  // `position` sets the query's position; topic "t", partition 0.
  template <class Position>
  v1::ListOffsetsResponse::Answer List(Position position) {
    v1::ListOffsetsRequest request;
    Query& query = *request.add_queries();
    query.mutable_partition()->set_topic("t");
    position(query);
    const auto response = client().Call(&v1::Log::Stub::ListOffsets, request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() && response->answers_size() == 1 ? response->answers(0) : v1::ListOffsetsResponse::Answer();
  }
  std::int64_t At(std::int64_t ms) {
    return List([&](Query& q) { q.set_timestamp_ms(ms); }).offset();
  }
  void AppendAt(std::int64_t ms, const std::string& value) {
    v1::ProduceRequest request = RecordsRequest("t", 0, {value});
    request.mutable_entries(0)->mutable_records(0)->set_timestamp_ms(ms);
    ASSERT_TRUE(client().Produce(request).ok());
  }
};

TEST_F(OffsetsTest, AnEmptyLogBeginsAndEndsAtZero) {
  CreateTopic("t");
  EXPECT_EQ(client().LogStart("t").value_or(-1), 0);
  EXPECT_EQ(LogEnd("t"), 0);
  EXPECT_EQ(At(0), 0);
}

TEST_F(OffsetsTest, ATimeFindsTheFirstRecordThatIsNotOlder) {
  CreateTopic("t");
  const std::int64_t t0 = NowMs() - 10'000;
  for (int i = 0; i < 5; ++i) AppendAt(t0 + i * 1000, std::to_string(i));
  EXPECT_EQ(At(0), 0);
  EXPECT_EQ(At(t0), 0);
  EXPECT_EQ(At(t0 + 1), 1);
  EXPECT_EQ(At(t0 + 3000), 3);
  EXPECT_EQ(At(t0 + 3001), 4);
  EXPECT_EQ(At(t0 + 4001), 5);
  const auto found = List([&](Query& q) { q.set_timestamp_ms(t0 + 1500); });
  EXPECT_EQ(found.timestamp_ms(), t0 + 2000);
  EXPECT_EQ(found.high_watermark(), 5);
}

TEST_F(OffsetsTest, ATimeFindsARecordInsideABatch) {
  CreateTopic("t");
  const std::int64_t t0 = NowMs() - 10'000;
  const std::vector<RecordView> records = {{Offset(0), t0, {}, "a", {}}, {Offset(0), t0 + 10, {}, "b", {}}, {Offset(0), t0 + 20, {}, "c", {}}};
  ASSERT_TRUE(client().ProduceBatches("t", 0, BuildBatch(records, Codec::kZstd)).ok());
  EXPECT_EQ(At(t0 + 5), 1);
  EXPECT_EQ(At(t0 + 20), 2);
  EXPECT_EQ(At(t0 + 21), 3);
}

TEST_F(OffsetsTest, TheLargestTimestampIsFoundWhereverItLies) {
  CreateTopic("t");
  const std::int64_t t0 = NowMs() - 10'000;
  for (const int ms : {0, 500, 900, 300, 100}) AppendAt(t0 + ms, "v");
  const auto found = List([](Query& q) { q.set_max_timestamp(true); });
  EXPECT_EQ(found.offset(), 2);
  EXPECT_EQ(found.timestamp_ms(), t0 + 900);
}

TEST_F(OffsetsTest, DeletedRecordsAreGoneAndStayGone) {
  CreateTopic("t");
  for (const char* value : {"a", "b", "c", "d"}) Append("t", {value});
  EXPECT_EQ(client().DeleteRecords("t", 0, 2).value_or(-1), 2);
  EXPECT_EQ(client().LogStart("t").value_or(-1), 2);
  EXPECT_EQ(Values("t", 0, 2), "c d");
  KillAndRestart();
  EXPECT_EQ(client().LogStart("t").value_or(-1), 2);
  EXPECT_EQ(client().DeleteRecords("t", 0, 1).value_or(-1), 2);
  EXPECT_EQ(client().DeleteRecords("t", 0, -1).value_or(-1), 4);
  EXPECT_EQ(Append("t", {"e"}), 4);
  EXPECT_EQ(Values("t", 0, 4), "e");
}

TEST_F(OffsetsTest, RetentionByTimeMovesTheLogStart) {
  CreateTopic("t");
  Append("t", {"old"});
  v1::AlterTopicConfigRequest shorter;  // a change is looked at within a second, an unchanged topic after ten
  shorter.set_name("t");
  v1::ConfigEntry& entry = *shorter.add_set();
  entry.set_key("retention.ms");
  entry.set_value("1");
  ASSERT_TRUE(client().Call(&v1::Admin::Stub::AlterTopicConfig, shorter).ok());
  EXPECT_TRUE(WaitUntil([&] { return client().LogStart("t").value_or(-1) == 1; }, absl::Seconds(60)));
  EXPECT_EQ(LogEnd("t"), 1);
}

TEST_F(OffsetsTest, AnEpochEndsWhereTheLogEnds) {
  CreateTopic("t");
  Append("t", {"a", "b"});
  const int epoch = client().Fetch(FetchFrom("t", 0, 0))->leader_epoch();
  v1::OffsetForLeaderEpochRequest request;
  auto& query = *request.add_queries();
  query.mutable_partition()->set_topic("t");
  query.set_leader_epoch(epoch);
  const auto response = client().Call(&v1::Log::Stub::OffsetForLeaderEpoch, request);
  ASSERT_TRUE(response.ok()) << response.status();
  ASSERT_THAT(response->answers(), SizeIs(1));
  EXPECT_EQ(response->answers(0).leader_epoch(), epoch);
  EXPECT_EQ(response->answers(0).end_offset(), 2);
}

TEST_F(OffsetsTest, AFetchBelowTheEpochsEndDoesNotDiverge) {
  CreateTopic("t");
  Append("t", {"a", "b"});
  v1::FetchRequest request = FetchFrom("t", 0, 1);
  const int epoch = client().Fetch(request)->leader_epoch();
  request.mutable_partitions(0)->set_last_fetched_epoch(epoch);
  request.mutable_partitions(0)->set_current_leader_epoch(epoch);
  const auto result = client().Fetch(request);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(result->has_diverging());
  EXPECT_FALSE(result->batches().empty());
}

}  // namespace
}  // namespace cordwood::testing
