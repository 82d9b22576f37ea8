// SPDX-License-Identifier: Apache-2.0
// From the flags of cord group seek to the RPC's request.
#pragma once

#include <cstdint>
#include <string_view>

#include "client/cli/group/group_options.h"
#include "cordwood/v1/group_admin.pb.h"
#include "storage/base/reason.h"

namespace cordwood::client {

inline constexpr std::uint64_t kSeekLinesMax = 10'000;

// `now_ms` is what @-15m counts from. Reads the file, if there is one. INVALID_REQUEST says what is wrong, of a file in which line: not exactly one of --to, --shift
// and --from-file, a topic that is missing or too many, a bad position.
StatusOr<v1::ResetOffsetsRequest> SeekRequest(const GroupOptions& options, std::int64_t now_ms);

// One line of a file: "TOPIC PARTITION POSITION", separated by spaces, tabs or commas. Empty ones and those that begin with # add nothing.
Status AddSeekLine(std::string_view line, std::int64_t now_ms, v1::ResetOffsetsRequest* request);

}  // namespace cordwood::client
