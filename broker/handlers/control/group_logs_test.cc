// SPDX-License-Identifier: Apache-2.0
// What a group's snapshot takes from the logs, over a real shard.
#include "broker/groups/lag/group_lag.h"
#include "broker/groups/lag/group_snapshots.h"
#include "broker/handlers/handlers_fixture.h"

namespace cordwood::broker {
namespace {

class GroupLogsTest : public HandlerFixture {
 protected:
  // Batches of two records, a second apart.
  void Append(int partition, int batches) {
    for (int i = 0; i < batches; ++i) Put(partition, MakeBatch({"a", "b"}, Codec::kNone, kNowMs + 1000 * i));
  }
  void Put(int partition, SharedBytes batch) {
    auto stream = std::make_shared<ProduceStream>(false, &outcomes_);
    ProduceRequest request;
    request.entries.push_back(EntryOfBatch("t", partition, std::move(batch)));
    const std::size_t before = outcomes_.all.size();
    ASSERT_EQ(produce_->Produce(stream, std::move(request)), absl::OkStatus());
    ASSERT_TRUE(RunUntil([&] { return outcomes_.all.size() > before; }));
  }
  void Commit(int partition, std::int64_t offset) {
    PartitionSnapshot snapshot;
    snapshot.at = {shard_.Topic("t")->id, PartitionIndex(partition)};
    snapshot.committed.emplace();
    snapshot.committed->offset = Offset(offset);
    group_.partitions.push_back(snapshot);
  }

  Outcomes outcomes_;
  GroupSnapshot group_;
};

TEST_F(GroupLogsTest, TheFirstWaitingRecordIsAsOldAsItsBatch) {
  Append(0, 4);
  Commit(0, 5);
  FillEnds(group_, shard_.table());
  EXPECT_EQ(LagOf(group_.partitions[0]), 3);
  EXPECT_EQ(FillFirstWaiting(group_, shard_.table(), 10), 9u);
  EXPECT_EQ(group_.partitions[0].first_waiting_ms, kNowMs + 2000);
  EXPECT_EQ(LagMsOf(group_.partitions[0], kNowMs + 2500), 500);
}

TEST_F(GroupLogsTest, WhereAPaceGoesByItTheRecordsOwnTimeIsRead) {
  RecordBatchBuilder builder;
  for (const int hours : {-3, 0}) {
    RecordView record;
    record.timestamp_ms = kNowMs + 3'600'000 * hours;
    record.value = "v";
    builder.Add(record);
  }
  Put(0, builder.Build(Codec::kNone, {}, kSideHeaderBytes).value());
  Commit(0, 1);
  group_.replay.emplace();
  group_.replay->clock.emplace();
  FillEnds(group_, shard_.table());
  EXPECT_EQ(FillFirstWaiting(group_, shard_.table(), 10), 9u);
  EXPECT_EQ(group_.partitions[0].first_waiting_ms, kNowMs);
}

TEST_F(GroupLogsTest, NothingIsReadWhereNothingWaitsOrTheTimeIsKnown) {
  Append(0, 1);
  Append(1, 1);
  Commit(0, 2);
  Commit(1, 0);
  group_.partitions[1].first_waiting_ms = 77;
  FillEnds(group_, shard_.table());
  EXPECT_EQ(FillFirstWaiting(group_, shard_.table(), 10), 10u);
  EXPECT_EQ(group_.partitions[0].first_waiting_ms, std::nullopt);
  EXPECT_EQ(group_.partitions[1].first_waiting_ms, 77);
}

TEST_F(GroupLogsTest, OnceTheReadsAreUsedUpTheTimeIsUnknown) {
  Append(0, 1);
  Append(1, 1);
  Commit(0, 0);
  Commit(1, 0);
  FillEnds(group_, shard_.table());
  EXPECT_EQ(FillFirstWaiting(group_, shard_.table(), 1), 0u);
  EXPECT_EQ(group_.partitions[0].first_waiting_ms, kNowMs);
  EXPECT_EQ(group_.partitions[1].first_waiting_ms, std::nullopt);
}

TEST_F(GroupLogsTest, APartitionThatIsNotHereIsUnavailable) {
  Commit(0, 0);
  Commit(7, 0);
  FillEnds(group_, shard_.table());
  EXPECT_FALSE(group_.partitions[0].log_unavailable);
  EXPECT_TRUE(group_.partitions[1].log_unavailable);
  EXPECT_EQ(group_.partitions[1].ends.has_value(), false);
}

}  // namespace
}  // namespace cordwood::broker
