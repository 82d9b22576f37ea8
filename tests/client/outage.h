// SPDX-License-Identifier: Apache-2.0
// How a broker goes away.
#pragma once

#include <csignal>
#include <string>

#include "tests/client/consumer_fixture.h"

namespace cordwood::testing {

enum class Outage { kTerminated, kPaused, kKilled };

inline std::string NameOf(Outage outage) {
  switch (outage) {
    case Outage::kTerminated: return "Terminated";
    case Outage::kPaused: return "Paused";
    case Outage::kKilled: return "Killed";
  }
  return "";
}

inline void Break(BrokerProcess& broker, Outage outage) {
  switch (outage) {
    case Outage::kTerminated: EXPECT_EQ(broker.Terminate(), 0); break;
    case Outage::kPaused: broker.Pause(); break;
    case Outage::kKilled: broker.Kill9(); break;
  }
}

}  // namespace cordwood::testing
