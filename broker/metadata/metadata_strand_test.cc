// SPDX-License-Identifier: Apache-2.0
#include "broker/metadata/metadata_strand.h"

#include <future>
#include <set>

#include "broker/metadata/local_metadata_store.h"
#include "broker/metadata/metadata_fixture.h"

namespace cordwood::broker {
namespace {

class MetadataStrandTest : public ::testing::Test {
 protected:
  MetadataStrandTest() { Start(); }

  void Start() {
    auto store = LocalMetadataStore::Open(directory_.path() + "/meta").value();
    store_ = store.get();
    strand_ = MetadataStrand::Start(std::move(store), BrokerImage{BrokerId(0), "localhost", 9600, ""}, MetadataLimits(), {[this](auto& b, auto& a) {
                                      return Listen(b, a);
                                    }}, clock_).value();
  }
  void Restart() {
    strand_.reset();
    Start();
  }
  Status Listen(const ClusterImagePtr& before, const ClusterImagePtr& after) {
    heard_ += (before == nullptr ? "start:" : std::to_string(before->topics().size()) + ">") + std::to_string(after->topics().size()) + " ";
    return listener_answer_;
  }
  Status Create(const std::string& name, std::int32_t partitions = 1, ConfigMap configs = {}) {
    return strand_->CreateTopic({name, partitions, 0, std::move(configs)}, false).status();
  }
  std::string Topics() {
    std::string names;
    for (const auto& topic : strand_->image()->topics()) names += topic->name + ":" + std::to_string(topic->partition_count) + " ";
    return names;
  }

