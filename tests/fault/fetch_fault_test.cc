// SPDX-License-Identifier: Apache-2.0
// What a shard that takes no writes any more, or whose log is damaged, still gives its readers.
#include "broker/handlers/control/offsets_handler.h"
#include "broker/handlers/handlers_fixture.h"
#include "rocksdb/db.h"
#include "storage/log/keys.h"
#include "tests/fault/power_loss_fs.h"

namespace cordwood::broker {
namespace {

using ::cordwood::testing::BackgroundAllowed;
using ::cordwood::testing::DiskCall;
using ::cordwood::testing::DiskResult;
using ::cordwood::testing::PowerLossEnv;
using ::cordwood::testing::SimulatedDisk;

// A base of the fixture, so that the disk outlives the shard.
struct Disk {
  SimulatedDisk disk_;
  PowerLossEnv env_{disk_};
  BackgroundAllowed background_{env_};
};

class FetchFaultTest : private Disk, public HandlerFixture {
 protected:
  void SetUp() override {
    EXPECT_EQ(disk_.CreateDirectory(shard_.directory()), DiskResult::kOk);
    shard_.SetEnv(env_);
    fetch_options_.warn = [this](std::string_view text) { warnings_.emplace_back(text); };
    HandlerFixture::SetUp();
  }
  void TearDown() override {
    for (auto& session : sessions_) session->Close();
    EXPECT_TRUE(RunUntil([&] { return fetch_->jobs_outstanding() == 0; }));
    HandlerFixture::TearDown();
  }
  Status Append(int partition, const std::string& value) {
    auto stream = std::make_shared<ProduceStream>(true, &outcomes_);
    ProduceRequest request;
    request.entries.push_back(EntryFor("t", partition, {value}));
    EXPECT_EQ(produce_->Produce(stream, std::move(request)), absl::OkStatus());
    EXPECT_TRUE(RunUntil([&] { return stream->unanswered == 0; }));
    const auto& failures = outcomes_.all.back().failures;
    return failures.empty() ? absl::OkStatus() : failures[0].status;
  }
  // As after a crash: its ends are not known before it is opened.
  void CloseAsUnopened(int partition) {
    clock_.Advance(absl::Hours(1));
    ASSERT_EQ(shard_.driver().RunAndWait([](ShardTurn&) { return absl::OkStatus(); }), absl::OkStatus());
    ASSERT_TRUE(RunUntil([&] { return shard_.Replica("t", partition)->snapshot().phase == ReplicaPhase::kClosed; }));
    ReplicaSnapshot unopened;
    unopened.phase = ReplicaPhase::kUnopened;
    shard_.Replica("t", partition)->Publish(unopened);
  }
  void Poison() {
    disk_.FailCall(DiskCall::kAppend, 1, DiskResult::kIoError, true);
    EXPECT_THAT(Append(1, "lost"), FailsWith(Reason::kPoisoned));
  }
  // What is there, or why not.
  std::string Fetch(int partition, std::int64_t offset, std::optional<LeaderEpoch> last_fetched_epoch = std::nullopt) {
    FetchRequest request;
    FetchPartition& from = request.partitions.emplace_back();
    from.ref.topic = "t";
    from.ref.partition = partition;
    from.fetch_offset = Offset(offset);
    from.last_fetched_epoch = last_fetched_epoch;
    Answers answers;
    const auto session = sessions_.emplace_back(fetch_->Open(false, &answers));
    EXPECT_EQ(session->Apply(request), absl::OkStatus());
    EXPECT_TRUE(RunUntil([&] { return !answers.all.empty(); }));
    session->Close();
    if (answers.all.empty()) return "no answer";
    return answers.last().failure.has_value() ? answers.last().failure->status.ToString() : answers.Values(partition, Offset(offset));
  }

  Outcomes outcomes_;
  std::vector<std::shared_ptr<FetchSession>> sessions_;
  std::vector<std::string> warnings_;
};

TEST_F(FetchFaultTest, APoisonedShardServesWhatWasNotOpened) {
  ASSERT_EQ(Append(0, "kept"), absl::OkStatus());
  CloseAsUnopened(0);
  Poison();
  EXPECT_EQ(Fetch(0, 0), "kept");
}

TEST_F(FetchFaultTest, APoisonedShardComparesEpochs) {
  ASSERT_EQ(Append(1, "a"), absl::OkStatus());
  ASSERT_EQ(Append(1, "b"), absl::OkStatus());
  const LeaderEpoch epoch = shard_.Replica("t", 1)->snapshot().leader_epoch;
  Poison();
  EXPECT_EQ(Fetch(1, 1, epoch), "b");
}

TEST_F(FetchFaultTest, APoisonedShardTellsItsOffsetsAndWhereEpochsEnd) {
  ASSERT_EQ(Append(0, "kept"), absl::OkStatus());
  CloseAsUnopened(0);
  Poison();
  const OffsetsHandler offsets([this] { return shard_.image(); }, shard_.table());
  cordwood::v1::ListOffsetsRequest list;
  list.add_queries()->set_end(true);
  list.mutable_queries(0)->mutable_partition()->set_topic("t");
  EXPECT_EQ(offsets.ListOffsets(list)->answers(0).offset(), 1);
  cordwood::v1::OffsetForLeaderEpochRequest epochs;
  epochs.add_queries()->mutable_partition()->set_topic("t");
  EXPECT_EQ(offsets.OffsetForLeaderEpoch(epochs)->answers(0).end_offset(), 1);
}

TEST_F(FetchFaultTest, DamageIsDataLossThatNamesPartitionAndOffsetAndIsLoggedOnce) {
  for (const char* value : {"a", "b", "c"}) ASSERT_EQ(Append(0, value), absl::OkStatus());
  const PartitionId id = shard_.Replica("t", 0)->id;
  const_cast<TailRing&>(fetch_->ring()).Forget(id);
  ASSERT_TRUE(shard_.driver().store().db().Delete({}, std::string(BatchKey(id, Offset(1)).view())).ok());
  for (int i = 0; i < 2; ++i) EXPECT_THAT(Fetch(0, 1), ::testing::HasSubstr("t-0: the log cannot be read at offset 1: "));
  EXPECT_THAT(warnings_, ::testing::ElementsAre(::testing::HasSubstr("CORRUPT_MESSAGE: t-0: the log cannot be read at offset 1: ")));
}

}  // namespace
}  // namespace cordwood::broker
