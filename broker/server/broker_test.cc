// SPDX-License-Identifier: Apache-2.0
// The whole broker in one process: what a stop leaves open, and what a start that fails leaves behind.
#include "broker/server/broker.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/metadata/local_metadata_store.h"
#include "broker/metadata/metadata_strand.h"
#include "storage/base/coding.h"
#include "storage/log/keys.h"
#include "storage/shard/data_dir.h"
#include "storage/shard/shard_store.h"
#include "tests/support/temp_dir.h"

namespace cordwood::broker {
namespace {

using ::cordwood::testing::TempDir;

class BrokerTest : public ::testing::Test {
 protected:
  StatusOr<std::unique_ptr<Broker>> Start() const {
    ConfigInputs inputs;
    inputs.flags = {{"data.dir", files_.path(), "test"}, {"listeners", "127.0.0.1:0", "test"}, {"http.listen", "127.0.0.1:0", "test"}};
    CORDWOOD_ASSIGN_OR_RETURN(const LoadedConfig loaded, LoadConfig(inputs));
    return Broker::Start(loaded);
  }
  // A topic whose partition has no log yet, and never will: shard 0 has no partition id left.
  void MakeATopicWithoutIds() const {
    const DataDir data_dir = DataDir::Open(files_.path()).value();
    auto strand = MetadataStrand::Start(LocalMetadataStore::Open(data_dir.MetadataPath()).value(), BrokerImage(), MetadataLimits(), {}, Clock::System());
    TopicSpec topic;
    topic.name = "t";
    topic.partitions = 1;
    ASSERT_TRUE((*strand)->CreateTopic(topic, false).ok());
    ShardOptions options;
    options.directory = data_dir.ShardPath(ShardId(0));
    options.synced_file = data_dir.SyncedFilePath(ShardId(0));
    options.data_dir_id = data_dir.id();
    const auto store = ShardStore::Open(options).value();
    char last[8];
    StoreBigEndian(last, kPartitionIdMax.value() + 1);
    WriteGroup group;
    group.Put(ShardKey(MetadataKind::kNextPartitionId).view(), {last, sizeof last});
    ASSERT_EQ(store->Commit(group), absl::OkStatus());
    ASSERT_EQ(store->Close(), absl::OkStatus());
  }
  TempDir files_;
};

// The metadata strand tells the doors of each new image: it must have ended while they are still there.
TEST_F(BrokerTest, NothingFollowsTheMetadataAfterAStop) {
  const auto broker = Start();
  ASSERT_EQ(broker.status(), absl::OkStatus());
  const std::string metadata = files_.Sub("meta");
  EXPECT_FALSE(LocalMetadataStore::Open(metadata).ok());
  ASSERT_EQ((*broker)->Stop(absl::Seconds(10)), absl::OkStatus());
  EXPECT_EQ(LocalMetadataStore::Open(metadata).status(), absl::OkStatus());
}

// The network threads never ran, and what was sent to them is freed all the same: the address sanitizer would tell.
TEST_F(BrokerTest, AStartThatFailsLeavesNothingInTheOutboxes) {
  MakeATopicWithoutIds();
  const auto broker = Start();
  EXPECT_EQ(ReasonOf(broker.status()), Reason::kLimitExceeded) << broker.status();
  EXPECT_EQ(DataDir::Open(files_.path()).status(), absl::OkStatus());  // and the directory is free again
}

}  // namespace
}  // namespace cordwood::broker
