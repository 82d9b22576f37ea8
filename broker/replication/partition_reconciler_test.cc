// SPDX-License-Identifier: Apache-2.0
#include "broker/replication/partition_reconciler.h"

#include <chrono>
#include <optional>
#include <set>

#include "broker/metadata/local_metadata_store.h"
#include "broker/metadata/metadata_strand.h"
#include "broker/replication/replication_fixture.h"

namespace cordwood::broker {
namespace {

// A broker without doors: metadata, two shards, and the reconciler between them.
class PartitionReconcilerTest : public ::testing::Test {
 protected:
  PartitionReconcilerTest() { EXPECT_EQ(Start(), absl::OkStatus()); }

  ShardDriver* OpenShard(std::uint32_t i, ShardKind kind) {
    ShardOptions options;
    options.directory = directory_.path() + "/shard-00" + std::to_string(i);
    options.synced_file = options.directory + ".synced";
    options.shard = ShardId(i);
    options.kind = kind;
    shards_.push_back(std::make_unique<ShardDriver>(ShardStore::Open(options).value(), ShardDriverOptions(), clock_));
    shards_.back()->Start();
    return shards_.back().get();
  }
  Status Start(bool with_reconciler = true) {
    std::vector<ShardDriver*> shards;
    for (std::uint32_t i = 0; i < 2; ++i) shards.push_back(OpenShard(i, ShardKind::kLog));
    if (has_compact_shard_) shards.push_back(OpenShard(2, ShardKind::kCompact));
    list_.emplace(std::move(shards));
    table_ = std::make_unique<PartitionTable>();
    reconciler_ = std::make_unique<PartitionReconciler>(*list_, *table_, clock_, [this]() -> StatusOr<ShardDriver*> {
      CORDWOOD_RETURN_IF_ERROR(compact_shard_refused_);
      has_compact_shard_ = true;
      ShardDriver* const shard = OpenShard(2, ShardKind::kCompact);
      list_->Add(shard);
      return shard;
    });
    CORDWOOD_RETURN_IF_ERROR(reconciler_->Load());
    std::vector<MetadataStrand::ImageListener> listeners;
    if (with_reconciler) listeners.push_back([this](auto& before, auto& after) { return reconciler_->OnImage(before, after); });
    CORDWOOD_ASSIGN_OR_RETURN(auto store, LocalMetadataStore::Open(directory_.path() + "/meta"));
    CORDWOOD_ASSIGN_OR_RETURN(strand_, MetadataStrand::Start(std::move(store), BrokerImage{}, MetadataLimits(), std::move(listeners), clock_));
    return absl::OkStatus();
  }
  // Without a reconciler, the next start finds metadata that the shards never heard of.
  void CrashAndRestart(bool with_reconciler = true) {
    strand_.reset();
    reconciler_.reset();
    shards_.clear();
    ASSERT_EQ(Start(with_reconciler), absl::OkStatus());
  }
  void Create(const std::string& name, std::int32_t partitions) {
    ASSERT_EQ(strand_->CreateTopic({name, partitions, 0, {}}, false).status(), absl::OkStatus());
  }
  Status CreateCompacted(const std::string& name, std::int32_t partitions) {
    return strand_->CreateTopic({name, partitions, 0, {{"cleanup.policy", "compact"}}}, false).status();
  }
  std::size_t LogsIn(std::size_t shard) { return ReadPartitionStubs(shards_[shard]->store())->size(); }
  TopicId IdOf(const std::string& name) { return strand_->image()->FindTopic(name)->id; }
  std::size_t LogsOnDisk() {
    return LogsIn(0) + LogsIn(1);
  }
  std::set<PartitionId> Ids() {
    std::set<PartitionId> ids;
    for (const auto& handle : table_->All()) ids.insert(handle->id);
    return ids;
  }

