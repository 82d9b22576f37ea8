// SPDX-License-Identifier: Apache-2.0
#include "broker/metadata/topic_rules.h"

#include <memory>

#include "broker/metadata/metadata_fixture.h"

namespace cordwood::broker {
namespace {

class TopicRulesTest : public ::testing::Test {
 protected:
  TopicRulesTest() {
    limits_.topics_max = 2;
    limits_.partitions_max = 10;
  }
  static ClusterImage ImageOf(std::vector<std::pair<std::string, std::int32_t>> topics) {
    std::vector<ClusterImage::TopicPtr> images;
    for (const auto& [name, partitions] : topics) {
      auto topic = std::make_shared<TopicImage>();
      topic->name = name;
      topic->id = TopicId::Random();
      topic->partition_count = partitions;
      topic->configs = {{"retention.ms", "5"}};
      images.push_back(topic);
    }
    return ClusterImage(Uuid::Random(), 1, {BrokerImage{BrokerId(0), "localhost", 1, ""}}, std::move(images));
  }
  Status Plan(const TopicSpec& spec) { return PlanTopic(image_, spec, limits_).status(); }

  MetadataLimits limits_;
  ClusterImage image_ = ImageOf({{"orders", 4}});
};

TEST_F(TopicRulesTest, NewTopicTakesItsSpec) {
  const TopicImage topic = PlanTopic(image_, {"clicks", 3, 0, {{"durability", "os"}}}, limits_).value();
  EXPECT_EQ(topic.partition_count, 3);
  EXPECT_EQ(topic.config.durability, Durability::kOs);
  EXPECT_TRUE(topic.id.is_nil());
}

TEST_F(TopicRulesTest, BadSpecsAreRefusedWithTheirReasons) {
  EXPECT_THAT(Plan({"a b", 1, 0, {}}), HasReason(Reason::kInvalidTopic));
  EXPECT_THAT(Plan({"orders", 1, 0, {}}), HasReason(Reason::kTopicAlreadyExists));
  EXPECT_THAT(Plan({"clicks", 0, 0, {}}), HasReason(Reason::kInvalidPartitions));
  EXPECT_THAT(Plan({"clicks", 1, 2, {}}), HasReason(Reason::kInvalidReplicationFactor));
  EXPECT_THAT(Plan({"clicks", 1, -1, {}}), HasReason(Reason::kInvalidReplicationFactor));
  EXPECT_THAT(Plan({"clicks", 1, 0, {{"min.insync.replicas", "2"}}}), HasReason(Reason::kInvalidConfig));
  EXPECT_THAT(Plan({"clicks", 1, 0, {{"cleanup.policy", "compress"}}}), HasReason(Reason::kInvalidConfig));
}

TEST_F(TopicRulesTest, NamesThatDifferOnlyInDotsAndUnderscoresCollide) {
  image_ = ImageOf({{"eu.orders_new", 1}});
  for (const char* name : {"eu_orders_new", "eu.orders.new", "eu_orders.new"}) {
    EXPECT_THAT(Plan({name, 1, 0, {}}), HasReason(Reason::kInvalidTopic)) << name;
    EXPECT_THAT(Plan({name, 1, 0, {}}), SaysThat("collides with the existing topic \"eu.orders_new\"")) << name;
  }
  EXPECT_THAT(Plan({"eu.orders_new", 1, 0, {}}), HasReason(Reason::kTopicAlreadyExists));
  for (const char* name : {"eu-orders-new", "eu.orders_ne", "eu.orders_new_", "euxorders_new"}) EXPECT_EQ(Plan({name, 1, 0, {}}), absl::OkStatus()) << name;
}

TEST_F(TopicRulesTest, LimitsHoldOverAllTopics) {
  EXPECT_EQ(Plan({"clicks", 6, 0, {}}), absl::OkStatus());
  EXPECT_THAT(Plan({"clicks", 7, 0, {}}), HasReason(Reason::kLimitExceeded));
  EXPECT_THAT(MessageOf(Plan({"clicks", 7, 0, {}})), ::testing::HasSubstr("(partitions.max)"));
  image_ = ImageOf({{"a", 1}, {"b", 1}});
  EXPECT_THAT(Plan({"clicks", 1, 0, {}}), HasReason(Reason::kLimitExceeded));
  EXPECT_THAT(MessageOf(Plan({"clicks", 1, 0, {}})), ::testing::HasSubstr("topics.max = "));
}

TEST_F(TopicRulesTest, PartitionsOnlyGrow) {
  EXPECT_EQ(PlanPartitions(image_, "orders", 5, limits_)->partition_count, 5);
  EXPECT_THAT(PlanPartitions(image_, "orders", 4, limits_).status(), HasReason(Reason::kInvalidPartitions));
  EXPECT_THAT(PlanPartitions(image_, "orders", 11, limits_).status(), HasReason(Reason::kLimitExceeded));
  EXPECT_THAT(PlanPartitions(image_, "ordres", 5, limits_).status(), SaysThat("did you mean \"orders\"?"));
}

TEST_F(TopicRulesTest, ConfigsAreSetAndReset) {
  const TopicImage topic = PlanConfig(image_, "orders", {{"retention.bytes", "9"}}, {"retention.ms"}).value();
  EXPECT_EQ(topic.configs, (ConfigMap{{"retention.bytes", "9"}}));
  EXPECT_EQ(topic.config.retention.retention_ms, RetentionLimits().retention_ms);
  EXPECT_EQ(topic.config.retention.retention_bytes, 9);
}

TEST_F(TopicRulesTest, BadConfigChangesAreRefused) {
  EXPECT_THAT(PlanConfig(image_, "orders", {}, {"retention.m"}).status(), SaysThat("did you mean \"retention.ms\"?"));
  EXPECT_THAT(PlanConfig(image_, "orders", {{"retention.ms", "1"}}, {"retention.ms"}).status(), HasReason(Reason::kInvalidConfig));
  EXPECT_THAT(PlanConfig(image_, "nope", {}, {}).status(), HasReason(Reason::kUnknownTopicOrPartition));
}

TEST_F(TopicRulesTest, CompactionIsChosenAtCreationOnly) {
  EXPECT_THAT(PlanConfig(image_, "orders", {{"cleanup.policy", "compact"}}, {}).status(), HasReason(Reason::kInvalidConfig));
  EXPECT_THAT(PlanConfig(image_, "orders", {{"cleanup.policy", "compact"}}, {}).status(), SaysThat("from its creation on; \"orders\" has cleanup.policy=delete"));
  auto prices = std::make_shared<TopicImage>(PlanTopic(image_, {"prices", 1, 0, {{"cleanup.policy", "compact"}}}, limits_).value());
  image_ = ClusterImage(Uuid::Random(), 2, {BrokerImage{BrokerId(0), "localhost", 1, ""}}, {prices});
  EXPECT_THAT(PlanConfig(image_, "prices", {}, {"cleanup.policy"}).status(), HasReason(Reason::kInvalidConfig));
  EXPECT_TRUE(PlanConfig(image_, "prices", {{"cleanup.policy", "compact,delete"}}, {})->config.deletes());
}

TEST_F(TopicRulesTest, DeletionChecksTheId) {
  EXPECT_TRUE(PlanDeletion(image_, "orders", std::nullopt).ok());
  EXPECT_TRUE(PlanDeletion(image_, "orders", image_.FindTopic("orders")->id).ok());
  EXPECT_THAT(PlanDeletion(image_, "orders", TopicId::Random()).status(), HasReason(Reason::kUnknownTopicId));
  EXPECT_THAT(PlanDeletion(image_, "nope", std::nullopt).status(), HasReason(Reason::kUnknownTopicOrPartition));
}

}  // namespace
}  // namespace cordwood::broker
