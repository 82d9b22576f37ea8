// SPDX-License-Identifier: Apache-2.0
// What a fetch stream may make the broker hold, whatever its client sends and does not read.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "broker/handlers/handlers_fixture.h"

namespace cordwood::broker {
namespace {

class FetchBoundsTest : public StreamsFixture {
 protected:
  using StreamsFixture::StreamsFixture;
};

TEST_F(FetchBoundsTest, PartitionsThatComeAndGoWithoutCreditLeaveNoQueueBehind) {
  Client& client = Stream({}, false, 0);
  FetchRequest come_and_go;
  for (int i = 0; i < 4'500; ++i) {
    come_and_go.partitions.push_back(From("t", 0));
    come_and_go.partitions.push_back(From("t", 0));
    come_and_go.partitions.back().action = FetchPartition::Action::kRemove;
  }
  std::size_t most = 0;
  for (int pairs = 0; pairs < 100'000; pairs += 4'500) {
    ASSERT_EQ(client.session->Apply(come_and_go), absl::OkStatus());
    most = std::max(most, client.session->queued());
    Turn();
  }
  EXPECT_LE(most, 2u + 64u);
}

}  // namespace
}  // namespace cordwood::broker
