// SPDX-License-Identifier: Apache-2.0
// A connection that is dead without saying so: the broker stands still, the network drops everything. Nothing but keepalive would tell.
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "client/internal/fetch_client.h"
#include "client/internal/metadata_cache.h"
#include "client/internal/produce_client.h"
#include "tests/client/client_fixture.h"

namespace cordwood::testing {
namespace {

// Below the library's bounds, which are a broker's; a broker that stands still counts no pings.
constexpr absl::Duration kKeepalive = absl::Milliseconds(400);

class KeepaliveTest : public ClientTest {
 protected:
  void SetUp() override {
    ClientTest::SetUp();
    client::ConnectOptions options;
    options.connect_timeout = absl::Milliseconds(500);
    options.keepalive = kKeepalive;
    connection_ = std::make_unique<client::BrokerConnection>(std::vector<std::string>{broker_->address()}, options);
    metadata_ = std::make_unique<client::MetadataCache>(*connection_);
  }

  std::unique_ptr<client::BrokerConnection> connection_;
  std::unique_ptr<client::MetadataCache> metadata_;
  client::ClientLoop loop_;
};

TEST_F(KeepaliveTest, AProducerNoticesABrokerThatStandsStillAndLosesAndDoublesNothing) {
  client::ProduceClient producer(loop_, *connection_, *metadata_, {});
  std::atomic<bool> lost{false};
  std::atomic<int> acknowledged{0};
  producer.OnConnectionChange([&](const Status& status) { lost = lost || !status.ok(); });
  const auto send = [&](const std::string& value) {
    client::ProduceRecord record;
    record.partition = PartitionIndex(0);
    record.value = value;
    EXPECT_TRUE(producer.Send("t", record, [&](const StatusOr<client::RecordAck>& ack) { acknowledged += ack.ok() ? 1 : 0; }).ok());
  };
  send("a");
  EXPECT_TRUE(producer.Flush(absl::Seconds(20)).ok());
  broker_->Pause();
  send("b");
  EXPECT_TRUE(WaitUntil([&] { return lost.load(); }));
  send("c");
  broker_->Continue();
  EXPECT_TRUE(producer.Close(absl::Seconds(20)).ok());
  EXPECT_EQ(acknowledged, 3);
  EXPECT_EQ(Values("t"), "a b c");
}

TEST_F(KeepaliveTest, AConsumerThatWaitsNoticesABrokerThatStandsStillAndGoesOnAtItsPlace) {
  Append("t", {"a"});
  client::FetchClient consumer(loop_, *connection_, {});
  const auto topic = metadata_->Get("t");
  ASSERT_TRUE(topic.ok());
  ASSERT_TRUE(consumer.Add({{topic->id, PartitionIndex(0), Offset(0)}}).ok());
  const auto take = [&] {
    std::vector<client::FetchedChunk> chunks;
    EXPECT_TRUE(WaitUntil([&] { return !(chunks = consumer.Take(absl::Milliseconds(50))).empty(); }));
    return chunks.empty() ? Offset(-1) : chunks.back().next;
  };
  EXPECT_EQ(take(), Offset(1));
  broker_->Pause();
  EXPECT_TRUE(WaitUntil([&] { return !consumer.connection_status().ok(); }));
  broker_->Continue();
  Append("t", {"b"});
  EXPECT_EQ(take(), Offset(2));
  EXPECT_TRUE(consumer.connection_status().ok());
}

}  // namespace
}  // namespace cordwood::testing