  TempDir directory_;
  SimulatedClock clock_;
  std::vector<std::unique_ptr<ShardDriver>> shards_;
  std::optional<ShardList> list_;
  bool has_compact_shard_ = false;
  Status compact_shard_refused_;
  std::unique_ptr<PartitionTable> table_;
  std::unique_ptr<PartitionReconciler> reconciler_;
  std::unique_ptr<MetadataStrand> strand_;
};

TEST_F(PartitionReconcilerTest, NewTopicHasItsPartitionsWhenTheCallReturns) {
  Create("orders", 5);
  EXPECT_EQ(table_->size(), 5u);
  EXPECT_EQ(LogsOnDisk(), 5u);
  const auto handles = table_->FindAll(IdOf("orders"));
  ASSERT_EQ(handles.size(), 5u);
  EXPECT_EQ(handles[3]->snapshot().phase, ReplicaPhase::kClosed);
  EXPECT_EQ(table_->Find(IdOf("orders"), PartitionIndex(5)), nullptr);
}

TEST_F(PartitionReconcilerTest, CompactedTopicsShareAShardThatIsMadeForTheFirst) {
  Create("orders", 2);
  EXPECT_EQ(shards_.size(), 2u);
  ASSERT_EQ(CreateCompacted("prices", 3), absl::OkStatus());
  ASSERT_EQ(shards_.size(), 3u);
  EXPECT_EQ(LogsIn(2), 3u);
  ASSERT_EQ(CreateCompacted("stocks", 4), absl::OkStatus());
  Create("clicks", 4);
  EXPECT_EQ(shards_.size(), 3u);
  EXPECT_EQ(LogsIn(2), 7u);
  EXPECT_EQ(LogsOnDisk(), 6u);
}

TEST_F(PartitionReconcilerTest, CompactedTopicsAreFoundAgain) {
  ASSERT_EQ(CreateCompacted("prices", 3), absl::OkStatus());
  CrashAndRestart();
  ASSERT_EQ(table_->FindAll(IdOf("prices")).size(), 3u);
  EXPECT_EQ(&table_->Find(IdOf("prices"), PartitionIndex(2))->driver, shards_[2].get());
  EXPECT_EQ(LogsIn(2), 3u);
}

TEST_F(PartitionReconcilerTest, WhatHasNoShardOfItsKindIsCreatedWithTheNextImage) {
  compact_shard_refused_ = Error(Reason::kStorageError, "no disk");
  (void)CreateCompacted("prices", 1);
  EXPECT_EQ(table_->size(), 0u);
  compact_shard_refused_ = absl::OkStatus();
  Create("orders", 1);
  EXPECT_EQ(table_->FindAll(IdOf("prices")).size(), 1u);
  EXPECT_EQ(LogsIn(2), 1u);
}

TEST_F(PartitionReconcilerTest, PartitionsAreSpreadOverTheShards) {
  Create("orders", 6);
  EXPECT_EQ(ReadPartitionStubs(shards_[0]->store())->size(), 3u);
  EXPECT_EQ(ReadPartitionStubs(shards_[1]->store())->size(), 3u);
}

TEST_F(PartitionReconcilerTest, PartitionsKeepTheirLogsOverARestart) {
  Create("orders", 5);
  const auto before = Ids();
  CrashAndRestart();
  EXPECT_EQ(Ids(), before);
  EXPECT_EQ(LogsOnDisk(), 5u);
}

TEST_F(PartitionReconcilerTest, PartitionsAddedLaterAreCreated) {
  Create("orders", 2);
  ASSERT_EQ(strand_->CreatePartitions("orders", 4).status(), absl::OkStatus());
  EXPECT_EQ(table_->FindAll(IdOf("orders")).size(), 4u);
  EXPECT_EQ(Ids().size(), 4u);
}

TEST_F(PartitionReconcilerTest, DeletedTopicLeavesNothing) {
  Create("orders", 5);
  Create("clicks", 1);
  ASSERT_EQ(strand_->DeleteTopic("orders", std::nullopt), absl::OkStatus());
  EXPECT_EQ(table_->size(), 1u);
  EXPECT_EQ(LogsOnDisk(), 1u);
}

TEST_F(PartitionReconcilerTest, IdsAreNeverReused) {
  Create("orders", 5);
  const auto first = Ids();
  ASSERT_EQ(strand_->DeleteTopic("orders", std::nullopt), absl::OkStatus());
  CrashAndRestart();
  Create("orders", 5);
  EXPECT_GT(*Ids().begin(), *first.rbegin());
}

TEST_F(PartitionReconcilerTest, CrashBetweenMetadataAndShardIsMadeGoodAtTheNextStart) {
  CrashAndRestart(/*with_reconciler=*/false);
  Create("orders", 5);
  EXPECT_EQ(LogsOnDisk(), 0u);
  CrashAndRestart();
  EXPECT_EQ(table_->FindAll(IdOf("orders")).size(), 5u);
  EXPECT_EQ(LogsOnDisk(), 5u);
}

TEST_F(PartitionReconcilerTest, DeletionCutShortByACrashIsFinishedAtTheNextStart) {
  Create("orders", 5);
  CrashAndRestart(/*with_reconciler=*/false);
  ASSERT_EQ(strand_->DeleteTopic("orders", std::nullopt), absl::OkStatus());
  EXPECT_EQ(LogsOnDisk(), 5u);
  CrashAndRestart();
  EXPECT_EQ(LogsOnDisk(), 0u);
  EXPECT_EQ(table_->size(), 0u);
}

TEST_F(PartitionReconcilerTest, LostMetadataNeverRemovesALog) {
  Create("orders", 5);
  strand_.reset();
  std::filesystem::remove_all(directory_.path() + "/meta");
  std::filesystem::remove(directory_.path() + "/meta.synced");
  CrashAndRestart();
  EXPECT_EQ(LogsOnDisk(), 5u);
  EXPECT_EQ(reconciler_->unknown_partitions(), 5u);
  Create("orders", 1);  // another topic, whatever its name
  EXPECT_EQ(LogsOnDisk(), 6u);
}

TEST_F(PartitionReconcilerTest, TwoLogsOfOnePartitionStopTheStart) {
  Create("orders", 1);
  const auto handle = table_->All().at(0);
  ASSERT_EQ(shards_[1]->RunAndWait([&](ShardTurn& turn) {
    turn.StageCreate(PartitionId(77), PartitionIdentity{handle->topic_id, handle->index, 0, Uuid()});
    return absl::OkStatus();
  }), absl::OkStatus());
  strand_.reset();
  shards_.clear();
  EXPECT_THAT(Start(), FailsWith(Reason::kStorageError));
}

TEST_F(PartitionReconcilerTest, ManyPartitionsAreCreatedInBulk) {
  Create("orders", 5000);
  EXPECT_EQ(Ids().size(), 5000u);
  EXPECT_EQ(LogsOnDisk(), 5000u);
}

// By hand: --gtest_also_run_disabled_tests --gtest_filter='*HundredThousand*'; the test program says how long each took.
TEST_F(PartitionReconcilerTest, DISABLED_HundredThousandPartitionsOfOneTopic) {
  Create("orders", 100'000);
  EXPECT_EQ(table_->size(), 100'000u);
  const auto start = std::chrono::steady_clock::now();
  CrashAndRestart();
  RecordProperty("restart_ms", static_cast<int>((std::chrono::steady_clock::now() - start) / std::chrono::milliseconds(1)));
  EXPECT_EQ(table_->size(), 100'000u);
}

TEST_F(PartitionReconcilerTest, DISABLED_HundredThousandPartitionsOfAThousandTopics) {
  for (int i = 0; i < 1000; ++i) Create("topic-" + std::to_string(i), 100);
  EXPECT_EQ(table_->size(), 100'000u);
}

}  // namespace
}  // namespace cordwood::broker