  TempDir directory_;
  SimulatedClock clock_;
  std::string heard_;
  Status listener_answer_;
  LocalMetadataStore* store_ = nullptr;
  std::unique_ptr<MetadataStrand> strand_;
};

TEST_F(MetadataStrandTest, CreatedTopicIsInTheImageWhenTheCallReturns) {
  const auto topic = strand_->CreateTopic({"orders", 3, 0, {{"durability", "os"}}}, false).value();
  EXPECT_EQ(Topics(), "orders:3 ");
  EXPECT_EQ(strand_->image()->FindTopic(topic->id), topic);
  EXPECT_EQ(topic->created_ms, clock_.WallMs());
  EXPECT_FALSE(topic->id.is_nil());
  EXPECT_EQ(heard_, "start:0 0>1 ");
}

TEST_F(MetadataStrandTest, ATopicThatIsEnsuredIsThereWhenItIsSaidSoAndMayHaveBeenBefore) {
  for (int i = 0; i < 2; ++i) {
    std::promise<Status> done;
    strand_->EnsureTopic({"orders", 3, 0, {}}, [&](Status made) {
      EXPECT_EQ(Topics(), "orders:3 ");
      done.set_value(std::move(made));
    });
    EXPECT_EQ(done.get_future().get(), absl::OkStatus());
  }
  std::promise<Status> refused;
  strand_->EnsureTopic({"no/name", 1, 0, {}}, [&](Status made) { refused.set_value(std::move(made)); });
  EXPECT_EQ(ReasonOf(refused.get_future().get()), Reason::kInvalidTopic);
}

TEST_F(MetadataStrandTest, EverythingSurvivesARestart) {
  ASSERT_EQ(Create("b", 2, {{"retention.ms", "5"}}), absl::OkStatus());
  ASSERT_EQ(Create("a"), absl::OkStatus());
  const auto before = strand_->image();
  Restart();
  const auto after = strand_->image();
  EXPECT_EQ(Topics(), "a:1 b:2 ");
  EXPECT_EQ(after->cluster_id(), before->cluster_id());
  EXPECT_EQ(after->FindTopic("b")->id, before->FindTopic("b")->id);
  EXPECT_EQ(after->FindTopic("b")->config.retention.retention_ms, 5);
}

TEST_F(MetadataStrandTest, ValidateOnlyChangesNothing) {
  EXPECT_EQ(strand_->CreateTopic({"orders", 3, 0, {}}, true)->get()->partition_count, 3);
  EXPECT_THAT(strand_->CreateTopic({"a b", 3, 0, {}}, true).status(), HasReason(Reason::kInvalidTopic));
  EXPECT_EQ(Topics(), "");
}

TEST_F(MetadataStrandTest, SecondTopicOfANameIsRefused) {
  ASSERT_EQ(Create("orders"), absl::OkStatus());
  EXPECT_THAT(Create("orders"), HasReason(Reason::kTopicAlreadyExists));
}

TEST_F(MetadataStrandTest, DeletedTopicLeavesProofUntilTheNextStart) {
  ASSERT_EQ(Create("orders"), absl::OkStatus());
  const TopicId id = strand_->image()->FindTopic("orders")->id;
  ASSERT_EQ(strand_->DeleteTopic("orders", id), absl::OkStatus());
  EXPECT_EQ(Topics(), "");
  EXPECT_TRUE(strand_->image()->WasDeleted(id));
  EXPECT_THAT(strand_->DeleteTopic("orders", std::nullopt), HasReason(Reason::kUnknownTopicOrPartition));
  Restart();
  EXPECT_FALSE(strand_->image()->WasDeleted(id));
}

TEST_F(MetadataStrandTest, ManyDeletionsAreForgottenInBetween) {
  std::vector<TopicId> ids;
  for (int i = 0; i < 260; ++i) {
    ASSERT_EQ(Create("t"), absl::OkStatus());
    ids.push_back(strand_->image()->FindTopic("t")->id);
    ASSERT_EQ(strand_->DeleteTopic("t", std::nullopt), absl::OkStatus());
  }
  EXPECT_FALSE(strand_->image()->WasDeleted(ids.front()));
  EXPECT_TRUE(strand_->image()->WasDeleted(ids.back()));
  EXPECT_EQ(store_->Range("/cordwood/deleted_topics/", "/cordwood/deleted_topics0")->entries.size(), 3u);
}

TEST_F(MetadataStrandTest, PartitionsAndConfigsChange) {
  ASSERT_EQ(Create("orders", 1, {{"retention.ms", "5"}}), absl::OkStatus());
  EXPECT_EQ((*strand_->CreatePartitions("orders", 4))->partition_count, 4);
  const auto topic = strand_->AlterTopicConfig("orders", {{"durability", "os"}}, {"retention.ms"}).value();
  EXPECT_EQ(topic->configs, (ConfigMap{{"durability", "os"}}));
  EXPECT_EQ(topic->partition_count, 4);
}

TEST_F(MetadataStrandTest, ListenersErrorFailsTheCallThatCausedIt) {
  listener_answer_ = Error(Reason::kPoisoned, "no");
  EXPECT_THAT(Create("orders"), HasReason(Reason::kPoisoned));
  listener_answer_ = absl::OkStatus();
  EXPECT_EQ(Topics(), "orders:1 ");  // it is durable all the same
}

TEST_F(MetadataStrandTest, GrowthGateStopsGrowthOnly) {
  ASSERT_EQ(Create("orders"), absl::OkStatus());
  strand_->SetGrowthGate([] { return Error(Reason::kDiskFull, "full"); });
  EXPECT_THAT(Create("clicks"), HasReason(Reason::kDiskFull));
  EXPECT_THAT(strand_->CreatePartitions("orders", 2).status(), HasReason(Reason::kDiskFull));
  EXPECT_TRUE(strand_->AlterTopicConfig("orders", {{"retention.ms", "1"}}, {}).ok());
  EXPECT_EQ(strand_->DeleteTopic("orders", std::nullopt), absl::OkStatus());
}

TEST_F(MetadataStrandTest, ProducerIdsAreNeverGivenOutTwice) {
  std::set<ProducerId> ids;
  for (int start = 0; start < 3; ++start, Restart()) {
    for (int i = 0; i < 1500; ++i) ids.insert(strand_->AllocateProducerId().value());
  }
  EXPECT_EQ(ids.size(), 4500u);
  EXPECT_GT(ids.begin()->value(), 0);
}

TEST_F(MetadataStrandTest, ChangeByAnotherWriterIsFollowed) {
  TopicImage topic;
  topic.name = "theirs";
  topic.id = TopicId::Random();
  topic.partition_count = 2;
  ASSERT_TRUE(store_->Transact({}, {{MetadataWrite::Kind::kPut, TopicKey("theirs"), EncodeTopic(topic).SerializeAsString(), 0}}).ok());
  EXPECT_THAT(Create("theirs"), HasReason(Reason::kTopicAlreadyExists));  // refused by the store or, if the watch was faster, by the image
  EXPECT_EQ(Topics(), "theirs:2 ");
}

TEST_F(MetadataStrandTest, UnreadableTopicStopsTheStartByName) {
  ASSERT_TRUE(store_->Transact({}, {{MetadataWrite::Kind::kPut, TopicKey("bad"), "\xFF", 0}}).ok());
  strand_.reset();
  auto store = LocalMetadataStore::Open(directory_.path() + "/meta").value();
  const auto strand = MetadataStrand::Start(std::move(store), BrokerImage{}, MetadataLimits(), {}, clock_);
  EXPECT_THAT(strand.status(), SaysThat("/cordwood/topics/bad"));
}

TEST_F(MetadataStrandTest, UnknownTopicSuggestsTheNearest) {
  ASSERT_EQ(Create("orders"), absl::OkStatus());
  EXPECT_THAT(strand_->image()->UnknownTopicAndNearest("ordesr"), SaysThat("no topic \"ordesr\"; did you mean \"orders\"?"));
}

TEST_F(MetadataStrandTest, EveryPartitionIsLedByTheOnlyBroker) {
  ASSERT_EQ(Create("orders", 2), absl::OkStatus());
  const PartitionAssignment assignment = strand_->image()->FindTopic("orders")->AssignmentOf(PartitionIndex(1));
  EXPECT_EQ(assignment.leader, BrokerId(0));
  EXPECT_EQ(assignment.isr, std::vector<BrokerId>{BrokerId(0)});
  EXPECT_EQ(strand_->image()->controller(), BrokerId(0));
}

}  // namespace
}  // namespace cordwood::broker
