// SPDX-License-Identifier: Apache-2.0
// Topics that cannot be: names, counts, configs.
#include "tests/integration/refusal_fixture.h"

namespace cordwood::testing {
namespace {

class RefusedTopicTest : public RefusalTest {
 protected:
  void TearDown() override {
    const auto topics = client().Call(&v1::Admin::Stub::ListTopics, v1::ListTopicsRequest());
    EXPECT_TRUE(topics.ok() && topics->topics_size() == 2) << "a refusal changed the topics";
    RefusalTest::TearDown();
  }
  void ExpectCreateRefused(std::string_view what, const std::string& name, Reason reason, const std::vector<std::string>& parts = {},
                           const std::map<std::string, std::string>& configs = {}) {
    ExpectRefused(what, client().CreateTopic(name, 1, configs).status(), reason, parts);
  }
  Status Alter(const std::string& topic, const std::string& key, const std::string& value) {
    v1::AlterTopicConfigRequest request;
    request.set_name(topic);
    v1::ConfigEntry& entry = *request.add_set();
    entry.set_key(key);
    entry.set_value(value);
    return client().Call(&v1::Admin::Stub::AlterTopicConfig, request).status();
  }
};

TEST_F(RefusedTopicTest, BadNames) {
  ExpectCreateRefused("topic \"\"", "", Reason::kInvalidTopic);
  ExpectCreateRefused("topic \".\"", ".", Reason::kInvalidTopic);
  ExpectCreateRefused("topic \"..\"", "..", Reason::kInvalidTopic);
  ExpectCreateRefused("topic \"a b\"", "a b", Reason::kInvalidTopic);
  ExpectCreateRefused("topic \"a/b\"", "a/b", Reason::kInvalidTopic);
  ExpectCreateRefused("topic \"größe\"", "größe", Reason::kInvalidTopic);
  ExpectCreateRefused("topic of 250 characters", std::string(250, 'n'), Reason::kInvalidTopic, {"249"});
}

TEST_F(RefusedTopicTest, ANameThatExists) { ExpectCreateRefused("topic \"orders\" again", "orders", Reason::kTopicAlreadyExists, {"orders"}); }

TEST_F(RefusedTopicTest, UnknownConfigNamesTheNearest) {
  ExpectCreateRefused("config retention.sm", "t", Reason::kInvalidConfig, {"retention.sm", "retention.ms"}, {{"retention.sm", "1"}});
  ExpectRefused("set config durabilty", Alter("orders", "durabilty", "os"), Reason::kInvalidConfig, {"durability"});
}

TEST_F(RefusedTopicTest, InvalidConfigSaysWhatItMayBe) {
  ExpectCreateRefused("durability=maybe", "t", Reason::kInvalidConfig, {"durability", "fsync", "os", "maybe"}, {{"durability", "maybe"}});
  ExpectCreateRefused("retention.ms=-2", "t", Reason::kInvalidConfig, {"retention.ms", "-1", "-2"}, {{"retention.ms", "-2"}});
  ExpectCreateRefused("max.message.bytes=1MB", "t", Reason::kInvalidConfig, {"max.message.bytes"}, {{"max.message.bytes", "1MB"}});
  ExpectCreateRefused("min.insync.replicas=2", "t", Reason::kInvalidConfig, {"min.insync.replicas"}, {{"min.insync.replicas", "2"}});
  ExpectRefused("set retention.bytes=x", Alter("orders", "retention.bytes", "x"), Reason::kInvalidConfig, {"retention.bytes"});
}

TEST_F(RefusedTopicTest, CompactionIsChosenAtCreation) {
  ExpectCreateRefused("cleanup.policy=compacted", "t", Reason::kInvalidConfig, {"delete", "compact,delete"}, {{"cleanup.policy", "compacted"}});
  ExpectRefused("set cleanup.policy=compact", Alter("orders", "cleanup.policy", "compact"), Reason::kInvalidConfig, {"creation", "orders"});
}

TEST_F(RefusedTopicTest, CountsOutOfBounds) {
  ExpectRefused("-1 partitions", client().CreateTopic("t", -1).status(), Reason::kInvalidPartitions, {"-1"});
  ExpectRefused("two billion partitions", client().CreateTopic("t", 2'000'000'000).status(), Reason::kLimitExceeded);
  v1::CreateTopicRequest replicas;
  replicas.set_name("t");
  replicas.set_replication_factor(3);
  const auto status = client().Call(&v1::Admin::Stub::CreateTopic, replicas).status();
  ExpectRefused("replication factor 3 on one broker", status, Reason::kInvalidReplicationFactor, {"3", "1"});
  v1::CreatePartitionsRequest fewer;
  fewer.set_name("parcels");
  fewer.set_total(1);
  ExpectRefused("fewer partitions", client().Call(&v1::Admin::Stub::CreatePartitions, fewer).status(), Reason::kInvalidPartitions, {"2", "1"});
}

TEST_F(RefusedTopicTest, WhatDoesNotExistCannotBeChanged) {
  ExpectRefused("delete topic \"order\"", client().DeleteTopic("order"), Reason::kUnknownTopicOrPartition, {"orders"});
  ExpectRefused("set on topic \"order\"", Alter("order", "retention.ms", "1"), Reason::kUnknownTopicOrPartition, {"orders"});
  v1::DescribeTopicRequest describe;
  describe.set_name("order");
  ExpectRefused("describe topic \"order\"", client().Call(&v1::Admin::Stub::DescribeTopic, describe).status(), Reason::kUnknownTopicOrPartition, {"orders"});
  v1::DeleteTopicRequest other;
  other.set_name("orders");
  other.set_topic_id(std::string(16, 'q'));
  ExpectRefused("delete \"orders\" under another id", client().Call(&v1::Admin::Stub::DeleteTopic, other).status(), Reason::kUnknownTopicId);
}

}  // namespace
}  // namespace cordwood::testing
