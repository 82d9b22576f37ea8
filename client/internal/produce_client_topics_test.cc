// SPDX-License-Identifier: Apache-2.0
// Topics that are deleted, created anew or denied while a producer sends to them.
#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <future>
#include <string>
#include <thread>
#include <vector>

#include "client/internal/testing/produce_client_fixture.h"

namespace cordwood::client {
namespace {

class ProduceClientDeletedTopicTest : public ProduceClientTest {
 protected:
  ~ProduceClientDeletedTopicTest() override {
    log_.silent = false;
    log_.held_call = 0;
    if (sender_.joinable()) sender_.join();
  }
  // A sender waits for memory, finds that its topic was deleted meanwhile, and asks about it again: call 4, which is held.
  void SendUntilTheTopicIsAskedAboutAgain() {
    LookUpEachTime();
    options_.memory_bytes_max = 10'000;
    log_.silent = true;
    ASSERT_TRUE(Send(std::string(9'000, 'x')).ok());  // lingers until somebody waits for memory
    sender_ = std::thread([this] {
      status_ = Send(std::string(9'000, 'y'));
      sent_ = true;
    });
    Await([this] { return log_.Batches() == 1; });
    log_.topic = TalkingLog::kDeleted;
    ASSERT_EQ(ReasonOf(Send("z")), Reason::kUnknownTopicOrPartition);
    log_.topic = 'u';
    log_.held_call = 4;
    log_.silent = false;
    Await([this] { return log_.metadata_calls == 4; });
  }

  std::thread sender_;
  Status status_;
  std::atomic<bool> sent_{false};
};

TEST_F(ProduceClientDeletedTopicTest, AfterCloseALookupThatIsOverTakesNoRecord) {
  SendUntilTheTopicIsAskedAboutAgain();
  ASSERT_TRUE(Send("z").ok());  // now the topic is known, whatever becomes of call 4
  EXPECT_TRUE(Producer().Close(absl::Seconds(20)).ok());
  sender_.join();
  EXPECT_EQ(ReasonOf(status_), Reason::kShuttingDown);
  EXPECT_EQ(Acks(), (std::vector<std::string>{"0@0", "0@1"}));
}

TEST_F(ProduceClientDeletedTopicTest, MemoryThatWasTakenMeanwhileIsWaitedForAgain) {
  SendUntilTheTopicIsAskedAboutAgain();
  log_.silent = true;
  ASSERT_TRUE(Send(std::string(9'000, 'z')).ok());  // lingers until somebody waits for memory
  log_.held_call = 0;
  Await([this] { return log_.Batches() == 2 || sent_; });
  EXPECT_FALSE(sent_);
  log_.silent = false;
  sender_.join();
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(Acks(), (std::vector<std::string>{"0@0", "0@1", "0@2"}));
}

TEST_F(ProduceClientTest, OnTheLoopABrokerIsAskedAboutANewTopicForNoMoreThanASecond) {
  SendAndFromItsCallback("new");
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(log_.metadata_calls, 2);
  EXPECT_LE(log_.patience_ms, 1'100);
}

TEST_F(ProduceClientTest, OnTheLoopABrokerIsAskedAboutATopicItDeniedForNoMoreThanASecond) {
  ASSERT_TRUE(Send("x").ok());
  ASSERT_TRUE(Flush().ok());
  log_.topic = 'u';
  SendAndFromItsCallback("t");
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(log_.metadata_calls, 2);
  EXPECT_LE(log_.patience_ms, 1'100);
}

TEST_F(ProduceClientTest, ATopicCreatedAnewWithFewerPartitionsTakesNothingOfTheOld) {
  LookUpEachTime();
  ASSERT_TRUE(Send("old", 2).ok());
  log_.topic = 'u';
  log_.partitions = 1;
  ASSERT_TRUE(Send("new", 0).ok());
  EXPECT_EQ(ReasonOf(Send("new", 2)), Reason::kUnknownTopicOrPartition);
  ASSERT_TRUE(Flush().ok());
  std::vector<std::string> acks = Acks();
  std::sort(acks.begin(), acks.end());
  EXPECT_EQ(acks, (std::vector<std::string>{"0@0", "UNKNOWN_TOPIC_ID"}));
}

TEST_F(ProduceClientTest, ATopicCreatedAnewIsNotNamedByTheHandleOfTheOld) {
  LookUpEachTime();
  ASSERT_TRUE(Send("old").ok());
  ASSERT_TRUE(Flush().ok());
  log_.topic = 'u';
  ASSERT_TRUE(Send("new").ok());
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(Acks(), (std::vector<std::string>{"0@0", "0@1"}));
}

TEST_F(ProduceClientTest, APartitionThatIsNotKnownIsAskedForBeforeItIsRefused) {
  log_.partitions = 1;
  ASSERT_TRUE(Send("x", 0).ok());
  log_.partitions = 3;
  EXPECT_TRUE(Send("y", 2).ok());
  EXPECT_EQ(log_.metadata_calls, 2);
  const Status refused = Send("z", 3);
  EXPECT_EQ(ReasonOf(refused), Reason::kUnknownTopicOrPartition);
  EXPECT_EQ(MessageOf(refused), "topic \"t\" has no partition 3; it has 3");
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(Acks().size(), 2U);
}

TEST_F(ProduceClientTest, AnAnswerOlderThanWhatIsKnownTakesNoPartitionAway) {
  LookUpEachTime();
  ASSERT_TRUE(Send("x", 2).ok());
  log_.partitions = 1;
  ASSERT_TRUE(Send("y", 2).ok());
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(Acks(), (std::vector<std::string>{"2@0", "2@1"}));
}

TEST_F(ProduceClientTest, AnAnswerThatALaterOneOvertookChangesNothing) {
  options_.check_age = absl::ZeroDuration();
  LookUpEachTime();
  for (const char stale : {TalkingLog::kDeleted, 'o'}) {
    ASSERT_TRUE(Send("x").ok());
    const int calls = log_.metadata_calls;
    log_.topic = stale;
    log_.held_call = calls + 1;
    std::thread other([this] { EXPECT_FALSE(Producer().Send("other", {}, nullptr).ok()); });  // asks about "t" beside it
    Await([&] { return log_.metadata_calls == calls + 1; });
    log_.topic = 't';
    ASSERT_TRUE(Send("x").ok());
    log_.held_call = 0;
    other.join();
    ASSERT_TRUE(Send("x").ok());
    EXPECT_EQ(Producer().known().slots, 1U) << stale;
  }
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(Acks(), (std::vector<std::string>{"0@0", "0@1", "0@2", "0@3", "0@4", "0@5"}));
}

TEST_F(ProduceClientTest, WhatIsSentAfterATopicWasDeniedByMistakeIsNoRepeatOfWhatIsInFlight) {
  LookUpEachTime();
  options_.linger = absl::ZeroDuration();
  log_.silent = true;
  ASSERT_TRUE(Send("x").ok());
  Await([this] { return log_.Batches() == 1; });
  std::promise<void> sent;
  loop_.Post([&sent] { sent.get_future().wait(); });  // so that it hears of all at once
  log_.topic = TalkingLog::kDeleted;
  EXPECT_FALSE(Send("y").ok());
  log_.topic = 't';
  EXPECT_TRUE(Send("y").ok());
  sent.set_value();
  log_.silent = false;
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(Acks(), (std::vector<std::string>{"0@0", "0@1"}));
}

TEST_F(ProduceClientTest, AfterTheBrokerDeniesATopicIdTheNameIsLookedUpAgain) {
  ASSERT_TRUE(Send("a").ok());
  ASSERT_TRUE(Flush().ok());
  log_.topic = 'u';
  for (const char* value : {"b", "c"}) {
    ASSERT_TRUE(Send(value).ok());
    ASSERT_TRUE(Flush().ok());
  }
  log_.topic = TalkingLog::kDeleted;
  ASSERT_TRUE(Send("d").ok());
  ASSERT_TRUE(Flush().ok());
  EXPECT_EQ(ReasonOf(Send("e")), Reason::kUnknownTopicOrPartition);
  EXPECT_EQ(Acks(), (std::vector<std::string>{"0@0", "UNKNOWN_TOPIC_ID", "0@1", "UNKNOWN_TOPIC_ID"}));
}

TEST_F(ProduceClientTest, WithoutAcknowledgementsATopicThatWasCreatedAnewIsFoundToo) {
  options_.core.acks = Acks::kNone;
  ASSERT_TRUE(Send("of the old").ok());
  ASSERT_TRUE(Flush().ok());
  log_.topic = 'u';
  Await([this] {
    EXPECT_TRUE(Send("of the new").ok());
    EXPECT_TRUE(Flush().ok());
    return log_.Batches() > 1;
  });
}

TEST_F(ProduceClientTest, WhileNoBrokerAnswersAboutATopicWhatIsKnownServesAndIsSeldomAskedFor) {
  LookUpEachTime();
  ASSERT_TRUE(Send("x").ok());
  log_.knows_metadata = false;
  for (int i = 0; i < 200; ++i) ASSERT_TRUE(Send("x").ok());
  EXPECT_LT(log_.metadata_calls, 100);
}

}  // namespace
}  // namespace cordwood::client
