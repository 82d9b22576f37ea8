// SPDX-License-Identifier: Apache-2.0
// A group driver over a real shard in a temporary directory; members are the test's own.
#pragma once

#include <algorithm>
#include <future>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/str_cat.h"
#include "broker/groups/coordinator/group_driver.h"
#include "broker/replication/partition_reconciler.h"
#include "broker/replication/shard_driver.h"
#include "broker/replication/test_network.h"
#include "storage/base/mutex.h"
#include "tests/support/temp_dir.h"

namespace cordwood::broker {

// What each stream was told, in words: "welcome 1", "target 2: t-0@5", "target 3: t-0@5; revoke t-1", "positions t-0@0/1", "committed 7", "end REASON".
class Ear final : public GroupListener {
 public:
  void OnTells(const std::vector<StreamTell>& tells, const TopicView& topics) override {
    for (const StreamTell& tell : tells) heard[tell.stream].push_back(Words(tell, topics));
  }
  std::map<StreamId, std::vector<std::string>> heard;

 private:
  static std::string Name(const TopicPartition& at, const TopicView& topics) {
    return absl::StrCat(topics.names.contains(at.topic) ? topics.names.at(at.topic) : "?", "-", at.partition.value());
  }
  static std::string Name(const AssignedPartition& assigned, const TopicView& topics) {
    std::string name = absl::StrCat(" ", Name(assigned.at, topics), "@", assigned.offset.has_value() ? ToString(*assigned.offset) : "none");
    if (assigned.position_epoch > PositionEpoch(0)) absl::StrAppend(&name, "/", assigned.position_epoch.value());
    return name;
  }
  static std::string Words(const StreamTell& tell, const TopicView& topics) {
    std::string words;
    if (const auto* welcome = std::get_if<TellWelcome>(&tell.what)) return absl::StrCat("welcome ", welcome->epoch.value());
    if (const auto* target = std::get_if<TellTarget>(&tell.what)) {
      words = absl::StrCat("target ", target->epoch.value(), ":");
      for (const AssignedPartition& assigned : target->assigned) words += Name(assigned, topics);
      if (!target->revoke.empty()) words += "; revoke";
      for (const TopicPartition& at : target->revoke) words += " " + Name(at, topics);
    } else if (const auto* positions = std::get_if<TellPositions>(&tell.what)) {
      words = "positions";
      for (const AssignedPartition& assigned : positions->positions) words += Name(assigned, topics);
    } else if (const auto* done = std::get_if<CommitDone>(&tell.what)) {
      words = absl::StrCat("committed ", done->request);
      for (const Status& entry : done->entries) words += " " + std::string(entry.ok() ? "OK" : ReasonName(ReasonOf(entry)));
    } else if (const auto* end = std::get_if<EndStream>(&tell.what)) {
      words = "end " + std::string(end->status.ok() ? "OK" : ReasonName(ReasonOf(end->status)));
    }
    return words;
  }
};

class CoordinatorFixture : public ::testing::Test {
 protected:
  static constexpr int kOffsetsPartitions = 4;

  CoordinatorFixture() {
    Start();
    CreateTopic("t", 2);
  }
  ~CoordinatorFixture() override { Stop(); }

  void Start() {
    ShardOptions options;
    options.directory = directory_.path() + "/shard-000";
    options.synced_file = directory_.path() + "/shard-000.synced";
    options.data_dir_id.bytes[0] = 1;
    options.clock = &clock_;
    shard_ = std::make_unique<ShardDriver>(ShardStore::Open(options).value(), ShardDriverOptions(), clock_);
    shard_->Start();
    table_ = std::make_unique<PartitionTable>();
    reconciler_ = std::make_unique<PartitionReconciler>(std::vector<ShardDriver*>{shard_.get()}, *table_, clock_);
    ASSERT_EQ(reconciler_->Load(), absl::OkStatus());
    options_.warn = [this](std::string_view line) {
      MutexLock lock(mu_);
      warnings_.emplace_back(line);
    };
    driver_ = std::make_unique<GroupDriver>(options_, *table_, [this](std::function<void(Status)> done) { MakeOffsetsTopic(std::move(done)); }, clock_);
    port_ = driver_->AddListener(&network_.outbox, &ear_);
    driver_->Start();
    if (!topics_.empty()) Publish({});
  }
  void Stop(bool clean = true) {
    if (driver_ == nullptr) return;
    driver_->Stop();
    network_.outbox.Drain();
    if (clean) EXPECT_EQ(shard_->Stop(), shard_->store().poison_status());
    driver_.reset();
    reconciler_.reset();
    shard_.reset();
  }
  void Restart(bool clean = true) {
    Stop(clean);
    Start();
  }

