// SPDX-License-Identifier: Apache-2.0
#include "broker/metadata/image_builder.h"

#include "broker/metadata/metadata_fixture.h"

namespace cordwood::broker {
namespace {

using ::testing::AnyOf;

class ImageBuilderTest : public ::testing::Test {
 protected:
  static MetadataEntry TopicEntry(const std::string& name, const TopicImage& topic, Revision revision = 7) {
    return MetadataEntry{TopicKey(name), EncodeTopic(topic).SerializeAsString(), revision, revision, 0};
  }
  static TopicImage Topic() {
    TopicImage topic;
    topic.id = TopicId::Random();
    topic.created_ms = 5;
    topic.partition_count = 3;
    topic.configs = {{"retention.ms", "9"}};
    return topic;
  }
  ImageBuilder builder_{BrokerImage{BrokerId(4), "here", 1, ""}};
};

TEST_F(ImageBuilderTest, TopicReadsBackAsWritten) {
  const TopicImage topic = Topic();
  ASSERT_EQ(builder_.Put(TopicEntry("orders", topic)), absl::OkStatus());
  const auto read = builder_.Build(8)->FindTopic("orders");
  EXPECT_EQ(read->id, topic.id);
  EXPECT_EQ(read->created_ms, 5);
  EXPECT_EQ(read->partition_count, 3);
  EXPECT_EQ(read->configs, topic.configs);
  EXPECT_EQ(read->config.retention.retention_ms, 9);
  EXPECT_EQ(read->revision, 7);
  EXPECT_EQ(read->only_broker, BrokerId(4));
}

TEST_F(ImageBuilderTest, UnchangedTopicsAreSharedBetweenImages) {
  ASSERT_EQ(builder_.Put(TopicEntry("a", Topic())), absl::OkStatus());
  const auto first = builder_.Build(1);
  ASSERT_EQ(builder_.Put(TopicEntry("b", Topic())), absl::OkStatus());
  EXPECT_EQ(builder_.Build(2)->FindTopic("a"), first->FindTopic("a"));
}

TEST_F(ImageBuilderTest, OnlyWhatMattersMakesANewImage) {
  builder_.Build(1);
  ASSERT_EQ(builder_.Put(MetadataEntry{"/cordwood/producer_ids", "x", 1, 1, 0}), absl::OkStatus());
  builder_.Delete(TopicKey("nobody"));
  EXPECT_FALSE(builder_.changed());
  ASSERT_EQ(builder_.Put(TopicEntry("a", Topic())), absl::OkStatus());
  EXPECT_TRUE(builder_.changed());
}

TEST_F(ImageBuilderTest, DamagedTopicIsRefusedByKeyOrReadsAsSomeTopic) {
  const std::string value = TopicEntry("a", Topic()).value;
  for (std::size_t i = 0; i < value.size(); ++i) {
    MetadataEntry flipped{TopicKey("a"), value, 1, 1, 0};
    flipped.value[i] = static_cast<char>(flipped.value[i] ^ 0xFF);
    EXPECT_THAT(builder_.Put(flipped), AnyOf(absl::OkStatus(), SaysThat("/cordwood/topics/a"))) << i;
    const MetadataEntry cut{TopicKey("a"), value.substr(0, i), 1, 1, 0};
    EXPECT_THAT(builder_.Put(cut), AnyOf(absl::OkStatus(), SaysThat("/cordwood/topics/a"))) << i;
  }
}

TEST_F(ImageBuilderTest, RefusedEntryLeavesTheOldTopic) {
  ASSERT_EQ(builder_.Put(TopicEntry("a", Topic())), absl::OkStatus());
  TopicImage bad = Topic();
  bad.configs = {{"no.such.key", "1"}};
  EXPECT_THAT(builder_.Put(TopicEntry("a", bad)), HasReason(Reason::kInvalidConfig));
  EXPECT_EQ(builder_.Build(1)->FindTopic("a")->partition_count, 3);
}

}  // namespace
}  // namespace cordwood::broker
