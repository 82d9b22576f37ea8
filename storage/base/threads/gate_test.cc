// SPDX-License-Identifier: Apache-2.0
#include "storage/base/threads/gate.h"

#include <gtest/gtest.h>

#include <thread>

namespace cordwood {
namespace {

TEST(GateTest, NobodyEntersAClosedGate) {
  Gate gate;
  ASSERT_TRUE(gate.Enter());
  gate.Leave();
  EXPECT_FALSE(gate.closed());
  gate.Close();
  EXPECT_TRUE(gate.closed());
  EXPECT_FALSE(gate.Enter());
}

TEST(GateTest, ItIsNotClosedBeforeWhoIsInsideHasLeft) {
  Gate gate;
  ASSERT_TRUE(gate.Enter());
  std::thread closer([&] { gate.Close(); });
  while (gate.Enter()) gate.Leave();  // until it is closing
  EXPECT_FALSE(gate.closed());
  gate.Leave();
  closer.join();
  EXPECT_TRUE(gate.closed());
}

}  // namespace
}  // namespace cordwood
