// SPDX-License-Identifier: Apache-2.0
// cord consume -g: one of the processes that share a topic as a group.
#pragma once

#include <optional>
#include <string>

#include "client/cli/failure.h"
#include "client/cli/options.h"
#include "client/cli/record_format.h"

namespace cordwood::client {

// What of the command line does not go together; empty: nothing.
std::string GroupMisuse(const ConsumeCommandOptions& options);

// Until options.count records are printed, or a signal: what was printed is committed, the group is left, and the exit code is 0.
ExitCode ConsumeAsGroup(const GlobalOptions& global, const ConsumeCommandOptions& options, std::optional<RecordFormat> format);

}  // namespace cordwood::client
