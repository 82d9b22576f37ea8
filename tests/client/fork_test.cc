// SPDX-License-Identifier: Apache-2.0
// A process that uses the library forks: its child gets definite refusals and can harm nobody.
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <string>
#include <utility>

#include "tests/client/client_fixture.h"

namespace cordwood::testing {
namespace {

class ForkTest : public ClientTest {
 protected:
  // What `body` gives in a child, 0 to 127; negative for one that was killed, as an alarm does with one that hangs.
  template <class Body>
  static int InChild(Body body) {
    const pid_t child = fork();
    if (child == 0) {
      alarm(20);
      _exit(body());
    }
    int status = 0;
    EXPECT_EQ(waitpid(child, &status, 0), child);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
  }
  static bool Refused(const Failure& failure) {
    return failure.code() == Errc::kShuttingDown && failure.definite() && !failure.retriable() && failure.message().find("fork()") != std::string::npos;
  }
  template <class T>
  static bool Refused(const Result<T>& result) {
    return !result.ok() && Refused(result.error());
  }
};

TEST_F(ForkTest, AChildIsRefusedEverythingAndTheParentsProducerGoesOn) {
  Client client = Connect();
  Producer producer = NewProducer();
  EXPECT_TRUE(producer.Send("t", Value("before")).get().ok());
  EXPECT_EQ(InChild([&] {
              int calls_back = 0;
              producer.Send("t", Value("child"), [&](const Result<RecordMetadata>& result) { calls_back += Refused(result); });
              if (calls_back != 1) return 1;
              if (!Refused(producer.Send("t", Value("child")).get())) return 2;
              if (!Refused(producer.Flush(milliseconds(1000))) || !Refused(producer.Close(milliseconds(1000)))) return 3;
              if (!Refused(client.NewProducer()) || !Refused(client.NewConsumer())) return 4;
              if (!Refused(Client::Connect(broker_->address()))) return 5;
              if (!Refused(client.admin().ListTopics()) || !Refused(client.admin().DeleteTopic("t"))) return 6;
              { const Producer destroyed(std::move(producer)); }
              { const Client dropped(std::move(client)); }
              return 0;
            }),
            0);
  EXPECT_TRUE(producer.Send("t", Value("after")).get().ok());
  EXPECT_EQ(*client.admin().ListTopics(), std::vector<std::string>{"t"});
  EXPECT_TRUE(producer.Close(milliseconds(20'000)).ok());
  EXPECT_EQ(Values("t"), "before after");
}

TEST_F(ForkTest, AChildIsRefusedEverythingAndTheParentsConsumerGoesOn) {
  Producer producer = NewProducer();
  Consumer consumer = Connect().NewConsumer().value();
  const TopicPartition partition{"t", 0};
  EXPECT_TRUE(consumer.Assign(partition, Position::Start()).ok());
  EXPECT_EQ(InChild([&] {
              if (!Refused(consumer.Poll(milliseconds(1000)))) return 1;
              if (!Refused(consumer.Seek(partition, Position::Start())) || !Refused(consumer.Assign(partition, Position::End()))) return 2;
              if (!Refused(consumer.Offsets(partition)) || !Refused(consumer.PartitionsOf("t")) || !Refused(consumer.connection())) return 3;
              consumer.Pause(partition);
              consumer.Unassign(partition);
              consumer.Wakeup();
              consumer.Close();
              { const Consumer destroyed(std::move(consumer)); }
              return 0;
            }),
            0);
  EXPECT_TRUE(producer.Send("t", Value("after")).get().ok());
  EXPECT_EQ(consumer.Poll(milliseconds(20'000)).value().size(), 1u);
}

TEST_F(ForkTest, WhatTheParentWaitsForComesToTheParentAlone) {
  Producer producer = NewProducer();
  EXPECT_TRUE(producer.Send("t", Value("first")).get().ok());
  broker_->Pause();
  Future<RecordMetadata> pending = producer.Send("t", Value("second"));
  EXPECT_EQ(InChild([&] {
              if (pending.ready() || pending.wait_for(milliseconds(20'000))) return 1;
              const Result<RecordMetadata> result = pending.get();
              return !result.ok() && result.error().code() == Errc::kShuttingDown && !result.error().definite() ? 0 : 2;
            }),
            0);
  broker_->Continue();
  EXPECT_TRUE(pending.get().ok());
}

}  // namespace
}  // namespace cordwood::testing
