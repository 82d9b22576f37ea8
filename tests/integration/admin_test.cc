// SPDX-License-Identifier: Apache-2.0
// Topics, their configs, the broker: what the control plane says and keeps.
#include "tests/integration/broker_fixture.h"
#include "tests/support/raw_wire.h"

namespace cordwood::testing {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

class AdminTest : public BrokerTest {
 protected:
  v1::TopicDescription Describe(const std::string& name) {
    v1::DescribeTopicRequest request;
    request.set_name(name);
    const auto response = client().Call(&v1::Admin::Stub::DescribeTopic, request);
    EXPECT_TRUE(response.ok()) << response.status();
    return response.ok() ? response->topic() : v1::TopicDescription();
  }
  template <class Configs>
  static std::string ConfigOf(const Configs& configs, const std::string& key) {
    for (const v1::ConfigEntry& entry : configs) {
      if (entry.key() == key) return entry.value() + " " + v1::ConfigEntry::Source_Name(entry.source());
    }
    return "missing";
  }
  std::vector<std::string> List() {
    std::vector<std::string> names;
    const auto response = client().Call(&v1::Admin::Stub::ListTopics, v1::ListTopicsRequest());
    EXPECT_TRUE(response.ok()) << response.status();
    if (response.ok()) {
      for (const v1::TopicListing& topic : response->topics()) names.push_back(topic.name() + "/" + std::to_string(topic.partitions()));
    }
    return names;
  }
};

TEST_F(AdminTest, TopicsAreListedInOrderOfNameAndKept) {
  CreateTopic("b", 3);
  CreateTopic("a", 1);
  EXPECT_THAT(List(), ElementsAre("a/1", "b/3"));
  KillAndRestart();
  EXPECT_THAT(List(), ElementsAre("a/1", "b/3"));
  ASSERT_TRUE(client().DeleteTopic("a").ok());
  EXPECT_THAT(List(), ElementsAre("b/3"));
  Restart();
  EXPECT_THAT(List(), ElementsAre("b/3"));
}

TEST_F(AdminTest, ATopicIsDescribedWithItsEndsAndConfigs) {
  CreateTopic("t", 2, {{"durability", "os"}, {"retention.ms", "60000"}});
  Append("t", {"a", "b"}, 1);
  const v1::TopicDescription topic = Describe("t");
  EXPECT_EQ(topic.topic_id().size(), 16u);
  ASSERT_THAT(topic.partitions(), SizeIs(2));
  const v1::PartitionDescription& one = topic.partitions(1);
  EXPECT_EQ(one.partition() * 10000 + one.log_start() * 1000 + one.high_watermark() * 100 + one.log_end() * 10, 10220);
  EXPECT_THAT(one.replicas(), ElementsAre(one.leader()));
  EXPECT_THAT(one.isr(), ElementsAre(one.leader()));
  EXPECT_EQ(one.state(), "online");
  EXPECT_GT(one.size_bytes(), 0u);
  EXPECT_EQ(ConfigOf(topic.configs(), "durability"), "os TOPIC");
  EXPECT_EQ(ConfigOf(topic.configs(), "retention.ms"), "60000 TOPIC");
  EXPECT_EQ(ConfigOf(topic.configs(), "cleanup.policy"), "delete DEFAULT");
}

TEST_F(AdminTest, ValidateOnlyCreatesNothing) {
  v1::CreateTopicRequest request;
  request.set_name("t");
  request.set_partitions(2);
  request.set_validate_only(true);
  const auto response = client().Call(&v1::Admin::Stub::CreateTopic, request);
  EXPECT_TRUE(response.ok()) << response.status();
  EXPECT_THAT(List(), ElementsAre());
}

TEST_F(AdminTest, PartitionsAreAddedAndServeAtOnce) {
  CreateTopic("t", 1);
  Append("t", {"a"}, 0);
  v1::CreatePartitionsRequest request;
  request.set_name("t");
  request.set_total(3);
  const auto response = client().Call(&v1::Admin::Stub::CreatePartitions, request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_THAT(response->topic().partitions(), SizeIs(3));
  Append("t", {"b"}, 2);
  KillAndRestart();
  EXPECT_EQ(Values("t", 0) + "|" + Values("t", 1) + "|" + Values("t", 2), "a||b");
}

TEST_F(AdminTest, AConfigIsSetAndReset) {
  CreateTopic("t", 1, {{"retention.ms", "60000"}});
  v1::AlterTopicConfigRequest request;
  request.set_name("t");
  v1::ConfigEntry& entry = *request.add_set();
  entry.set_key("max.message.bytes");
  entry.set_value("2048");
  request.add_reset("retention.ms");
  const auto response = client().Call(&v1::Admin::Stub::AlterTopicConfig, request);
  ASSERT_TRUE(response.ok()) << response.status();
  EXPECT_EQ(ConfigOf(response->configs(), "max.message.bytes"), "2048 TOPIC");
  EXPECT_THAT(ConfigOf(response->configs(), "retention.ms"), HasSubstr("604800000 DEFAULT"));
  EXPECT_EQ(ReasonOf(client().ProduceBatches("t", 0, Batch({std::string(4000, 'x')})).status()), Reason::kMessageTooLarge);
  KillAndRestart();
  EXPECT_EQ(ConfigOf(Describe("t").configs(), "max.message.bytes"), "2048 TOPIC");
}

TEST_F(AdminTest, AnOversizedConfigCanBeRaised) {
  CreateTopic("t", 1, {{"max.message.bytes", "2048"}});
  v1::AlterTopicConfigRequest request;
  request.set_name("t");
  v1::ConfigEntry& entry = *request.add_set();
  entry.set_key("max.message.bytes");
  entry.set_value("4000000");
  ASSERT_TRUE(client().Call(&v1::Admin::Stub::AlterTopicConfig, request).ok());
  EXPECT_TRUE(client().ProduceBatches("t", 0, Batch({std::string(3'000'000, 'x')})).ok());
}

TEST_F(AdminTest, ATopicCreatedAgainIsEmptyAndHasAnotherId) {
  CreateTopic("t");
  Append("t", {"a"});
  const std::string id = Describe("t").topic_id();
  ASSERT_TRUE(client().DeleteTopic("t").ok());
  CreateTopic("t");
  EXPECT_NE(Describe("t").topic_id(), id);
  EXPECT_EQ(Append("t", {"b"}), 0);
  KillAndRestart();
  EXPECT_EQ(Values("t"), "b");
}

TEST_F(AdminTest, TheBrokerDescribesItself) {
  CreateTopic("t", 3);
  v1::DescribeBrokerRequest request;
  const auto broker = client().Call(&v1::Admin::Stub::DescribeBroker, request);
  ASSERT_TRUE(broker.ok()) << broker.status();
  EXPECT_EQ(broker->data_dir(), data_dir());
  EXPECT_GT(broker->disk_total_bytes(), broker->disk_free_bytes());
  ASSERT_GE(broker->shards_size(), 1);
  EXPECT_EQ(broker->shards(0).state(), "online");
  EXPECT_FALSE(broker->version().empty());
  EXPECT_GT(broker->configs_size(), 0);
}

TEST_F(AdminTest, TheClusterIsOneBroker) {
  CreateTopic("t", 3);
  const auto cluster = client().Call(&v1::Admin::Stub::DescribeCluster, v1::DescribeClusterRequest());
  ASSERT_TRUE(cluster.ok()) << cluster.status();
  ASSERT_THAT(cluster->brokers(), SizeIs(1));
  EXPECT_EQ(cluster->brokers(0).broker_id(), cluster->controller_id());
  EXPECT_EQ(cluster->brokers(0).state(), "ready");
  EXPECT_EQ(cluster->topics() * 100 + cluster->partitions() * 10 + cluster->leaderless_partitions(), 130u);
  const std::string id = cluster->cluster_id();
  Restart();
  EXPECT_EQ(client().Call(&v1::Admin::Stub::DescribeCluster, v1::DescribeClusterRequest())->cluster_id(), id);
}

TEST_F(AdminTest, MetadataNamesLeadersAndTheDoorThatWasUsed) {
  CreateTopic("t", 2);
  v1::GetMetadataRequest request;
  request.add_topics("t");
  request.add_topics("missing");
  const auto metadata = client().Call(&v1::Log::Stub::GetMetadata, request);
  ASSERT_TRUE(metadata.ok()) << metadata.status();
  ASSERT_THAT(metadata->brokers(), SizeIs(1));
  EXPECT_EQ(metadata->brokers(0).host() + ":" + std::to_string(metadata->brokers(0).port()), broker_->address());
  ASSERT_THAT(metadata->topics(), SizeIs(2));
  ASSERT_THAT(metadata->topics(0).partitions(), SizeIs(2));
  EXPECT_EQ(metadata->topics(0).partitions(1).leader(), metadata->brokers(0).broker_id());
  EXPECT_EQ(metadata->topics(1).error().reason(), v1::UNKNOWN_TOPIC_OR_PARTITION);
}

TEST_F(AdminTest, ReflectionListsTheServices) {
  const std::string list_services = {0x3a, 0x00};  // ServerReflectionRequest.list_services = ""
  const auto answer = CallRawStream(client().channel(), "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo", list_services);
  ASSERT_TRUE(answer.ok()) << answer.status();
  for (const char* service : {"cordwood.v1.Log", "cordwood.v1.Admin", "grpc.health.v1.Health"}) EXPECT_THAT(*answer, HasSubstr(service));
}

TEST_F(AdminTest, HealthServes) {
  const auto answer = CallRaw(client().channel(), "/grpc.health.v1.Health/Check", "");
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(*answer, std::string({0x08, 0x01}));  // HealthCheckResponse.status = SERVING
  const auto unknown = CallRaw(client().channel(), "/grpc.health.v1.Health/Check", "\x0a\x04nope");
  EXPECT_EQ(unknown.status().code(), absl::StatusCode::kNotFound);
}

TEST_F(AdminTest, HttpSaysAliveAndReady) {
  EXPECT_EQ(HttpGet(broker_->http_address(), "/livez").code, 200);
  EXPECT_EQ(HttpGet(broker_->http_address(), "/readyz").code, 200);
  EXPECT_EQ(HttpGet(broker_->http_address(), "/nothing").code, 404);
}

TEST_F(AdminTest, TheLogHasNoLinePerRequest) {
  CreateTopic("t");
  Append("t", {"a"});
  const std::string before = broker_->Log();
  for (int i = 0; i < 50; ++i) Append("t", {"a"});
  EXPECT_EQ(Values("t").size(), 101u);
  EXPECT_EQ(broker_->Log(), before);
}

}  // namespace
}  // namespace cordwood::testing
