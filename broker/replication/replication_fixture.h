// SPDX-License-Identifier: Apache-2.0
// What the tests of this room share: a shard driver over a real store in a temporary directory.
#pragma once

#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <functional>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/replication/shard_driver.h"
#include "broker/replication/shard_turn.h"
#include "broker/replication/test_network.h"
#include "storage/shard/log_reader.h"
#include "storage/shard/partition_catalog.h"
#include "tests/support/temp_dir.h"

namespace cordwood::broker {

using ::cordwood::testing::TempDir;

inline std::shared_ptr<const TopicImage> TopicOf(const std::string& name, Durability durability, Revision revision = 1) {
  auto topic = std::make_shared<TopicImage>();
  topic->name = name;
  topic->id = TopicId::Random();
  topic->config.durability = durability;
  topic->revision = revision;
  return topic;
}

// Partitions 0 to 3 exist when Start() returns: "os" has 0 and 1, "fsync" 2 and 3.
class DriverFixture : public ::testing::Test {
 protected:
  static constexpr std::uint64_t kPartitions = 4;

  DriverFixture() {
    store_options_.directory = directory_.path() + "/shard-000";
    store_options_.synced_file = directory_.path() + "/shard-000.synced";
    store_options_.data_dir_id.bytes[0] = 1;
    store_options_.clock = &clock_;
  }

  ~DriverFixture() override { StopListening(); }
  // What the shard still had to say is heard, as a network thread does before it ends.
  void StopListening() {
    driver_.reset();
    if (network_ != nullptr) network_->outbox.Drain();
  }

  void Start() {
    StartDriver();
    ASSERT_EQ(Task([&](ShardTurn& turn) {
      for (std::uint64_t i = 0; i < kPartitions; ++i) turn.StageCreate(PartitionId(i + 1), PartitionIdentity{});
      return absl::OkStatus();
    }), absl::OkStatus());
  }
  void StartDriver() {
    network_ = std::make_unique<TestNetwork>();
    driver_ = std::make_unique<ShardDriver>(ShardStore::Open(store_options_).value(), driver_options_, clock_);
    driver_->AddNetworkThread(&network_->outbox, network_.get());
    driver_->Start();
    handles_.clear();
    for (std::uint64_t i = 0; i < kPartitions; ++i) {
      handles_.push_back(std::make_shared<ReplicaHandle>(TopicId(), PartitionIndex(static_cast<std::int32_t>(i)), PartitionId(i + 1), *driver_,
                                                         ReplicaSnapshot()));
    }
  }
  // As a crash of the process would.
  void CrashAndRestart() {
    StopListening();
    StartDriver();
  }
  void StopAndRestart() {
    ASSERT_EQ(driver_->Stop(), absl::OkStatus());
    StopListening();
    StartDriver();
  }
  Status Task(std::function<Status(ShardTurn&)> task) { return driver_->RunAndWait(std::move(task)); }

  AppendEntry EntryOf(std::size_t partition, SharedBytes value) {
    AppendEntry entry;
    entry.partition = handles_[partition];
    entry.topic = partition < 2 ? os_ : fsync_;
    entry.values.push_back(std::move(value));
    return entry;
  }
  AppendEntry EntryOf(std::size_t partition, const std::string& text) { return EntryOf(partition, BatchOfText(text)); }
  // Entries by value and moved on: a stored value must have one owner when it reaches the log.
  template <class... Entries>
  TestOp& SendAs(Acks acks, Entries... entries) {
    ops_.push_back(std::make_unique<TestOp>());
    TestOp& op = *ops_.back();
    op.name = std::to_string(ops_.size());
    op.events = &network_->events;
    op.outbox = &network_->outbox;
    op.acks = acks;
    (op.entries.push_back(std::move(entries)), ...);
    driver_->Append(&op);
    return op;
  }
  template <class... Entries>
  TestOp& Send(Entries... entries) {
    return SendAs(Acks::kAll, std::move(entries)...);
  }
  void Await(const TestOp& op) { ASSERT_TRUE(network_->RunUntil([&] { return op.answers > 0; })) << "no answer"; }
  // Sends one record and waits for its answer.
  const AppendEntry& Append(std::size_t partition, SharedBytes value) {
    TestOp& op = Send(EntryOf(partition, std::move(value)));
    Await(op);
    return op.entry();
  }
  const AppendEntry& Append(std::size_t partition, const std::string& text) { return Append(partition, BatchOfText(text)); }
  std::string ReadAll(std::size_t partition) {
    const ReplicaSnapshot snapshot = handles_[partition]->snapshot();
    std::string text;
    for (Offset from = snapshot.log_start; from < snapshot.high_watermark;) {
      const auto read = LogReader(driver_->store()).Read(handles_[partition]->id, {from, snapshot.high_watermark, 1 << 20});
      if (!read.ok() || read->batches.empty()) return text + "!" + read.status().ToString();
      for (const std::string& value : ValuesOf(read->batches.view())) text += (text.empty() ? "" : " ") + value;
      from = read->next;
    }
    return text;
  }

  TempDir directory_;
  SimulatedClock clock_;
  ShardOptions store_options_;
  ShardDriverOptions driver_options_;
  const std::shared_ptr<const TopicImage> os_ = TopicOf("os", Durability::kOs);
  const std::shared_ptr<const TopicImage> fsync_ = TopicOf("fsync", Durability::kFsync);
  std::vector<std::unique_ptr<TestOp>> ops_;
  std::unique_ptr<TestNetwork> network_;
  std::unique_ptr<ShardDriver> driver_;
  std::vector<ReplicaHandlePtr> handles_;
};

}  // namespace cordwood::broker
