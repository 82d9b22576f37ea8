// SPDX-License-Identifier: Apache-2.0
// When memory that a burst of calls has left in malloc's arenas goes back to the system; by itself it would stay for good.
#pragma once

#include <cstdint>

#include "broker/grpc/control/control_calls.h"
#include "broker/grpc/network_thread.h"

namespace cordwood::broker {

// Not thread-safe.
class MemoryTrim {
 public:
  // To be asked every few seconds. `freed`: bytes that calls have given back since the start. True after 16 MiB, once few are added any more: a trim locks
  // each arena in turn, so it is not for busy times.
  bool IsDue(std::uint64_t freed);

 private:
  std::uint64_t at_last_look_ = 0;
  std::uint64_t at_last_trim_ = 0;
  std::uint64_t burst_ = 0;  // the most between two looks since the last trim
};

// Of all calls, with what gRPC and we hold for one, and of control requests and answers; what produce and fetch hold is pooled.
std::uint64_t FreedByCalls(NetworkThreads& network, const ControlCalls& control);

}  // namespace cordwood::broker
