// SPDX-License-Identifier: Apache-2.0
// Topics with cleanup.policy=compact: where they live, what they take, what is never deleted from them.
#include <filesystem>

#include "tests/integration/broker_fixture.h"

namespace cordwood::testing {
namespace {

using ::testing::HasSubstr;

class CompactedTopicTest : public BrokerTest {
 protected:
  CompactedTopicTest() { options_.settings = {"log.cleaner.enable=false"}; }
  // Records of one key each, in one batch.
  static std::string KeyedBatch(const std::vector<std::pair<std::optional<std::string>, std::string>>& pairs, Codec codec = Codec::kNone) {
    std::vector<RecordView> records;
    for (const auto& [key, value] : pairs) records.push_back({Offset(0), NowMs(), key, value, {}});
    return BuildBatch(records, codec);
  }
  StatusOr<std::int64_t> Put(const std::string& topic, const std::string& key, const std::string& value) {
    return client().ProduceBatches(topic, 0, KeyedBatch({{key, value}}));
  }
  std::size_t Shards() {
    const auto described = client().Call(&v1::Admin::Stub::DescribeBroker, v1::DescribeBrokerRequest());
    return described.ok() ? static_cast<std::size_t>(described->shards_size()) : 0;
  }
  static inline const std::map<std::string, std::string> kCompact = {{"cleanup.policy", "compact"}};
};

TEST_F(CompactedTopicTest, TheirShardIsMadeWithTheFirstAndFoundAgain) {
  CreateTopic("orders");
  const std::size_t before = Shards();
  CreateTopic("prices", 2, kCompact);
  EXPECT_EQ(Shards(), before + 1);
  ASSERT_TRUE(Put("prices", "a", "1").ok());
  ASSERT_TRUE(Put("prices", "a", "2").ok());
  Append("orders", {"x"});
  Restart();
  EXPECT_EQ(Shards(), before + 1);
  EXPECT_EQ(Values("prices"), "1 2");
  ASSERT_TRUE(Put("prices", "a", "3").ok());
  KillAndRestart();
  EXPECT_EQ(Values("prices"), "1 2 3");
  EXPECT_EQ(Values("orders"), "x");
  EXPECT_EQ(LogEnd("prices"), 3);
}

TEST_F(CompactedTopicTest, MoreShardsOfTheOtherKindFindRoomBesideIt) {
  CreateTopic("prices", 1, kCompact);
  ASSERT_TRUE(Put("prices", "a", "1").ok());
  const std::size_t before = Shards();
  options_.settings.push_back("storage.shards=" + std::to_string(before));
  Restart();
  EXPECT_EQ(Shards(), before + 1);  // one of them is of compacted topics
  CreateTopic("orders", 4);
  Append("orders", {"x"}, 3);
  EXPECT_EQ(Values("prices"), "1");
  EXPECT_EQ(Values("orders", 3), "x");
}

TEST_F(CompactedTopicTest, ARecordWithoutKeyIsRefusedByItsPlace) {
  CreateTopic("prices", 1, kCompact);
  for (const Codec codec : kAllCodecs) {
    const auto refused = client().ProduceBatches("prices", 0, KeyedBatch({{"a", "1"}, {"", "2"}, {std::nullopt, "3"}, {std::nullopt, "4"}}, codec));
    EXPECT_EQ(ReasonOf(refused.status()), Reason::kInvalidRecord) << CodecName(codec);
    EXPECT_THAT(MessageOf(refused.status()), HasSubstr("record 2 of the batch has no key")) << CodecName(codec);
  }
  EXPECT_EQ(ReasonOf(client().ProduceRecords("prices", 0, {"plain"}).status()), Reason::kInvalidRecord);
  EXPECT_EQ(LogEnd("prices"), 0);
}

TEST_F(CompactedTopicTest, RecordsAreNotDeletedOnDemand) {
  CreateTopic("prices", 1, kCompact);
  ASSERT_TRUE(Put("prices", "a", "1").ok());
  v1::DeleteRecordsRequest request;
  auto& target = *request.add_targets();
  target.mutable_partition()->set_topic("prices");
  target.set_before_offset(1);
  const auto answer = client().Call(&v1::Log::Stub::DeleteRecords, request);
  ASSERT_TRUE(answer.ok()) << answer.status();
  EXPECT_EQ(answer->answers(0).error().reason(), v1::INVALID_REQUEST);
  EXPECT_EQ(Values("prices"), "1");
}

class CleanedTopicTest : public CompactedTopicTest {
 protected:
  CleanedTopicTest() { options_.settings = {"log.cleaner.backoff.ms=10"}; }
  v1::CleaningDescription Cleaning(const std::string& topic) {
    v1::DescribeTopicRequest request;
    request.set_name(topic);
    const auto described = client().Call(&v1::Admin::Stub::DescribeTopic, request);
    return described.ok() ? described->topic().partitions(0).cleaning() : v1::CleaningDescription();
  }
  bool WaitUntilCleanTo(const std::string& topic, std::int64_t end) {
    return WaitUntil([&] { return Cleaning(topic).clean_end() == end; });
  }
};

TEST_F(CleanedTopicTest, OldValuesGoInTheBackgroundAndPeopleAreTold) {
  CreateTopic("prices", 1, {{"cleanup.policy", "compact"}, {"min.cleanable.dirty.ratio", "0.01"}});
  for (int i = 0; i < 20; ++i) ASSERT_TRUE(Put("prices", i % 2 == 0 ? "a" : "b", std::to_string(i)).ok());
  ASSERT_TRUE(WaitUntilCleanTo("prices", 20));
  EXPECT_THAT(Values("prices"), ::testing::EndsWith("18 19"));  // what is still in memory is served as it came
  EXPECT_EQ(LogEnd("prices"), 20);
  const v1::CleaningDescription cleaning = Cleaning("prices");
  EXPECT_EQ(cleaning.dirty_ratio(), 0);
  EXPECT_GE(cleaning.runs(), 1u);
  EXPECT_GT(cleaning.last_ended_ms(), 0);
  KillAndRestart();
  EXPECT_EQ(Values("prices"), "18 19");
  EXPECT_EQ(Values("prices", 0, 19), "19");
  ASSERT_TRUE(Put("prices", "a", "20").ok());
  ASSERT_TRUE(WaitUntilCleanTo("prices", 21));
  EXPECT_EQ(Values("prices"), "19 20");
}

TEST_F(CleanedTopicTest, AFetchNamesWhatWasCleanedAway) {
  CreateTopic("prices", 1, {{"cleanup.policy", "compact"}, {"min.cleanable.dirty.ratio", "0.01"}});
  for (int i = 0; i < 10; ++i) ASSERT_TRUE(Put("prices", "a", std::to_string(i)).ok());
  ASSERT_TRUE(WaitUntilCleanTo("prices", 10));
  Restart();  // from disk, not from the ring
  const auto result = client().Fetch(FetchFrom("prices", 0, 3));
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ(result->gap().reason(), v1::Gap::COMPACTION);
  EXPECT_EQ(result->gap().from(), 3);
  EXPECT_EQ(result->gap().to(), 10);
}

TEST_F(CleanedTopicTest, ALogOfTheOtherKindIsNotCleaned) {
  CreateTopic("orders");
  ASSERT_TRUE(Put("orders", "a", "1").ok());
  ASSERT_TRUE(Put("orders", "a", "2").ok());
  EXPECT_EQ(Cleaning("orders").runs(), 0u);
  EXPECT_EQ(Values("orders"), "1 2");
}

}  // namespace
}  // namespace cordwood::testing