  void CreateTopic(const std::string& name, int partitions) {
    auto topic = std::make_shared<TopicImage>();
    topic->name = name;
    topic->id = TopicId::Random();
    topic->config.durability = Durability::kOs;
    topic->partition_count = partitions;
    topic->revision = 1;
    {
      MutexLock lock(mu_);
      topics_[name] = topic;
    }
    Publish({});
  }
  void DeleteTopic(const std::string& name) {
    TopicId id;
    {
      MutexLock lock(mu_);
      id = topics_.at(name)->id;
      topics_.erase(name);
    }
    Publish({id});
  }
  void GrowTopic(const std::string& name, int partitions) {
    {
      MutexLock lock(mu_);
      auto grown = std::make_shared<TopicImage>(*topics_.at(name));
      grown->partition_count = partitions;
      topics_[name] = grown;
    }
    Publish({});
  }
  TopicPartition At(const std::string& topic, int partition) {
    MutexLock lock(mu_);
    return {topics_.at(topic)->id, PartitionIndex(partition)};
  }
  ReplicaHandlePtr OffsetsReplica(const std::string& group) {
    MutexLock lock(mu_);
    return table_->Find(topics_.at(kOffsetsTopic)->id, PartitionOfKey(group, kOffsetsPartitions));
  }

  // Members. A stream's messages are sent as they come.
  JoinGroup JoinAs(const std::string& member, std::vector<std::string> topics = {"t"}) {
    JoinGroup join;
    join.member = member;
    join.client = "client of " + member;
    join.subscription.topics = std::move(topics);
    join.rebalance_timeout_ms = 60'000;
    return join;
  }
  StreamId Join(const std::string& group, JoinGroup join) {
    const StreamId stream = port_.Stream(++last_stream_);
    join.stream = stream;
    auto input = std::make_unique<GroupInput>();
    input->group = group;
    input->address = "ipv4:127.0.0.1:1";
    input->stream = stream;
    input->event = std::move(join);
    EXPECT_EQ(driver_->Send(input), absl::OkStatus());
    return stream;
  }
  StreamId Join(const std::string& group, const std::string& member) { return Join(group, JoinAs(member)); }
  template <class Event>
  void Say(StreamId stream, Event event, std::vector<std::pair<TopicPartition, MemberProgress>> progress = {}) {
    auto input = std::make_unique<GroupInput>();
    input->stream = event.stream = stream;
    input->event = std::move(event);
    input->progress = std::move(progress);
    EXPECT_EQ(driver_->Send(input), absl::OkStatus());
  }
  void Beat(StreamId stream, int epoch, std::vector<TopicPartition> owned) { Say(stream, MemberHeartbeat{stream, MemberEpoch(epoch), std::move(owned)}); }
  CommitOffsets CommitOf(int epoch, const TopicPartition& at, std::int64_t offset, std::uint64_t seq = 1) {
    CommitOffsets commit;
    commit.request = seq;
    commit.epoch = MemberEpoch(epoch);
    commit.entries.push_back({at, Offset(offset), kNoLeaderEpoch, PositionEpoch(0), {}, std::nullopt});
    return commit;
  }
  // Waits for the next thing that the stream is told.
  std::string Next(StreamId stream) {
    std::vector<std::string>& heard = ear_.heard[stream];
    if (!network_.RunUntil([&] { return !heard.empty(); })) return "(nothing)";
    std::string first = heard.front();
    heard.erase(heard.begin());
    return first;
  }
  // Nothing more was said to it by what was sent so far.
  bool Silent(StreamId stream) {
    (void)Look("no-such-group", [](const GroupView&) { return std::string(); });
    network_.outbox.Drain();
    return ear_.heard[stream].empty();
  }

