// SPDX-License-Identifier: Apache-2.0
// Who is served next, and who is refused.
#include "broker/grpc/control/control_queue.h"

#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

namespace cordwood::broker {
namespace {

class ControlQueueTest : public ::testing::Test {
 protected:
  ControlJob& Job(const std::string& peer) {
    jobs_.push_back(std::make_unique<ControlJob>());
    jobs_.back()->context.peer = peer;
    return *jobs_.back();
  }
  // Whose job was refused; "": nobody's.
  std::string Push(const std::string& peer) {
    const ControlJob* refused = queue_.Push(Job(peer));
    return refused == nullptr ? "" : refused->context.peer;
  }
  std::string PopAll() {
    std::string peers;
    while (const ControlJob* job = queue_.Pop()) peers += job->context.peer;
    return peers;
  }

  std::vector<std::unique_ptr<ControlJob>> jobs_;
  ControlQueue queue_{4};
};

TEST_F(ControlQueueTest, ConnectionsTakeTurns) {
  for (const char* peer : {"a", "a", "a", "b"}) EXPECT_EQ(Push(peer), "");
  EXPECT_EQ(PopAll(), "abaa");
  EXPECT_EQ(queue_.Pop(), nullptr);
}

TEST_F(ControlQueueTest, AFullQueueRefusesTheNewestOfTheConnectionThatHasMost) {
  for (const char* peer : {"a", "a", "b", "a"}) EXPECT_EQ(Push(peer), "");
  EXPECT_EQ(queue_.Push(Job("c")), jobs_[3].get());
  EXPECT_EQ(Push("a"), "a") << "it has most itself";
  EXPECT_EQ(queue_.size(), 4u);
  EXPECT_EQ(PopAll(), "abca");
}

TEST_F(ControlQueueTest, AFullQueueOfEqualsRefusesTheNewOne) {
  for (const char* peer : {"a", "b", "c", "d"}) EXPECT_EQ(Push(peer), "");
  EXPECT_EQ(Push("e"), "e");
  EXPECT_EQ(Push("a"), "a");
  EXPECT_EQ(PopAll(), "abcd");
}

TEST_F(ControlQueueTest, AJobIsRemovedOnceAndLeavesItsRoom) {
  for (const char* peer : {"a", "b", "a", "b"}) Push(peer);
  EXPECT_TRUE(queue_.Remove(*jobs_[0]));
  EXPECT_FALSE(queue_.Remove(*jobs_[0]));
  EXPECT_EQ(Push("c"), "");
  EXPECT_EQ(PopAll(), "abcb");
  EXPECT_FALSE(queue_.Remove(*jobs_[1])) << "it was taken";
}

}  // namespace
}  // namespace cordwood::broker
