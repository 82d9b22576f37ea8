// SPDX-License-Identifier: Apache-2.0
// Who asks, until when; and why one entry of a request was refused. The same for every door.
#pragma once

#include <cstdint>
#include <optional>
#include <string>

#include "absl/time/time.h"
#include "storage/base/ids.h"
#include "storage/base/reason.h"

namespace cordwood::broker {

struct RequestContext {
  std::string principal = "anonymous";
  std::string peer;                                     // as the door names it
  absl::Duration deadline = absl::InfiniteDuration();   // by Clock::Monotonic()
};

// Where a partition is led.
struct LeaderHint {
  BrokerId broker{-1};
  LeaderEpoch epoch;
  std::string host;
  std::uint16_t port = 0;
};

// EntryError of the wire.
struct EntryFailure {
  std::uint32_t entry = 0;  // index in the request
  Status status;            // never OK
  std::optional<LeaderHint> leader;
  std::int64_t retry_after_ms = 0;
  Offset log_start;         // of the partition, where the reason is about offsets
  Offset log_end;
};

}  // namespace cordwood::broker
