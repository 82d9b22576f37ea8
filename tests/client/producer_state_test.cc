// SPDX-License-Identifier: Apache-2.0
// What a producer remembers of topics that come and go.
#include <gtest/gtest.h>

#include <memory>
#include <string>

#include "client/internal/produce_client.h"
#include "tests/client/client_fixture.h"

namespace cordwood::testing {
namespace {

constexpr int kRounds = 30;

class ProducerStateTest : public ClientTest {
 protected:
  void SetUp() override {
    ClientTest::SetUp();
    connection_ = std::make_unique<client::BrokerConnection>(std::vector<std::string>{broker_->address()});
    metadata_ = std::make_unique<client::MetadataCache>(*connection_);
    client::ProduceOptions options;
    options.linger = absl::ZeroDuration();
    options.check_age = absl::ZeroDuration();
    producer_ = std::make_unique<client::ProduceClient>(loop_, *connection_, *metadata_, options);
  }
  // Whether it was appended.
  bool Produce(const std::string& topic, std::string_view value, int partition = 0) {
    client::ProduceRecord record;
    record.partition = PartitionIndex(partition);
    record.value = value;
    Status outcome;
    const Status taken = producer_->Send(topic, record, [&](const StatusOr<client::RecordAck>& ack) { outcome = ack.status(); });
    EXPECT_TRUE(producer_->Flush(absl::Seconds(20)).ok());
    return taken.ok() && outcome.ok();
  }
  void DeleteTopic(const std::string& name) { EXPECT_TRUE(Connect().admin().DeleteTopic(name).ok()); }

  std::unique_ptr<client::BrokerConnection> connection_;
  std::unique_ptr<client::MetadataCache> metadata_;
  client::ClientLoop loop_;
  std::unique_ptr<client::ProduceClient> producer_;
};

TEST_F(ProducerStateTest, TopicsThatComeAndGoLeaveNothingBehindAndOthersGoOn) {
  std::string expected;
  for (int round = 0; round < kRounds; ++round) {
    const std::string topic = "gone-" + std::to_string(round);
    CreateTopic(topic, 2);
    EXPECT_TRUE(Produce(topic, "x", 0));
    EXPECT_TRUE(Produce(topic, "x", 1));
    EXPECT_TRUE(Produce("t", std::to_string(round)));
    expected += (round == 0 ? "" : " ") + std::to_string(round);
    DeleteTopic(topic);
  }
  EXPECT_LE(producer_->known().topics, 5u);
  EXPECT_LE(producer_->known().slots, 10u);
  EXPECT_EQ(Values("t"), expected);
}

TEST_F(ProducerStateTest, ATopicCreatedAnewAgainAndAgainKeepsItsSlots) {
  for (int round = 0; round < kRounds; ++round) {
    CreateTopic("same", 2);
    EXPECT_TRUE(WaitUntil([&] { return Produce("same", "x", round % 2); }));  // the first is for the topic that was deleted
    EXPECT_EQ(LogEnd("same", round % 2), 1);
    DeleteTopic("same");
  }
  EXPECT_LE(producer_->known().slots, 4u);
}

}  // namespace
}  // namespace cordwood::testing
