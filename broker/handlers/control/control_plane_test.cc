// SPDX-License-Identifier: Apache-2.0
// Topics, configs, brokers and producer ids, over a real metadata store and a real shard.
#include "broker/handlers/control/admin_handler.h"
#include "broker/handlers/control/cluster_handler.h"
#include "broker/handlers/handlers_fixture.h"
#include "broker/metadata/local_metadata_store.h"
#include "tests/support/temp_dir.h"

namespace cordwood::broker {
namespace {

using ::testing::HasSubstr;

class ControlPlaneTest : public ::testing::Test {
 protected:
  ControlPlaneTest() {
    ShardOptions options;
    options.directory = directory_.Sub("shard-000");
    options.synced_file = directory_.Sub("shard-000.synced");
    options.data_dir_id.bytes[0] = 1;
    options.clock = &clock_;
    shard_ = std::make_unique<ShardDriver>(ShardStore::Open(options).value(), ShardDriverOptions(), clock_);
    shard_->Start();
    reconciler_ = std::make_unique<PartitionReconciler>(std::vector<ShardDriver*>{shard_.get()}, table_, clock_, nullptr);
    EXPECT_EQ(reconciler_->Load(), absl::OkStatus());
    BrokerImage self{BrokerId(3), "localhost", 9600, "r1"};
    MetadataLimits limits;
    limits.partitions_max = 20;
    strand_ = MetadataStrand::Start(LocalMetadataStore::Open(directory_.Sub("meta")).value(), self, limits,
                                    {[this](const auto& before, const auto& after) { return reconciler_->OnImage(before, after); }}, clock_)
                  .value();
    admin_ = std::make_unique<AdminHandler>(*strand_, table_, 2);
    BrokerFacts facts{BrokerId(3), "1.2.3", 77, directory_.path(), {}};
    cluster_ = std::make_unique<ClusterHandler>(*strand_, table_, std::vector<ShardDriver*>{shard_.get()}, [] { return DiskLevel::kWarn; },
                                                [this] { return draining_; }, std::move(facts));
  }
  ~ControlPlaneTest() override {
    strand_.reset();
    EXPECT_EQ(shard_->Stop(), absl::OkStatus());
    shard_.reset();
  }

  static v1::CreateTopicRequest TopicRequest(const std::string& name, int partitions = 0, const ConfigMap& configs = {}) {
    v1::CreateTopicRequest request;
    request.set_name(name);
    request.set_partitions(partitions);
    for (const auto& [key, value] : configs) {
      auto& entry = *request.add_configs();
      entry.set_key(key);
      entry.set_value(value);
    }
    return request;
  }
  v1::TopicDescription Create(const std::string& name, int partitions = 0, const ConfigMap& configs = {}) {
    return admin_->CreateTopic(TopicRequest(name, partitions, configs)).value().topic();
  }
  StatusOr<v1::DescribeTopicResponse> Describe(const std::string& name, const std::string& id = "") {
    v1::DescribeTopicRequest request;
    request.set_name(name);
    request.set_topic_id(id);
    return admin_->DescribeTopic(request);
  }
  static std::string ValueOf(const google::protobuf::RepeatedPtrField<v1::ConfigEntry>& configs, const std::string& key) {
    for (const auto& entry : configs) {
      if (entry.key() == key) return entry.value() + " " + v1::ConfigEntry::Source_Name(entry.source());
    }
    return "missing";
  }
  std::string TopicNames(bool internal) {
    v1::ListTopicsRequest request;
    request.set_include_internal(internal);
    std::string names;
    const auto listed = admin_->ListTopics(request).value();
    for (const auto& topic : listed.topics()) names += topic.name() + ":" + std::to_string(topic.partitions()) + " ";
    return names;
  }

