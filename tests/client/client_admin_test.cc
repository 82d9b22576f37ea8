// SPDX-License-Identifier: Apache-2.0
// Connecting, and the public library's admin calls, against a real broker.
#include <gtest/gtest.h>

#include "tests/client/client_fixture.h"

namespace cordwood::testing {
namespace {

class ClientConnectTest : public ClientTest {};
class ClientAdminTest : public ClientTest {};

TEST_F(ClientConnectTest, NamesEveryAddressThatDoesNotAnswer) {
  const Result<Client> client = Client::Connect("127.0.0.1:1,127.0.0.1:2");
  ASSERT_FALSE(client.ok());
  EXPECT_EQ(client.error().code(), Errc::kTransport);
  EXPECT_TRUE(client.error().definite());
  EXPECT_EQ(client.error().message(), "cannot reach any broker: tried 127.0.0.1:1 (connection refused), 127.0.0.1:2 (connection refused)");
}

TEST_F(ClientConnectTest, TakesTheFirstBrokerThatAnswers) {
  Client client = std::move(Client::Connect("127.0.0.1:1," + broker_->address())).value();
  EXPECT_EQ(client.admin().ListTopics().value(), std::vector<std::string>{"t"});
}

TEST_F(ClientConnectTest, SaysWhatIsNoAddressAndWhichOptionIsOutOfBounds) {
  EXPECT_EQ(Client::Connect("host:").error(), Failure(Errc::kInvalidRequest, "broker address \"host:\": the port is missing"));
  EXPECT_EQ(Client::Connect("host", {.connect_timeout = milliseconds(0)}).error(),
            Failure(Errc::kInvalidConfig, "ClientOptions::connect_timeout is 0 ms: it must be from 1 ms to 3600000 ms"));
  EXPECT_EQ(Client::Connect("host", {.request_timeout = milliseconds(-1)}).error(),
            Failure(Errc::kInvalidConfig, "ClientOptions::request_timeout is -1 ms: it must be from 1 ms to 3600000 ms"));
  EXPECT_EQ(Client::Connect("host", {.keepalive = milliseconds(4'999)}).error(),
            Failure(Errc::kInvalidConfig, "ClientOptions::keepalive is 4999 ms: it must be from 5000 ms to 3600000 ms"));
}

TEST_F(ClientConnectTest, ProducersKeepTheConnectionAliveWithoutTheClient) {
  std::optional<Client> client = Connect();
  Producer producer = std::move(client->NewProducer()).value();
  Admin admin = client->admin();
  client.reset();
  EXPECT_TRUE(producer.Send("t", Value("x")).get().ok());
  EXPECT_TRUE(admin.ListTopics().ok());
}

// The second answer is the library's: what is not UTF-8 cannot be sent, and protobuf would complain about it on stderr.
TEST_F(ClientAdminTest, NamesThatCannotBeAreRefusedInOneLineAndInSilence) {
  Client client = Connect();
  Admin admin = client.admin();
  Producer producer = NewProducer();
  Consumer consumer = client.NewConsumer().value();
  ::testing::internal::CaptureStderr();
  for (const std::string& name : {std::string("no/name"), std::string("\xff\xfe"), std::string(1 << 20, 'x')}) {
    const Failure failures[] = {admin.CreateTopic({.name = name}).error(), admin.DeleteTopic(name).error(), admin.DescribeTopic(name).error(),
                                admin.AddPartitions(name, 2).error(), admin.SetConfigs(name, {}).error(), admin.DeleteRecords({name, 0}, 0).error(),
                                producer.Send(name, {.value = "x"}).get().error(), consumer.Assign({name, 0}, Position::Start()).error(),
                                consumer.PartitionsOf(name).error()};
    for (const Failure& failure : failures) {
      EXPECT_EQ(failure.code(), Errc::kInvalidTopic) << failure.message();
      EXPECT_TRUE(failure.definite());
      EXPECT_TRUE(failure.message().starts_with("topic name \"" + name.substr(0, 249) + "\" ")) << failure.message();
      EXPECT_LT(failure.message().size(), 400u);
    }
    EXPECT_LT(consumer.Seek({name, 0}, Position::Start()).error().message().size(), 400u);
  }
  EXPECT_EQ(admin.SetConfigs("t", {{"\xff", "1"}}).error().code(), Errc::kInvalidConfig);
  EXPECT_EQ(admin.CreateTopic({.name = "x", .configs = {{"retention.ms", "\xff"}}}).error().message(), "retention.ms: must be UTF-8, not \"\xff\"");
  EXPECT_EQ(::testing::internal::GetCapturedStderr(), "");
}

TEST_F(ClientAdminTest, CreatesDescribesAndDeletesTopics) {
  Admin admin = Connect().admin();
  ASSERT_TRUE(admin.CreateTopic({.name = "orders", .partitions = 3, .configs = {{"retention.ms", "60000"}}}).ok());
  EXPECT_EQ(admin.CreateTopic({.name = "orders"}).error().code(), Errc::kTopicAlreadyExists);
  EXPECT_EQ(admin.CreateTopic({.name = "no/name"}).error().code(), Errc::kInvalidTopic);
  EXPECT_EQ(admin.CreateTopic({.name = "x", .configs = {{"no.such.key", "1"}}}).error().code(), Errc::kInvalidConfig);
  EXPECT_EQ(admin.ListTopics().value(), (std::vector<std::string>{"orders", "t"}));
  const TopicDescription described = admin.DescribeTopic("orders").value();
  EXPECT_EQ(described.name, "orders");
  EXPECT_EQ(described.id.size(), 36u);
  EXPECT_EQ(described.leaders.size(), 3u);
  EXPECT_GE(described.leaders[0], 0);
  EXPECT_EQ(described.configs.at("retention.ms"), "60000");
  EXPECT_TRUE(admin.DeleteTopic("orders").ok());
  EXPECT_EQ(admin.DeleteTopic("orders").error().code(), Errc::kUnknownTopicOrPartition);
  EXPECT_EQ(admin.DescribeTopic("orders").error().code(), Errc::kUnknownTopicOrPartition);
}

TEST_F(ClientAdminTest, PartitionsThatAreAddedTakeRecordsAtOnce) {
  Client client = Connect();
  ASSERT_TRUE(client.admin().AddPartitions("t", 4).ok());
  EXPECT_EQ(client.admin().AddPartitions("t", 2).error().code(), Errc::kInvalidPartitions);
  Producer producer = std::move(client.NewProducer()).value();
  EXPECT_EQ(producer.Send("t", Value("x", 3)).get().value().partition, 3);
}

TEST_F(ClientAdminTest, ChangesConfigsAllOrNone) {
  Admin admin = Connect().admin();
  ASSERT_TRUE(admin.SetConfigs("t", {{"retention.ms", "70000"}}).ok());
  EXPECT_EQ(admin.SetConfigs("t", {{"retention.ms", "80000"}, {"no.such.key", "1"}}).error().code(), Errc::kInvalidConfig);
  EXPECT_EQ(admin.DescribeTopic("t").value().configs.at("retention.ms"), "70000");
}

TEST_F(ClientAdminTest, DeletesRecordsBelowAnOffset) {
  Admin admin = Connect().admin();
  Append("t", {"a", "b", "c"});
  EXPECT_EQ(admin.DeleteRecords({"t", 0}, 2).value(), 2);
  EXPECT_EQ(Values("t", 0, 2), "c");
  EXPECT_EQ(admin.DeleteRecords({"t", 0}, 9).error().code(), Errc::kOffsetOutOfRange);
  EXPECT_EQ(admin.DeleteRecords({"t", 0}, -1).error().code(), Errc::kOffsetOutOfRange);
  EXPECT_EQ(admin.DeleteRecords({"nowhere", 0}, 1).error().code(), Errc::kUnknownTopicOrPartition);
}

TEST_F(ClientAdminTest, ACallWithoutABrokerFailsInTimeAndIsNotDefinite) {
  client_options_.request_timeout = milliseconds(200);
  Admin admin = Connect().admin();
  broker_->Pause();
  std::optional<Result<void>> created;
  EXPECT_TRUE(InTime(milliseconds(200), [&] { created = admin.CreateTopic({.name = "orders"}); }));
  EXPECT_EQ(created->error().code(), Errc::kTransport);
  EXPECT_FALSE(created->error().definite());
  EXPECT_TRUE(created->error().retriable());
}

}  // namespace
}  // namespace cordwood::testing
