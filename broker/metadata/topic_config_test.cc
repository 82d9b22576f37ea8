// SPDX-License-Identifier: Apache-2.0
#include "broker/metadata/topic_config.h"

#include <algorithm>

#include "broker/metadata/metadata_fixture.h"

namespace cordwood::broker {
namespace {

Status Refusal(const std::string& key, const std::string& value) { return ParseTopicConfig({{key, value}}).status(); }

TEST(TopicConfigTest, DefaultsAreTheDocumentedOnes) {
  const TopicConfig config = ParseTopicConfig({}).value();
  EXPECT_EQ(TopicConfigValue(config, "cleanup.policy"), "delete");
  EXPECT_EQ(TopicConfigValue(config, "delete.retention.ms"), "86400000");
  EXPECT_EQ(TopicConfigValue(config, "durability"), "fsync");
  EXPECT_EQ(TopicConfigValue(config, "max.compaction.lag.ms"), "9223372036854775807");
  EXPECT_EQ(TopicConfigValue(config, "max.message.bytes"), "1048588");
  EXPECT_EQ(TopicConfigValue(config, "message.timestamp.type"), "CreateTime");
  EXPECT_EQ(TopicConfigValue(config, "message.timestamp.after.max.ms"), "3600000");
  EXPECT_EQ(TopicConfigValue(config, "min.cleanable.dirty.ratio"), "0.5");
  EXPECT_EQ(TopicConfigValue(config, "min.compaction.lag.ms"), "0");
  EXPECT_EQ(TopicConfigValue(config, "min.insync.replicas"), "1");
  EXPECT_EQ(TopicConfigValue(config, "retention.bytes"), "-1");
  EXPECT_EQ(TopicConfigValue(config, "retention.ms"), "604800000");
  EXPECT_EQ(TopicConfigValue(config, "no.such.key"), "");
}

TEST(TopicConfigTest, EveryKeyTakesItsOwnValueBack) {
  const ConfigMap set = {{"cleanup.policy", "compact"}, {"delete.retention.ms", "8"}, {"durability", "os"}, {"max.compaction.lag.ms", "9"},
                         {"max.message.bytes", "2048"}, {"min.cleanable.dirty.ratio", "0.75"}, {"min.compaction.lag.ms", "4"}, {"message.timestamp.after.max.ms", "5"},
                         {"message.timestamp.before.max.ms", "6"}, {"message.timestamp.type", "LogAppendTime"}, {"min.insync.replicas", "2"},
                         {"retention.bytes", "7"}, {"retention.ms", "-1"}};
  const TopicConfig config = ParseTopicConfig(set).value();
  for (const auto& [key, value] : set) EXPECT_EQ(TopicConfigValue(config, key), value) << key;
  EXPECT_EQ(set.size(), TopicConfigKeys().size());
  EXPECT_EQ(config.durability, Durability::kOs);
  EXPECT_TRUE(config.batch.log_append_time);
}

TEST(TopicConfigTest, KeysAreInOrderOfName) {
  EXPECT_TRUE(std::is_sorted(TopicConfigKeys().begin(), TopicConfigKeys().end(),
                             [](const TopicConfigKey& a, const TopicConfigKey& b) { return a.name < b.name; }));
}

TEST(TopicConfigTest, UnknownKeySuggestsTheNearest) {
  EXPECT_THAT(Refusal("retention.mss", "1"), HasReason(Reason::kInvalidConfig));
  EXPECT_THAT(Refusal("retention.mss", "1"), SaysThat("did you mean \"retention.ms\"?"));
  EXPECT_THAT(Refusal("compression", "1"), SaysThat("unknown topic config \"compression\""));
}

TEST(TopicConfigTest, CleanupPolicyDeletesCompactsOrDoesBoth) {
  EXPECT_FALSE(ParseTopicConfig({})->compacts());
  const TopicConfig compact = ParseTopicConfig({{"cleanup.policy", "compact"}}).value();
  EXPECT_TRUE(compact.compacts());
  EXPECT_FALSE(compact.deletes());
  const TopicConfig both = ParseTopicConfig({{"cleanup.policy", "delete,compact"}}).value();
  EXPECT_TRUE(both.compacts());
  EXPECT_TRUE(both.deletes());
  EXPECT_EQ(TopicConfigValue(both, "cleanup.policy"), "compact,delete");
}

TEST(TopicConfigTest, CompactionKeysAreBounded) {
  EXPECT_THAT(Refusal("min.cleanable.dirty.ratio", "1.01"), SaysThat("a number from 0 to 1"));
  EXPECT_THAT(Refusal("min.cleanable.dirty.ratio", "nan"), HasReason(Reason::kInvalidConfig));
  EXPECT_THAT(Refusal("max.compaction.lag.ms", "0"), HasReason(Reason::kInvalidConfig));
  EXPECT_THAT(Refusal("delete.retention.ms", "-1"), HasReason(Reason::kInvalidConfig));
  EXPECT_THAT(ParseTopicConfig({{"min.compaction.lag.ms", "10"}, {"max.compaction.lag.ms", "9"}}).status(), SaysThat("at least min.compaction.lag.ms, 10"));
  EXPECT_EQ(TopicConfigValue(ParseTopicConfig({{"min.cleanable.dirty.ratio", "0.25"}}).value(), "min.cleanable.dirty.ratio"), "0.25");
}

TEST(TopicConfigTest, OtherCleanupPoliciesAreRefused) {
  EXPECT_THAT(Refusal("cleanup.policy", "compacts"), HasReason(Reason::kInvalidConfig));
  EXPECT_THAT(Refusal("cleanup.policy", "compact,"), HasReason(Reason::kInvalidConfig));
  EXPECT_THAT(Refusal("cleanup.policy", "shred"), HasReason(Reason::kInvalidConfig));
}

TEST(TopicConfigTest, ValueOutsideItsBoundsIsRefusedWithTheBounds) {
  EXPECT_THAT(Refusal("retention.ms", "-2"), SaysThat("retention.ms: must be an integer from -1 to"));
  EXPECT_THAT(Refusal("max.message.bytes", "1023"), SaysThat("from 1024 to 8000000"));
  EXPECT_THAT(Refusal("max.message.bytes", "8000001"), HasReason(Reason::kInvalidConfig));
  EXPECT_THAT(Refusal("min.insync.replicas", "0"), HasReason(Reason::kInvalidConfig));
  EXPECT_THAT(Refusal("durability", "maybe"), SaysThat("must be fsync or os, not \"maybe\""));
}

TEST(TopicConfigTest, NumbersAreReadWholeOrNotAtAll) {
  for (const char* value : {"", " 1", "1 ", "1s", "0x10", "99999999999999999999", "+1"}) {
    EXPECT_THAT(Refusal("retention.bytes", value), HasReason(Reason::kInvalidConfig)) << value;
  }
}

TEST(TopicConfigTest, ARefusalShowsNoMoreOfAKeyOrValueThanCouldBeRight) {
  const std::string endless(1 << 20, 'x');
  EXPECT_LT(MessageOf(Refusal(endless, "1")).size(), 400u);
  EXPECT_LT(MessageOf(Refusal("retention.ms", endless)).size(), 400u);
  EXPECT_LT(MessageOf(Refusal("cleanup.policy", endless + "compact")).size(), 400u);
}

}  // namespace
}  // namespace cordwood::broker
