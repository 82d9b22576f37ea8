// SPDX-License-Identifier: Apache-2.0
#include "storage/base/reuse/ring_queue.h"

#include <gtest/gtest.h>

#include <deque>
#include <memory>
#include <random>

namespace cordwood {
namespace {

TEST(RingQueueTest, GivesInOrderWhateverWasPushedAndPopped) {
  std::mt19937 random(1);
  RingQueue<int> queue;
  std::deque<int> model;
  for (int i = 0; i < 10'000; ++i) {
    if (random() % 100 < 26) {
      queue.push_back(i);
      model.push_back(i);
    } else if (random() % 100 < 35) {
      queue.push_front(i);
      model.push_front(i);
    } else if (!model.empty()) {
      ASSERT_EQ(queue.pop_front(), model.front());
      model.pop_front();
    }
    ASSERT_EQ(queue.size(), model.size());
    for (std::size_t at = 0; at < model.size(); at += 7) ASSERT_EQ(queue[at], model[at]);
    if (!model.empty()) {
      ASSERT_EQ(queue.front(), model.front());
      ASSERT_EQ(queue.back(), model.back());
    }
  }
}

TEST(RingQueueTest, WhatWasPoppedIsHeldNoLonger) {
  RingQueue<std::shared_ptr<int>> queue;
  const auto held = std::make_shared<int>(1);
  for (int i = 0; i < 3; ++i) queue.push_back(held);
  EXPECT_EQ(held.use_count(), 4);
  queue.pop_front();
  EXPECT_EQ(held.use_count(), 3);
  queue.clear();
  EXPECT_EQ(held.use_count(), 1);
  EXPECT_TRUE(queue.empty());
}

TEST(RingQueueTest, KeepIfKeepsTheOrder) {
  RingQueue<int> queue;
  for (int i = 0; i < 5; ++i) queue.push_back(i);
  queue.pop_front();
  queue.KeepIf([](int i) { return i % 2 == 1; });
  ASSERT_EQ(queue.size(), 2u);
  EXPECT_EQ(queue.pop_front(), 1);
  EXPECT_EQ(queue.pop_front(), 3);
}

}  // namespace
}  // namespace cordwood