  // Calls, waiting for their answers.
  template <class Result>
  Result Wait(const std::function<void(std::function<void(Result)>)>& call) {
    auto done = std::make_shared<std::promise<Result>>();
    call([done](Result result) { done->set_value(std::move(result)); });
    return done->get_future().get();
  }
  StatusOr<std::vector<Status>> Commit(const std::string& group, CommitOffsets commit) {
    return Wait<StatusOr<std::vector<Status>>>([&](auto done) { driver_->Commit(group, std::move(commit), std::move(done)); });
  }
  StatusOr<FetchedOffsets> Fetch(const std::string& group) {
    return Wait<StatusOr<FetchedOffsets>>([&](auto done) { driver_->Fetch(group, std::move(done)); });
  }
  std::string Offsets(const std::string& group) {
    const StatusOr<FetchedOffsets> fetched = Fetch(group);
    if (!fetched.ok()) return std::string(ReasonName(ReasonOf(fetched.status())));
    std::string text;
    for (const FetchedOffset& offset : *fetched) absl::StrAppend(&text, offset.committed.topic, "-", offset.at.partition.value(), "@", offset.committed.offset.value(), " ");
    return text;
  }
  std::string Look(const std::string& group, const std::function<std::string(const GroupView&)>& look) {
    return Wait<std::string>([&](auto done) {
      driver_->Look(group, [&look, done](StatusOr<GroupView> view) { done(view.ok() ? look(*view) : std::string(ReasonName(ReasonOf(view.status())))); });
    });
  }
  std::map<std::string, std::string> Snapshot(const std::string& group) {
    std::map<std::string, std::string> snapshot;
    Look(group, [&](const GroupView& view) {
      EXPECT_EQ(view.core.Invariants(), absl::OkStatus());
      snapshot = view.core.state().Snapshot();
      return std::string();
    });
    return snapshot;
  }
  // Until the groups of all partitions are there, or cannot be.
  void AwaitLoaded() {
    while (Wait<Status>([&](auto done) { driver_->LookAtAll([](const GroupView&) {}, std::move(done)); }) == LoadInProgress()) std::this_thread::yield();
  }
  void Advance(absl::Duration by) {
    clock_.Advance(by);
    (void)Look("no-such-group", [](const GroupView&) { return std::string(); });
  }
  std::vector<std::string> Warnings() {
    MutexLock lock(mu_);
    return warnings_;
  }

  SimulatedClock clock_;
  GroupDriverOptions options_;
  TestNetwork network_;
  Ear ear_;
  GroupPort port_;
  std::unique_ptr<ShardDriver> shard_;
  std::unique_ptr<PartitionTable> table_;
  std::unique_ptr<GroupDriver> driver_;
  int topics_made_ = 0;
  Status make_outcome_;  // of the next creation of the offsets topic

 private:
  // Any status with this reason.
  struct LoadInProgress {
    friend bool operator==(const Status& status, LoadInProgress) { return ReasonOf(status) == Reason::kCoordinatorLoadInProgress; }
  };
  void MakeOffsetsTopic(std::function<void(Status)> done) {
    ++topics_made_;
    if (!make_outcome_.ok()) return done(make_outcome_);
    CreateTopic(kOffsetsTopic, kOffsetsPartitions);
    done(absl::OkStatus());
  }
  void Publish(std::vector<TopicId> deleted) {
    std::vector<ClusterImage::TopicPtr> topics;
    ClusterImagePtr before;
    {
      MutexLock lock(mu_);
      for (const auto& [name, topic] : topics_) topics.push_back(topic);
      before = shard_.get() == image_of_ ? image_ : nullptr;
      image_of_ = shard_.get();
      image_ = std::make_shared<ClusterImage>(Uuid(), ++revision_, std::vector<BrokerImage>{{BrokerId(0), "127.0.0.1", 9600, ""}}, std::move(topics),
                                              std::move(deleted));
    }
    EXPECT_EQ(reconciler_->OnImage(before, image_), absl::OkStatus());
    driver_->OnImage(image_);
  }

  ::cordwood::testing::TempDir directory_;
  std::unique_ptr<PartitionReconciler> reconciler_;
  std::uint64_t last_stream_ = 0;
  Mutex mu_;  // the offsets topic is made on the driver's thread, while the test waits
  std::map<std::string, std::shared_ptr<TopicImage>> topics_;
  ClusterImagePtr image_;
  const ShardDriver* image_of_ = nullptr;  // for which the image was
  Revision revision_ = 0;
  std::vector<std::string> warnings_;
};

}  // namespace cordwood::broker
