// SPDX-License-Identifier: Apache-2.0
// A real shard in a temporary directory for tests: its topics, its readers, everything but the network.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/handlers/reader_pool.h"
#include "broker/replication/partition_reconciler.h"
#include "broker/replication/shard_driver.h"
#include "storage/log/side_header.h"
#include "storage/record/record_batch_builder.h"
#include "storage/record/record_reader.h"
#include "tests/support/temp_dir.h"

namespace cordwood::broker {

MATCHER_P(FailsWith, reason, "") { return ReasonOf(arg) == reason; }

inline constexpr std::int64_t kNowMs = 1'700'000'000'000;

// A stored value's worth of bytes: room for the side header, and one batch of the values.
inline SharedBytes MakeBatch(const std::vector<std::string>& values, Codec codec = Codec::kNone, std::int64_t timestamp_ms = kNowMs,
                             const ProducerStamp& producer = {}) {
  RecordBatchBuilder builder;
  for (const std::string& value : values) {
    RecordView record;
    record.timestamp_ms = timestamp_ms;
    record.value = value;
    builder.Add(record);
  }
  return builder.Build(codec, producer, kSideHeaderBytes).value();
}

inline SharedBytes MakeBatch(const std::vector<std::string>& values, const ProducerStamp& producer) {
  return MakeBatch(values, Codec::kNone, kNowMs, producer);
}

// The values of whole batches, from offset `from` on, joined by spaces.
inline std::string ValuesOf(std::string_view batches, Offset from = Offset(0)) {
  std::string values;
  while (!batches.empty()) {
    RecordReader reader(RecordBatchView::TakeFirst(&batches).value());
    EXPECT_EQ(reader.Open(), absl::OkStatus());
    RecordView record;
    while (reader.Next(&record).value()) {
      if (record.offset < from) continue;
      values += (values.empty() ? "" : " ") + std::string(record.value.value_or("(null)"));
    }
  }
  return values;
}

// One shard with all that serves it but the network.
class TestShard {
 public:
  explicit TestShard(Clock& clock, RecordEncoder encode = nullptr)
      : clock_(clock), encode_(std::move(encode)), readers_(2, [this](std::string_view batches, Offset from, std::size_t bytes_max) {
          return encode_(batches, from, bytes_max);
        }) {}
  ~TestShard() { Stop(); }

  // Before Start(): how records are decoded for simple clients.
  void SetEncoder(RecordEncoder encode) { encode_ = std::move(encode); }
  // Before Start(): the disk; it must outlive this.
  void SetEnv(rocksdb::Env& env) { env_ = &env; }
  // Once: with every network thread's ear.
  void Start(const std::vector<std::pair<Outbox*, PublicationListener*>>& network) {
    ShardOptions options;
    options.directory = directory_.path() + "/shard-000";
    options.synced_file = directory_.path() + "/shard-000.synced";
    options.data_dir_id.bytes[0] = 1;
    options.clock = &clock_;
    options.env = env_;
    driver_ = std::make_unique<ShardDriver>(ShardStore::Open(options).value(), ShardDriverOptions(), clock_);
    for (const auto& [outbox, listener] : network) driver_->AddNetworkThread(outbox, listener);
    driver_->Start();
    readers_.Start();
    reconciler_ = std::make_unique<PartitionReconciler>(std::vector<ShardDriver*>{driver_.get()}, table_, clock_, nullptr);
    ASSERT_EQ(reconciler_->Load(), absl::OkStatus());
  }
  void Stop() {
    if (driver_ != nullptr && !std::exchange(stopped_, true)) {
      const Status stopped = driver_->Stop();
      EXPECT_EQ(stopped, driver_->store().poison_status());
    }
    readers_.Stop();
  }

  // `configure` over Durability::kOs. The new image.
  ClusterImagePtr CreateTopic(const std::string& name, int partitions, const std::function<void(TopicConfig&)>& configure = nullptr) {
    auto topic = std::make_shared<TopicImage>();
    topic->name = name;
    topic->id = TopicId::Random();
    topic->config.durability = Durability::kOs;
    if (configure) configure(topic->config);
    topic->partition_count = partitions;
    topics_.push_back(topic);
    return Publish({});
  }
  ClusterImagePtr DeleteTopic(const std::string& name) {
    const TopicId id = Topic(name)->id;
    topics_.erase(std::remove_if(topics_.begin(), topics_.end(), [&](const auto& topic) { return topic->name == name; }), topics_.end());
    return Publish({id});
  }
  ClusterImage::TopicPtr Topic(const std::string& name) const { return image_->FindTopic(std::string_view(name)); }
  ReplicaHandlePtr Replica(const std::string& topic, int partition) const { return table_.Find(Topic(topic)->id, PartitionIndex(partition)); }

  const std::string& directory() const { return directory_.path(); }
  ShardDriver& driver() { return *driver_; }
  PartitionTable& table() { return table_; }
  ReaderPool& readers() { return readers_; }
  ClusterImagePtr image() const { return image_; }

 private:
  ClusterImagePtr Publish(std::vector<TopicId> deleted) {
    std::vector<ClusterImage::TopicPtr> topics(topics_.begin(), topics_.end());
    std::sort(topics.begin(), topics.end(), [](const auto& a, const auto& b) { return a->name < b->name; });
    BrokerImage self{BrokerId(0), "127.0.0.1", 9600, ""};
    const ClusterImagePtr before = image_;
    image_ = std::make_shared<ClusterImage>(Uuid::Random(), before == nullptr ? 1 : before->revision() + 1, std::vector<BrokerImage>{self},
                                            std::move(topics), std::move(deleted));
    EXPECT_EQ(reconciler_->OnImage(before, image_), absl::OkStatus());
    return image_;
  }

  const ::cordwood::testing::TempDir directory_;
  Clock& clock_;
  RecordEncoder encode_;
  std::unique_ptr<ShardDriver> driver_;
  PartitionTable table_;
  ReaderPool readers_;
  std::unique_ptr<PartitionReconciler> reconciler_;
  std::vector<std::shared_ptr<TopicImage>> topics_;
  ClusterImagePtr image_;
  rocksdb::Env* env_ = nullptr;  // the system's
  bool stopped_ = false;
};

}  // namespace cordwood::broker
