// SPDX-License-Identifier: Apache-2.0
// How a command ends: exit codes, and errors that say what happened, why, and what to try.
#pragma once

#include <cstdint>
#include <string>

#include "client/cli/options.h"
#include "storage/base/reason.h"

namespace cordwood::client {

// Documented in docs/reference: never renumber.
enum ExitCode : int {
  kExitOk = 0,
  kExitError = 1,
  kExitUsage = 2,
  kExitNotFound = 3,
  kExitAuth = 4,
  kExitConflict = 5,      // the state of things forbids it
  kExitUnavailable = 6,   // no broker, or no answer in time
  kExitPartial = 7,       // some records went through, some did not
  kExitInterrupted = 130,
};

ExitCode ExitCodeOf(const Status& status);

// The canonical name in capitals: "NOT_FOUND".
std::string CodeName(absl::StatusCode code);

// To stderr, as text or with -o json as {"error":{"code":…,"reason":…,"message":…,"hint":…}}:
//     error: topic "ordres" does not exist  [UNKNOWN_TOPIC_OR_PARTITION]
//       hint: …
// Returns the exit code. Of OK nothing is printed.
ExitCode Report(const GlobalOptions& options, const Status& status, const std::string& hint = "");
// What this machine refused: RESOURCE_EXHAUSTED for want of room, else INTERNAL; Report() gives the errno's name, "ENOSPC", as its reason.
Status LocalError(const std::string& what, int error);
// UNKNOWN_TOPIC_OR_PARTITION: the topic is there, the partition is not. Report() knows what to try then.
Status NoSuchPartition(const std::string& topic, std::int32_t partition, std::int32_t partitions);
// A command line that cannot be: exit code 2.
ExitCode ReportUsage(const GlobalOptions& options, const std::string& message, const std::string& hint = "");
// Before what cannot be undone, as "remove" of a "topic" named so. Without `yes` the name must be typed on a terminal; elsewhere it is refused. kExitOk: go on.
ExitCode Confirm(const GlobalOptions& global, bool yes, const std::string& what, const std::string& kind, const std::string& name);

}  // namespace cordwood::client
