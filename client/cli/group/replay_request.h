// SPDX-License-Identifier: Apache-2.0
// From the flags of cord group replay to the RPC's request.
#pragma once

#include <cstdint>
#include <string_view>

#include "client/cli/group/group_options.h"
#include "cordwood/v1/group_admin.pb.h"
#include "storage/base/reason.h"

namespace cordwood::client {

// `now_ms` is what @-15m counts from. INVALID_REQUEST says what is wrong: no group, topic or beginning, a bad position, rate or pace, a rate beside a pace.
StatusOr<v1::CreateReplayRequest> ReplayRequest(const GroupOptions& options, std::int64_t now_ms);

// "5MB/s", "64KiB/s", "1GB/m", "1000000" (per second) -> bytes per second, > 0.
StatusOr<std::int64_t> ParseByteRate(std::string_view text);

}  // namespace cordwood::client
