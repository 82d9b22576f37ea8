// SPDX-License-Identifier: Apache-2.0
// The table of exit codes and the shape of error messages.
#include "client/cli/failure.h"

#include <cstdio>

#include "absl/status/status.h"
#include "client/cli/record_json.h"
#include "client/internal/rpc_error.h"

namespace cordwood::client {
namespace {

// What to try, where the error itself does not say.
std::string HintFor(const GlobalOptions& options, const Status& status) {
  switch (ReasonOf(status)) {
    case Reason::kUnknownTopicOrPartition: return "list the topics with  cord topic ls,  create one with  cord topic create NAME -p 4";
    case Reason::kOffsetOutOfRange: return "see where each partition starts and ends with  cord topic offsets TOPIC";
    case Reason::kTopicAlreadyExists: return "look at it with  cord topic describe TOPIC";
    case Reason::kDiskFull: return "free space on the broker's disk, or lower retention.ms or retention.bytes with  cord topic set";
    case Reason::kMessageTooLarge: return "raise max.message.bytes with  cord topic set TOPIC -c max.message.bytes=N";
    case Reason::kPoisoned: return "a disk write failed on the broker; see its log, then restart it";
    default: break;
  }
  if (status.code() == absl::StatusCode::kUnavailable && IsTransportError(status)) {
    return "is the broker at " + options.brokers + " running? Start one with  cordwoodd --data-dir D,  or set -b or CORD_BROKERS";
  }
  if (status.code() == absl::StatusCode::kDeadlineExceeded) return "give it longer with  --timeout 60s";
  return "";
}

ExitCode Print(const GlobalOptions& options, const std::string& code, const std::string& reason, const std::string& message, const std::string& hint,
               ExitCode exit_code) {
  std::string text;
  if (options.output == OutputForm::kJson) {
    text = "{\"error\":{\"code\":\"" + code + "\",\"reason\":\"" + reason + "\",\"message\":";
    AppendJsonString(IsUtf8(message) ? message : HexOf(message), &text);
    if (!hint.empty()) {
      text += ",\"hint\":";
      AppendJsonString(hint, &text);
    }
    text += "}}\n";
  } else {
    text = "error: " + message + "  [" + (reason.empty() ? code : reason) + "]\n";
    if (!hint.empty()) text += "  hint: " + hint + "\n";
  }
  std::fwrite(text.data(), 1, text.size(), stderr);
  return exit_code;
}

}  // namespace

std::string CodeName(absl::StatusCode code) { return absl::StatusCodeToString(code); }

ExitCode ExitCodeOf(const Status& status) {
  switch (status.code()) {
    case absl::StatusCode::kOk: return kExitOk;
    case absl::StatusCode::kNotFound: return kExitNotFound;
    case absl::StatusCode::kUnauthenticated:
    case absl::StatusCode::kPermissionDenied: return kExitAuth;
    case absl::StatusCode::kAlreadyExists:
    case absl::StatusCode::kAborted:
    case absl::StatusCode::kFailedPrecondition: return kExitConflict;
    case absl::StatusCode::kUnavailable:
    case absl::StatusCode::kDeadlineExceeded: return kExitUnavailable;
    default: return kExitError;
  }
}

ExitCode Report(const GlobalOptions& options, const Status& status, const std::string& hint) {
  const bool has_reason = ReasonOf(status) != Reason::kUnknownServerError;
  return Print(options, CodeName(status.code()), has_reason ? std::string(ReasonName(ReasonOf(status))) : "", MessageOf(status),
               hint.empty() ? HintFor(options, status) : hint, ExitCodeOf(status));
}

ExitCode ReportUsage(const GlobalOptions& options, const std::string& message, const std::string& hint) {
  return Print(options, "INVALID_ARGUMENT", "", message, hint, kExitUsage);
}

}  // namespace cordwood::client
