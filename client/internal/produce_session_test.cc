// SPDX-License-Identifier: Apache-2.0
// When a producer's timer wakes it.
#include "client/internal/produce_session.h"

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <string>

#include "storage/base/clock.h"

namespace cordwood::client {
namespace {

TEST(ProduceTimerTest, ATimerIsPutForwardAndNeverBack) {
  ClientLoop loop;
  ProduceTimer timer(loop);
  std::string rang;  // the loop's
  std::atomic<int> count{0};
  loop.Run([&] {
    const absl::Duration now = Clock::System().Monotonic();
    const auto ring = [&](const char* name) {
      return [&, name] {
        rang += name;
        ++count;
      };
    };
    timer.Arm(now + absl::Hours(2), ring("a"));
    timer.Arm(now, ring("b"));
    timer.Arm(now + absl::Hours(1), ring("c"));
  });
  const auto deadline = std::chrono::steady_clock::now() + std::chrono::seconds(20);
  while (count == 0) ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  loop.Run([&] {
    EXPECT_EQ(rang, "b");
    timer.Cancel();
  });
}

}  // namespace
}  // namespace cordwood::client
