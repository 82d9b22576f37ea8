// SPDX-License-Identifier: Apache-2.0
// Requests about what does not exist, is out of range, or contradicts itself.
#include "tests/integration/refusal_fixture.h"

namespace cordwood::testing {
namespace {

class RefusedRequestTest : public RefusalTest {
 protected:
  void ExpectFetchRefused(std::string_view what, const v1::FetchRequest& request, Reason reason, const std::vector<std::string>& parts = {}) {
    ExpectRefused(what, client().Fetch(request).status(), reason, parts);
  }
  static v1::FetchRequest FetchOrders(std::int64_t offset = 0) { return FetchFrom("orders", 0, offset); }
  v1::EntryError FetchError(std::int64_t offset) {
    const auto response = client().Call(&v1::Log::Stub::Fetch, FetchOrders(offset));
    EXPECT_TRUE(response.ok() && response->results_size() == 1) << response.status();
    return response.ok() && response->results_size() == 1 ? response->results(0).error() : v1::EntryError();
  }
};

TEST_F(RefusedRequestTest, UnknownTopicNamesTheNearest) {
  ExpectProduceRefused("produce to \"order\"", RecordsRequest("order", 0, {"x"}), Reason::kUnknownTopicOrPartition, {"order", "orders"});
  ExpectFetchRefused("fetch from \"oders\"", FetchFrom("oders", 0, 0), Reason::kUnknownTopicOrPartition, {"orders"});
  ExpectRefused("offsets of \"parcel\"", client().LogEnd("parcel").status(), Reason::kUnknownTopicOrPartition, {"parcels"});
  ExpectRefused("delete records of \"parcel\"", client().DeleteRecords("parcel", 0, -1).status(), Reason::kUnknownTopicOrPartition, {"parcels"});
}

TEST_F(RefusedRequestTest, UnknownPartition) {
  ExpectProduceRefused("produce to partition 7 of 2", RecordsRequest("parcels", 7, {"x"}), Reason::kUnknownTopicOrPartition, {"parcels", "7", "2"});
  ExpectProduceRefused("produce to partition -1", RecordsRequest("parcels", -1, {"x"}), Reason::kUnknownTopicOrPartition);
  ExpectFetchRefused("fetch from partition 7 of 2", FetchFrom("parcels", 7, 0), Reason::kUnknownTopicOrPartition, {"7"});
  ExpectRefused("offsets of partition 7 of 2", client().LogEnd("parcels", 7).status(), Reason::kUnknownTopicOrPartition, {"7"});
}

TEST_F(RefusedRequestTest, UnknownTopicId) {
  v1::ProduceRequest produce = RecordsRequest("orders", 0, {"x"});
  produce.mutable_entries(0)->set_topic_id(std::string(16, 'q'));
  ExpectProduceRefused("produce to an unknown topic id", produce, Reason::kUnknownTopicId, {"71717171"});
  v1::FetchRequest fetch = FetchOrders();
  fetch.mutable_partitions(0)->set_topic_id(std::string(16, 'q'));
  ExpectFetchRefused("fetch from an unknown topic id", fetch, Reason::kUnknownTopicId);
  produce.mutable_entries(0)->set_topic_id("short");
  ExpectProduceRefused("a topic id of 5 bytes", produce, Reason::kInvalidRequest, {"16"});
}

TEST_F(RefusedRequestTest, OffsetOutOfRangeOnEitherSideSaysBothEnds) {
  CreateTopic("t");
  for (const char* value : {"a", "b", "c"}) Append("t", {value});
  ASSERT_TRUE(client().DeleteRecords("t", 0, 2).ok());
  ExpectFetchRefused("fetch below the log start", FetchFrom("t", 0, 1), Reason::kOffsetOutOfRange, {"1", "2", "3"});
  ExpectFetchRefused("fetch above the log end", FetchFrom("t", 0, 4), Reason::kOffsetOutOfRange, {"4", "2", "3"});
  const v1::EntryError error = FetchError(9);
  EXPECT_EQ(error.log_start() * 10 + error.log_end(), 3);
  ExpectFetchRefused("fetch at a negative offset", FetchFrom("t", 0, -5), Reason::kOffsetOutOfRange);
  EXPECT_EQ(LogEnd("t"), 3);
}

TEST_F(RefusedRequestTest, DeletingBeyondTheHighWatermark) {
  ExpectRefused("delete records above the end", client().DeleteRecords("orders", 0, 4).status(), Reason::kOffsetOutOfRange, {"4", "3"});
  ExpectRefused("delete records before -7", client().DeleteRecords("orders", 0, -7).status(), Reason::kOffsetOutOfRange);
  EXPECT_EQ(client().LogStart("orders").value_or(-1), 0);
}

TEST_F(RefusedRequestTest, ExpectedOffsetSaysWhereTheLogEnds) {
  v1::ProduceRequest request = RecordsRequest("orders", 0, {"x"});
  request.mutable_entries(0)->set_expected_offset(2);
  ExpectProduceRefused("conditional append at 2 of 3", request, Reason::kExpectedOffsetMismatch, {"2", "3"});
  const auto response = client().Call(&v1::Log::Stub::Produce, request);
  ASSERT_TRUE(response.ok() && response->done(0).errors_size() == 1);
  EXPECT_EQ(response->done(0).errors(0).log_end(), 3);
}

TEST_F(RefusedRequestTest, AnotherLeaderEpoch) {
  const int epoch = client().Fetch(FetchOrders())->leader_epoch();
  v1::ProduceRequest request = RecordsRequest("orders", 0, {"x"});
  request.mutable_entries(0)->set_current_leader_epoch(epoch + 1);
  ExpectProduceRefused("a newer leader epoch", request, Reason::kUnknownLeaderEpoch);
  request.mutable_entries(0)->set_current_leader_epoch(epoch - 1);
  ExpectProduceRefused("an older leader epoch", request, Reason::kFencedLeaderEpoch);
  v1::FetchRequest fetch = FetchOrders();
  fetch.mutable_partitions(0)->set_current_leader_epoch(epoch + 1);
  ExpectFetchRefused("fetch with a newer leader epoch", fetch, Reason::kUnknownLeaderEpoch);
}

TEST_F(RefusedRequestTest, FieldsThatContradictEachOther) {
  v1::ProduceRequest both = RecordsRequest("orders", 0, {"x"});
  both.mutable_entries(0)->set_batches(Batch({"y"}));
  ExpectProduceRefused("entry with records and batches", both, Reason::kInvalidRequest);
  v1::ProduceRequest mixed = RecordsRequest("parcels", 0, {"x", "y"});
  mixed.mutable_entries(0)->clear_partition();
  mixed.mutable_entries(0)->mutable_records(0)->set_key("1");
  ExpectProduceRefused("records of several keys without a partition", mixed, Reason::kInvalidRequest);
  v1::ProduceRequest nameless = RecordsRequest("", 0, {"x"});
  ExpectProduceRefused("entry that names no topic", nameless, Reason::kInvalidRequest);
  v1::ProduceRequest batches = BatchesRequest("parcels", 0, Batch({"x"}));
  batches.mutable_entries(0)->clear_partition();
  ExpectProduceRefused("batches without a partition", batches, Reason::kInvalidRequest);
}

TEST_F(RefusedRequestTest, NumbersOutsideTheirBounds) {
  v1::ProduceRequest acks = RecordsRequest("orders", 0, {"x"});
  acks.set_acks(static_cast<v1::Acks>(9));
  ExpectProduceRefused("acks 9", acks, Reason::kInvalidRequiredAcks, {"9"});
  v1::ProduceRequest timeout = RecordsRequest("orders", 0, {"x"});
  timeout.set_timeout_ms(300'001);
  ExpectProduceRefused("timeout_ms 300001", timeout, Reason::kInvalidRequest, {"timeout_ms"});
  v1::FetchRequest wait = FetchOrders();
  wait.set_max_wait_ms(60'001);
  ExpectFetchRefused("max_wait_ms 60001", wait, Reason::kInvalidRequest, {"max_wait_ms"});
  v1::FetchRequest negative = FetchOrders();
  negative.set_max_bytes(-1);
  ExpectFetchRefused("max_bytes -1", negative, Reason::kInvalidRequest, {"max_bytes"});
  v1::FetchRequest negative_partition = FetchOrders();
  negative_partition.mutable_partitions(0)->set_max_bytes(INT32_MIN);
  ExpectFetchRefused("max_bytes of a partition, -2^31", negative_partition, Reason::kInvalidRequest, {"max_bytes"});
}

TEST_F(RefusedRequestTest, MaxBytesBeyondEveryBoundIsTheMost) {
  v1::FetchRequest most = FetchOrders();
  most.set_max_bytes(INT32_MAX);
  most.mutable_partitions(0)->set_max_bytes(INT32_MAX);
  const auto fetched = client().Fetch(most);
  ASSERT_TRUE(fetched.ok()) << fetched.status();
  EXPECT_GT(fetched->high_watermark(), 0);
}

TEST_F(RefusedRequestTest, TooManyEntries) {
  v1::ProduceRequest request;
  for (int i = 0; i < 10'001; ++i) *request.add_entries() = RecordsRequest("orders", 0, {"x"}).entries(0);
  ExpectProduceRefused("10001 entries", request, Reason::kRecordListTooLarge, {"10000"});
}

TEST_F(RefusedRequestTest, AFetchRequestOver64KiB) {
  v1::FetchRequest request = FetchOrders();
  request.set_rack(std::string(70'000, 'r'));
  ExpectFetchRefused("fetch request of 70 KB", request, Reason::kMessageTooLarge);
}

TEST_F(RefusedRequestTest, TransactionsAreNotAvailable) {
  v1::InitProducerRequest request;
  request.set_transactional_id("tx");
  ExpectRefused("a transactional id", client().Call(&v1::Log::Stub::InitProducer, request).status(), Reason::kInvalidRequest, {"transaction"});
}

TEST_F(RefusedRequestTest, AQueryWithoutPosition) {
  v1::ListOffsetsRequest request;
  request.add_queries()->mutable_partition()->set_topic("orders");
  const auto response = client().Call(&v1::Log::Stub::ListOffsets, request);
  const Status status = response.ok() ? FromEntryError(response->answers(0).error()) : response.status();
  ExpectRefused("list offsets without a position", status, Reason::kInvalidRequest);
}

}  // namespace
}  // namespace cordwood::testing
