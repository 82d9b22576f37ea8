// SPDX-License-Identifier: Apache-2.0
// Every limit of a real broker, reached: the error that names its setting, how full it is in /metrics, the line in the log.
#include "tests/integration/broker_fixture.h"
#include "tests/support/raw_wire.h"

namespace cordwood::testing {
namespace {

using ::testing::HasSubstr;

class LimitsTest : public BrokerTest {
 protected:
  LimitsTest() {
    options_.settings = {"topics.max=5",      "partitions.max=8",    "producers.max=2",        "produce.calls.max=3",
                         "fetch.calls.max=3", "queued.max.requests=3", "max.connections=100", "fetch.partitions.max=2", "max.connections.per.ip=50"};
  }
  // "used of max", from /metrics.
  std::string Fill(const std::string& limit) const {
    const std::string page = HttpGet(broker_->http_address(), "/metrics").body;
    const auto value = [&](const std::string& family) {
      const std::string series = family + "{limit=\"" + limit + "\"} ";
      const std::size_t at = page.find(series);
      return at == std::string::npos ? "?" : page.substr(at + series.size(), page.find('\n', at) - at - series.size());
    };
    return value("cordwood_limit_used") + " of " + value("cordwood_limit_max");
  }
  // How the stream ends of which one answer was awaited.
  template <class Response, class SomeStream>
  static std::string End(SomeStream& stream) {
    Response response;
    return stream.Read(&response) ? "answered" : MessageOf(stream.Finish());
  }
};

TEST_F(LimitsTest, TopicsAndPartitions) {
  for (int i = 0; i < 4; ++i) CreateTopic("t" + std::to_string(i));
  EXPECT_EQ(Fill("topics"), "4 of 5");
  EXPECT_EQ(MessageOf(client().CreateTopic("wide", 5).status()), "this broker has 4 of at most 8 partitions (partitions.max); 5 more do not fit");
  CreateTopic("t4", 4);
  EXPECT_EQ(Fill("partitions"), "8 of 8");
  const Status refused = client().CreateTopic("t5").status();
  EXPECT_EQ(MessageOf(refused), "there are topics.max = 5 topics, and no more are allowed");
  EXPECT_EQ(ReasonOf(refused), Reason::kLimitExceeded);
}

TEST_F(LimitsTest, ProducersOfAPartition) {
  CreateTopic("t");
  const auto produce = [&] { return client().ProduceBatches("t", 0, Batch({"a"}, Stamp(client().InitProducer().value(), 0))).status(); };
  for (int i = 0; i < 2; ++i) EXPECT_EQ(produce(), absl::OkStatus());
  EXPECT_EQ(Fill("producers_per_partition"), "2 of 2");
  const Status refused = produce();
  EXPECT_THAT(MessageOf(refused), HasSubstr("already remembers 2 producers (producers.max)"));
  EXPECT_EQ(ReasonOf(refused), Reason::kLimitExceeded);
}

TEST_F(LimitsTest, CallsOfProduceAndFetch) {
  CreateTopic("t");
  Append("t", {"a"});
  std::vector<std::unique_ptr<FetchStream>> fetches;
  std::vector<std::unique_ptr<ProduceStream>> produces;
  for (int i = 0; i < 3; ++i) {
    v1::FetchRequest fetch = FetchFrom("t", 0, 0);
    fetch.set_add_credit_bytes(1 << 20);
    fetches.push_back(std::make_unique<FetchStream>(client()));
    ASSERT_TRUE(fetches.back()->Send(fetch));
    EXPECT_EQ(End<v1::FetchResponse>(*fetches.back()), "answered");
    produces.push_back(std::make_unique<ProduceStream>(client()));
    ASSERT_TRUE(produces.back()->Send(RecordsRequest("t", 0, {"x"})));
    EXPECT_EQ(End<v1::ProduceResponse>(*produces.back()), "answered");
  }
  EXPECT_EQ(Fill("fetch_stream_calls"), "3 of 3");
  EXPECT_EQ(Fill("produce_stream_calls"), "3 of 3");
  FetchStream fetch(client());
  EXPECT_EQ(End<v1::FetchResponse>(fetch), "fetch.calls.max = 3 calls of this method are open");
  ProduceStream produce(client());
  EXPECT_EQ(End<v1::ProduceResponse>(produce), "produce.calls.max = 3 calls of this method are open");
  EXPECT_EQ(client().ProduceRecords("t", 0, {"y"}).status(), absl::OkStatus()) << "Produce has room of its own";
}

TEST_F(LimitsTest, CallsOfAControlMethod) {
  RawConnection idle(broker_->address());
  std::string calls = Http2Opening();
  for (int i = 0; i < 3; ++i) calls += GrpcRequestHeaders("/cordwood.v1.Admin/ListTopics", 1 + 2 * i);
  ASSERT_TRUE(idle.Send(calls));
  EXPECT_TRUE(WaitUntil([&] { return Fill("list_topics_calls") == "3 of 3"; }));
  EXPECT_EQ(Fill("queued_requests"), "0 of 3");
  EXPECT_EQ(Fill("unread_control_bytes"), "0 of " + std::to_string(64 << 20));
  const Status refused = client().Call(&v1::Admin::Stub::ListTopics, v1::ListTopicsRequest()).status();
  EXPECT_EQ(MessageOf(refused), "queued.max.requests = 3 calls of this method are open");
  EXPECT_EQ(ReasonOf(refused), Reason::kThrottled);
  CreateTopic("t");
}

TEST_F(LimitsTest, PartitionsOfAFetchCall) {
  CreateTopic("t", 3);
  v1::FetchRequest request = FetchFrom("t", 0, 0);
  for (int partition : {1, 2}) *request.add_partitions() = FetchFrom("t", partition, 0).partitions(0);
  FetchStream stream(client());
  ASSERT_TRUE(stream.Send(request));
  EXPECT_EQ(End<v1::FetchResponse>(stream), "fetch.partitions.max = 2 partitions are in this call");
  EXPECT_EQ(Fill("fetch_partitions_per_call"), "2 of 2");
}

TEST_F(LimitsTest, ConnectionsOfAnAddress) {
  std::vector<std::unique_ptr<LogClient>> clients;
  const auto call = [&] {
    clients.push_back(std::make_unique<LogClient>(broker_->address()));
    return clients.back()->InitProducer().status();
  };
  while (clients.size() < 50) EXPECT_EQ(call(), absl::OkStatus());
  EXPECT_EQ(Fill("connections_per_ip"), "50 of 50");
  EXPECT_EQ(Fill("connections"), "50 of 100");
  const Status refused = call();
  EXPECT_EQ(MessageOf(refused), "max.connections.per.ip = 50 connections from 127.0.0.1 are open");
  EXPECT_EQ(ReasonOf(refused), Reason::kThrottled);
  EXPECT_THAT(HttpGet(broker_->http_address(), "/metrics").body,
              HasSubstr("cordwood_errors_total{kind=\"connection\",reason=\"THROTTLING_QUOTA_EXCEEDED\"} 1\n"));
}

TEST_F(LimitsTest, TheLogWarnsOfWhatComesNear) {
  for (int i = 0; i < 4; ++i) CreateTopic("t" + std::to_string(i));
  Restart();  // the first look is at once
  EXPECT_TRUE(WaitUntil([&] { return broker_->Log().find("warn  limit topics: 4 of at most 5 (topics.max), above 80 %\n") != std::string::npos; }));
  EXPECT_EQ(broker_->Log().find("limit partitions"), std::string::npos);
}

}  // namespace
}  // namespace cordwood::testing
