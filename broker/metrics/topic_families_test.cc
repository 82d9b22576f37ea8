// SPDX-License-Identifier: Apache-2.0
// Who has a series of its own, and what becomes of the others.
#include "broker/metrics/topic_families.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/handlers/test_shard.h"

namespace cordwood::broker {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

class TopicFamiliesTest : public ::testing::Test {
 protected:
  static constexpr std::size_t kSeriesMax = 2;

  TopicFamiliesTest() { shard_.Start({}); }
  PartitionMeasures& Create(const std::string& name, int partitions = 1) {
    shard_.CreateTopic(name, partitions);
    return shard_.Replica(name, 0)->measures;
  }
  std::string Scrape(const TopicFamilies::Limits& limits = {}) {
    Families families;
    metrics_.AddTo(families, limits);
    return families.Text();
  }
  static std::string Produced(const std::string& topic, int records) {
    return "cordwood_topic_produce_records_total{topic=\"" + topic + "\"} " + std::to_string(records) + "\n";
  }

  SimulatedClock clock_{kNowMs};
  TestShard shard_{clock_};
  TopicFamilies metrics_{[this] { return shard_.image(); }, shard_.table(), kSeriesMax};
};

TEST_F(TopicFamiliesTest, PartitionsOfATopicAddUp) {
  Create("t", 2).produced_records.Add(3);
  shard_.Replica("t", 1)->measures.produced_records.Add(4);
  const std::string text = Scrape();
  EXPECT_THAT(text, HasSubstr(Produced("t", 7)));
  EXPECT_THAT(text, HasSubstr("cordwood_topic_partitions{topic=\"t\"} 2\n"));
}

TEST_F(TopicFamiliesTest, ADeletedTopicVanishes) {
  Create("t");
  EXPECT_THAT(Scrape(), HasSubstr(Produced("t", 0)));
  shard_.DeleteTopic("t");
  EXPECT_THAT(Scrape(), Not(HasSubstr("topic=\"t\"")));
}

TEST_F(TopicFamiliesTest, TopicsAboveTheMaximumShareASeries) {
  Create("y");
  Create("z");
  Scrape();
  Create("a").produced_records.Add(2);
  Create("b").produced_records.Add(3);
  const std::string text = Scrape();
  EXPECT_THAT(text, HasSubstr(Produced("y", 0)));
  EXPECT_THAT(text, HasSubstr(Produced("z", 0)));
  EXPECT_THAT(text, HasSubstr(Produced("(other)", 5)));
  EXPECT_THAT(text, HasSubstr("cordwood_topic_partitions{topic=\"(other)\"} 2\n"));
}

TEST_F(TopicFamiliesTest, TheSharedCounterDoesNotFallWhenATopicLeavesIt) {
  Create("a");
  Create("b");
  Create("c").produced_records.Add(2);
  PartitionMeasures& last = Create("d");
  last.produced_records.Add(3);
  EXPECT_THAT(Scrape(), HasSubstr(Produced("(other)", 5)));
  shard_.DeleteTopic("a");  // "c" gets its place
  last.produced_records.Add(1);
  const std::string text = Scrape();
  EXPECT_THAT(text, HasSubstr(Produced("c", 2)));
  EXPECT_THAT(text, HasSubstr(Produced("(other)", 6)));
}

TEST_F(TopicFamiliesTest, TheSharedCounterDoesNotFallWhileATopicIsBeingDeleted) {
  for (const char* name : {"a", "b", "d"}) Create(name);
  Create("c").produced_records.Add(2);
  EXPECT_THAT(Scrape(), HasSubstr(Produced("(other)", 2)));
  shard_.table().Remove(shard_.Topic("c")->id, PartitionIndex(0));  // the image still shows it
  EXPECT_THAT(Scrape(), HasSubstr(Produced("(other)", 2)));
}

TEST_F(TopicFamiliesTest, TheFullestPartitionIsHeldAgainstTheLimitOfProducers) {
  Create("t").producers.Set(7);
  Create("u").producers.Set(5);
  const std::string text = Scrape({0, 0, 10});
  EXPECT_THAT(text, HasSubstr("cordwood_limit_used{limit=\"producers_per_partition\"} 7\n"));
  EXPECT_THAT(text, HasSubstr("cordwood_producers 12\n"));
}

}  // namespace
}  // namespace cordwood::broker
