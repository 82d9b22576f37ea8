// SPDX-License-Identifier: Apache-2.0
#include "broker/replication/partition_table.h"

#include "broker/replication/replication_fixture.h"

namespace cordwood::broker {
namespace {

class PartitionTableTest : public DriverFixture {
 protected:
  PartitionTableTest() { Start(); }
  ReplicaHandlePtr Insert(const TopicId& topic, std::int32_t index) {
    const auto handle = std::make_shared<ReplicaHandle>(topic, PartitionIndex(index), PartitionId(1), *driver_, ReplicaSnapshot());
    table_.Insert(handle);
    return handle;
  }
  const TopicId a_ = TopicId::Random();
  const TopicId b_ = TopicId::Random();
  PartitionTable table_;
};

TEST_F(PartitionTableTest, FindsWhatWasInsertedAndNothingElse) {
  const auto handle = Insert(a_, 2);
  EXPECT_EQ(table_.Find(a_, PartitionIndex(2)), handle);
  EXPECT_EQ(table_.Find(a_, PartitionIndex(1)), nullptr);
  EXPECT_EQ(table_.Find(a_, PartitionIndex(3)), nullptr);
  EXPECT_EQ(table_.Find(a_, PartitionIndex(-1)), nullptr);
  EXPECT_EQ(table_.Find(b_, PartitionIndex(2)), nullptr);
}

TEST_F(PartitionTableTest, FindAllIsInOrderOfIndexWithHoles) {
  const auto third = Insert(a_, 2);
  const auto first = Insert(a_, 0);
  EXPECT_THAT(table_.FindAll(a_), ::testing::ElementsAre(first, nullptr, third));
  EXPECT_EQ(table_.size(), 2u);
  EXPECT_EQ(table_.All().size(), 2u);
}

TEST_F(PartitionTableTest, RemovingTwiceCountsOnce) {
  Insert(a_, 0);
  Insert(b_, 0);
  table_.Remove(a_, PartitionIndex(0));
  table_.Remove(a_, PartitionIndex(0));
  table_.Remove(b_, PartitionIndex(7));
  EXPECT_EQ(table_.size(), 1u);
  EXPECT_TRUE(table_.FindAll(a_).empty());
}

}  // namespace
}  // namespace cordwood::broker
