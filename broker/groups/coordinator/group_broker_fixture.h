// SPDX-License-Identifier: Apache-2.0
// A group driver over a real shard in a temporary directory.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/groups/coordinator/group_driver.h"
#include "broker/groups/coordinator/member_ear.h"
#include "broker/replication/partition_reconciler.h"
#include "broker/replication/shard_driver.h"
#include "broker/replication/test_network.h"
#include "storage/base/mutex.h"
#include "storage/record/key_partition.h"
#include "tests/support/temp_dir.h"

namespace cordwood::broker {

// The time of another clock, which passes by so much at each look.
class LookedAtClock final : public Clock {
 public:
  explicit LookedAtClock(SimulatedClock& clock) : clock_(clock) {}
  std::int64_t WallMs() const override { return Looked().WallMs(); }
  absl::Duration Monotonic() const override { return Looked().Monotonic(); }

  std::atomic<int> look_ms{0};
  mutable std::atomic<int> looks{0};

 private:
  const SimulatedClock& Looked() const {
    ++looks;
    if (look_ms > 0) clock_.Advance(absl::Milliseconds(look_ms.load()));
    return clock_;
  }
  SimulatedClock& clock_;
};

// The broker's side: start, stop, crash, topics.
class GroupBrokerFixture : public ::testing::Test {
 protected:
  static constexpr int kOffsetsPartitions = 4;

  GroupBrokerFixture() {
    Start();
    CreateTopic("t", 2);
  }
  ~GroupBrokerFixture() override { Stop(); }

  void Start() {
    ShardOptions options;
    options.directory = directory_.path() + "/shard-000";
    options.synced_file = directory_.path() + "/shard-000.synced";
    options.data_dir_id.bytes[0] = 1;
    options.clock = &clock_;
    shard_ = std::make_unique<ShardDriver>(ShardStore::Open(options).value(), ShardDriverOptions(), clock_);
    shard_->Start();
    table_ = std::make_unique<PartitionTable>();
    reconciler_ = std::make_unique<PartitionReconciler>(std::vector<ShardDriver*>{shard_.get()}, *table_, clock_, [this] { return StatusOr<ShardDriver*>(shard_.get()); });
    ASSERT_EQ(reconciler_->Load(), absl::OkStatus());
    options_.warn = [this](std::string_view line) {
      MutexLock lock(mu_);
      warnings_.emplace_back(line);
    };
    driver_ = std::make_unique<GroupDriver>(options_, *table_, [this](std::function<void(Status)> done) { MakeOffsetsTopic(std::move(done)); }, driver_clock_);
    port_ = driver_->AddListener(&network_.outbox, &ear_);
    driver_->Start();
    if (!topics_.empty()) Publish({});
  }
  void Stop(bool clean = true) {
    if (driver_ == nullptr) return;
    driver_->Stop();
    network_.outbox.Drain();
    if (clean) {
      EXPECT_EQ(shard_->Stop(), shard_->store().poison_status());
    }
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

  std::vector<std::string> Warnings() {
    MutexLock lock(mu_);
    return warnings_;
  }

  SimulatedClock clock_;
  LookedAtClock driver_clock_{clock_};
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
  Mutex mu_;  // the offsets topic is made on the driver's thread, while the test waits
  std::map<std::string, std::shared_ptr<TopicImage>> topics_;
  ClusterImagePtr image_;
  const ShardDriver* image_of_ = nullptr;  // for which the image was
  Revision revision_ = 0;
  std::vector<std::string> warnings_;
};

}  // namespace cordwood::broker
