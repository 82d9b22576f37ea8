// SPDX-License-Identifier: Apache-2.0
// A broker whose clock was an hour ahead when its records came: what was appended stays as long as it should, and what comes now is taken.
#include "storage/log/side_header.h"
#include "storage/shard/data_dir.h"
#include "storage/shard/partition_catalog.h"
#include "storage/shard/partition_log.h"
#include "storage/shard/shard_store.h"
#include "tests/integration/broker_fixture.h"

namespace cordwood::testing {
namespace {

constexpr std::int64_t kHourMs = 3'600'000;

class ClockSetBackTest : public BrokerTest {
 protected:
  ClockSetBackTest() { options_.settings = {"storage.shards=1"}; }

  // Half an hour of retention, and the strictest limit on times ahead of the broker's clock.
  void CreateBriefTopic(const std::string& name) {
    const auto created = client().CreateTopic(name, 1, {{"retention.ms", std::to_string(kHourMs / 2)}, {"message.timestamp.after.max.ms", "0"}});
    ASSERT_TRUE(created.ok()) << created.status();
    ASSERT_TRUE(Uuid::FromBytes(created->topic_id(), &topics_[name]));
  }
  static SharedBytes StoredBatch(const std::string& value, const ProducerStamp& producer, std::int64_t timestamp_ms) {
    RecordBatchBuilder builder;
    builder.Add({Offset(0), timestamp_ms, std::nullopt, value, {}});
    return builder.Build(Codec::kNone, producer, kSideHeaderBytes).value();
  }
  // What a broker with that clock would have left after a clean stop. No broker may be running.
  Status AppendByAClockAt(std::int64_t wall_ms, const std::string& topic, const std::string& value, const ProducerStamp& producer = {}) {
    CORDWOOD_ASSIGN_OR_RETURN(const DataDir data_dir, DataDir::Open(this->data_dir()));
    ShardOptions options;
    options.directory = data_dir.ShardPath(ShardId(0));
    options.synced_file = data_dir.SyncedFilePath(ShardId(0));
    options.data_dir_id = data_dir.id();
    CORDWOOD_ASSIGN_OR_RETURN(const auto store, ShardStore::Open(options));
    CORDWOOD_ASSIGN_OR_RETURN(const auto stubs, ReadPartitionStubs(*store));
    for (const PartitionStub& stub : stubs) {
      if (stub.identity.topic_id != topics_[topic]) continue;
      CORDWOOD_ASSIGN_OR_RETURN(const auto log, PartitionLog::Open(*store, stub.id, ProducerLimits()));
      SharedBytes batch = StoredBatch(value, producer, wall_ms);
      WriteGroup group;
      CORDWOOD_RETURN_IF_ERROR(log->StageAppend(group, {&batch, 1}, store->epoch_floor(), wall_ms, false).status());
      log->StageClose(group, log->log_end());
      CORDWOOD_RETURN_IF_ERROR(store->Commit(group));
    }
    return store->Close();
  }
  std::int64_t LogStart(const std::string& topic) { return client().LogStart(topic).value_or(-1); }

  std::map<std::string, Uuid> topics_;
  const std::int64_t now_ms_ = NowMs();
};

TEST_F(ClockSetBackTest, NothingExpiresEarlyAndNothingIsRefused) {
  CreateBriefTopic("ahead");
  CreateBriefTopic("old");  // retention looks at the topics in the order of their names
  ASSERT_EQ(Stop(), 0);
  ASSERT_EQ(AppendByAClockAt(now_ms_ + kHourMs, "ahead", "a", Stamp(7, 0)), absl::OkStatus());
  ASSERT_EQ(AppendByAClockAt(now_ms_ - kHourMs, "old", "gone"), absl::OkStatus());
  Start();
  ASSERT_TRUE(WaitUntil([this] { return LogStart("old") == 1; })) << "retention does not run";
  EXPECT_EQ(LogStart("ahead"), 0);

  EXPECT_EQ(Append("ahead", {"b"}), 1);                                                           // a producer that has the time of now
  EXPECT_EQ(client().ProduceBatches("ahead", 0, Batch({"c"}, Stamp(7, 1))).value_or(-1), 2);      // one that went on through it
  EXPECT_EQ(client().ProduceBatches("ahead", 0, Batch({"c"}, Stamp(7, 1))).value_or(-1), 2);      // and repeats itself
  v1::ProduceRequest late = RecordsRequest("ahead", 0, {"d"});
  late.mutable_entries(0)->mutable_records(0)->set_timestamp_ms(now_ms_ + kHourMs);               // one whose clock is still ahead
  EXPECT_EQ(client().Produce(late).value_or(-1), 3);
  EXPECT_EQ(Values("ahead"), "a b c d");
  Restart();
  EXPECT_EQ(Values("ahead"), "a b c d");
}

}  // namespace
}  // namespace cordwood::testing