  SimulatedClock clock_{kNowMs};
  const ::cordwood::testing::TempDir directory_;
  bool draining_ = false;
  std::unique_ptr<ShardDriver> shard_;
  PartitionTable table_;
  std::unique_ptr<PartitionReconciler> reconciler_;
  std::unique_ptr<MetadataStrand> strand_;
  std::unique_ptr<AdminHandler> admin_;
  std::unique_ptr<ClusterHandler> cluster_;
};

TEST_F(ControlPlaneTest, CreatedTopicIsDescribedWithItsPartitionsAndEveryConfig) {
  const auto topic = Create("t", 3, {{"durability", "os"}});
  ASSERT_EQ(topic.partitions_size(), 3);
  EXPECT_EQ(topic.partitions(2).partition(), 2);
  EXPECT_EQ(topic.partitions(2).leader(), 3);
  EXPECT_EQ(topic.partitions(2).state(), "online");
  EXPECT_EQ(topic.topic_id().size(), 16u);
  EXPECT_EQ(ValueOf(topic.configs(), "durability"), "os TOPIC");
  EXPECT_EQ(ValueOf(topic.configs(), "retention.ms"), "604800000 DEFAULT");
  EXPECT_EQ(static_cast<std::size_t>(topic.configs_size()), TopicConfigKeys().size());
}

TEST_F(ControlPlaneTest, PartitionCountZeroIsTheBrokersDefault) { EXPECT_EQ(Create("t").partitions_size(), 2); }

TEST_F(ControlPlaneTest, ValidateOnlyChecksAndCreatesNothing) {
  auto request = TopicRequest("t");
  request.set_validate_only(true);
  EXPECT_TRUE(admin_->CreateTopic(request).ok());
  EXPECT_EQ(TopicNames(true), "");
  EXPECT_EQ(table_.size(), 0u);
}

TEST_F(ControlPlaneTest, EachWrongTopicHasItsOwnReasonAndChangesNothing) {
  Create("t");
  auto twice = TopicRequest("u", 1, {{"durability", "os"}});
  *twice.add_configs() = twice.configs(0);
  EXPECT_THAT(admin_->CreateTopic(twice).status(), FailsWith(Reason::kInvalidRequest));
  EXPECT_THAT(admin_->CreateTopic(TopicRequest("t")).status(), FailsWith(Reason::kTopicAlreadyExists));
  EXPECT_THAT(admin_->CreateTopic(TopicRequest("a/b")).status(), FailsWith(Reason::kInvalidTopic));
  EXPECT_THAT(admin_->CreateTopic(TopicRequest("u", -1)).status(), FailsWith(Reason::kInvalidPartitions));
  EXPECT_THAT(admin_->CreateTopic(TopicRequest("u", 19)).status(), FailsWith(Reason::kLimitExceeded));
  EXPECT_THAT(admin_->CreateTopic(TopicRequest("u", 1, {{"x", "1"}})).status(), FailsWith(Reason::kInvalidConfig));
  EXPECT_THAT(admin_->CreateTopic(TopicRequest("u", 1, {{"cleanup.policy", "compress"}})).status(), FailsWith(Reason::kInvalidConfig));
  EXPECT_EQ(TopicNames(true), "t:2 ");
}

TEST_F(ControlPlaneTest, InternalTopicsAreListedOnlyWhenAskedFor) {
  Create("b");
  Create("__a");
  EXPECT_EQ(TopicNames(false), "b:2 ");
  EXPECT_EQ(TopicNames(true), "__a:2 b:2 ");
}

TEST_F(ControlPlaneTest, TopicIsDescribedByNameAndById) {
  const auto topic = Create("orders");
  EXPECT_EQ(Describe("", topic.topic_id())->topic().name(), "orders");
  EXPECT_EQ(Describe("orders")->topic().topic_id(), topic.topic_id());
  EXPECT_THAT(Describe("order").status(), FailsWith(Reason::kUnknownTopicOrPartition));
  EXPECT_THAT(MessageOf(Describe("order").status()), HasSubstr("did you mean"));
  EXPECT_THAT(Describe("", std::string(16, 'x')).status(), FailsWith(Reason::kUnknownTopicId));
  EXPECT_THAT(Describe("", "short").status(), FailsWith(Reason::kInvalidRequest));
  EXPECT_THAT(Describe("").status(), FailsWith(Reason::kInvalidTopic));
}

TEST_F(ControlPlaneTest, TopicIsDeletedByNameOrByIdButNotByBothInContradiction) {
  const auto first = Create("a");
  v1::DeleteTopicRequest request;
  request.set_name("a");
  request.set_topic_id(std::string(16, 'x'));
  EXPECT_THAT(admin_->DeleteTopic(request).status(), FailsWith(Reason::kUnknownTopicId));
  request.clear_name();
  request.set_topic_id(first.topic_id());
  EXPECT_TRUE(admin_->DeleteTopic(request).ok());
  EXPECT_EQ(TopicNames(true), "");
  EXPECT_EQ(table_.size(), 0u);
}

TEST_F(ControlPlaneTest, PartitionsAreAddedAndNeverTakenAway) {
  Create("t", 2);
  v1::CreatePartitionsRequest request;
  request.set_name("t");
  request.set_total(5);
  EXPECT_EQ(admin_->CreatePartitions(request)->topic().partitions_size(), 5);
  EXPECT_THAT(admin_->CreatePartitions(request).status(), FailsWith(Reason::kInvalidPartitions));
  EXPECT_EQ(table_.size(), 5u);
}

TEST_F(ControlPlaneTest, ConfigsAreSetAndResetAllOrNone) {
  Create("t", 1, {{"durability", "os"}});
  v1::AlterTopicConfigRequest request;
  request.set_name("t");
  request.add_set()->set_key("retention.ms");
  request.mutable_set(0)->set_value("60000");
  request.add_reset("durability");
  const auto altered = admin_->AlterTopicConfig(request).value();
  EXPECT_EQ(ValueOf(altered.configs(), "retention.ms"), "60000 TOPIC");
  EXPECT_EQ(ValueOf(altered.configs(), "durability"), "fsync DEFAULT");
  request.add_reset("retention.ms");
  EXPECT_THAT(admin_->AlterTopicConfig(request).status(), FailsWith(Reason::kInvalidRequest));
  request.clear_reset();
  request.add_reset("colour");
  EXPECT_THAT(admin_->AlterTopicConfig(request).status(), FailsWith(Reason::kInvalidConfig));
  EXPECT_EQ(ValueOf(Describe("t")->topic().configs(), "retention.ms"), "60000 TOPIC");
}

TEST_F(ControlPlaneTest, MetadataNamesBrokersLeadersAndUnknownTopics) {
  const auto topic = Create("t", 2);
  v1::GetMetadataRequest request;
  request.add_topics("t");
  request.add_topics("tt");
  request.add_topic_ids(topic.topic_id());
  request.add_topic_ids("short");
  const auto metadata = cluster_->GetMetadata(request).value();
  EXPECT_EQ(metadata.brokers(0).host() + ":" + std::to_string(metadata.brokers(0).port()) + " " + metadata.brokers(0).rack(), "localhost:9600 r1");
  EXPECT_EQ(metadata.topics(0).partitions(1).leader(), 3);
  EXPECT_EQ(metadata.topics(1).error().reason(), v1::UNKNOWN_TOPIC_OR_PARTITION);
  EXPECT_EQ(metadata.topics(1).name(), "tt");
  EXPECT_EQ(metadata.topics(2).error().reason(), v1::INVALID_REQUEST);
  EXPECT_EQ(metadata.topics(2).error().entry(), 3u);
}

TEST_F(ControlPlaneTest, MetadataAnswersATopicOnceHoweverOftenItIsAskedFor) {
  const auto topic = Create("t", 2);
  const auto other = Create("u", 1);
  v1::GetMetadataRequest request;
  for (int i = 0; i < 1000; ++i) {
    request.add_topics("t");
    request.add_topics("missing");
    request.add_topic_ids(topic.topic_id());
    request.add_topic_ids(other.topic_id());
    request.add_topic_ids("short");
  }
  std::string answered;
  const auto metadata = cluster_->GetMetadata(request).value();
  for (const auto& each : metadata.topics()) answered += (each.name().empty() ? each.topic_id() : each.name()) + " ";
  EXPECT_EQ(answered, "t missing u short ");
}

// A suggestion costs a comparison with each topic.
TEST_F(ControlPlaneTest, MetadataSuggestsTheNearestNameToWhoeverAsksForFew) {
  Create("orders", 1);
  v1::GetMetadataRequest request;
  for (int i = 0; i < kSuggestedNamesMax; ++i) request.add_topics("order");
  EXPECT_EQ(cluster_->GetMetadata(request)->topics(0).error().message(), "no topic \"order\"; did you mean \"orders\"?");
  request.add_topics("order");
  EXPECT_EQ(cluster_->GetMetadata(request)->topics(0).error().message(), "no topic \"order\"");
}

TEST_F(ControlPlaneTest, MetadataWithoutNamesIsOfAllTopicsUnlessOnlyBrokersAreWanted) {
  Create("a");
  Create("b");
  v1::GetMetadataRequest request;
  EXPECT_EQ(cluster_->GetMetadata(request)->topics_size(), 2);
  request.set_brokers_only(true);
  EXPECT_EQ(cluster_->GetMetadata(request)->topics_size(), 0);
}

TEST_F(ControlPlaneTest, ProducerIdsAreNeverGivenTwiceAndTransactionsAreRefused) {
  v1::InitProducerRequest request;
  const std::int64_t first = cluster_->InitProducer(request)->producer_id();
  EXPECT_NE(cluster_->InitProducer(request)->producer_id(), first);
  request.set_transactional_id("x");
  EXPECT_THAT(cluster_->InitProducer(request).status(), FailsWith(Reason::kInvalidRequest));
}

TEST_F(ControlPlaneTest, BrokerDescribesItselfAndNoOther) {
  Create("t", 4);
  v1::DescribeBrokerRequest request;
  request.set_broker_id(3);
  const auto broker = cluster_->DescribeBroker(request).value();
  EXPECT_EQ(broker.version() + " " + broker.disk_level() + " " + broker.data_dir(), "1.2.3 warn " + directory_.path());
  EXPECT_EQ(broker.shards(0).state(), "online");
  EXPECT_EQ(broker.shards(0).partitions(), 4u);
  EXPECT_GT(broker.disk_total_bytes(), broker.disk_free_bytes());
  request.set_broker_id(4);
  EXPECT_THAT(cluster_->DescribeBroker(request).status(), FailsWith(Reason::kInvalidRequest));
}

TEST_F(ControlPlaneTest, ClusterCountsTopicsPartitionsAndLeaders) {
  Create("a", 2);
  Create("b", 3);
  draining_ = true;
  const auto cluster = cluster_->DescribeCluster({}).value();
  EXPECT_EQ(cluster.topics(), 2u);
  EXPECT_EQ(cluster.partitions(), 5u);
  EXPECT_EQ(cluster.leaderless_partitions(), 0u);
  EXPECT_EQ(cluster.brokers(0).leaders(), 5u);
  EXPECT_EQ(cluster.brokers(0).state(), "draining");
}

}  // namespace
}  // namespace cordwood::broker
