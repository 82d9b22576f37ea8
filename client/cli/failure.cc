// SPDX-License-Identifier: Apache-2.0
// The table of exit codes and the shape of error messages.
#include "client/cli/failure.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstdio>
#include <cstring>
#include <iostream>

#include "absl/status/status.h"
#include "absl/strings/ascii.h"
#include "absl/strings/cord.h"
#include "client/cli/record_json.h"
#include "client/cli/table.h"
#include "client/internal/rpc_error.h"
#include "storage/base/names.h"

namespace cordwood::client {
namespace {

constexpr char kPartitionUrl[] = "cordwood/no_such_partition";  // empty
constexpr char kErrnoUrl[] = "cordwood/errno";                  // its name

// As it can be pasted into a command line.
std::string ShellWord(const std::string& text) {
  const bool plain = std::all_of(text.begin(), text.end(), [](char c) { return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '.' || c == '_' || c == '-'; });
  return plain && !text.empty() ? text : "'" + Printable(text) + "'";
}

// What to try, where the error itself does not say.
std::string HintFor(const GlobalOptions& options, const Status& status) {
  const std::string topic = ShellWord(options.topic.empty() ? "TOPIC" : options.topic);
  switch (ReasonOf(status)) {
    case Reason::kUnknownTopicOrPartition:
      if (status.GetPayload(kPartitionUrl).has_value() || MessageOf(status).starts_with("no partition ")) return "see its partitions with  cord topic offsets " + topic;
      return "list the topics with  cord topic ls,  create this one with  cord topic create " + topic + " -p 4";
    case Reason::kOffsetOutOfRange: return "see where each partition starts and ends with  cord topic offsets " + topic;
    case Reason::kTopicAlreadyExists: return "look at it with  cord topic describe " + topic;
    case Reason::kDiskFull: return "free space on the broker's disk, or lower retention.ms or retention.bytes with  cord topic set " + topic;
    case Reason::kMessageTooLarge: return "raise max.message.bytes with  cord topic set " + topic + " -c max.message.bytes=N";
    case Reason::kPoisoned: return "a disk write failed on the broker; see its log, then restart it";
    case Reason::kGroupIdNotFound:
      return MessageOf(status).ends_with("is no replay job") ? "list the replay jobs with  cord group replay ls" : "list the groups with  cord group ls";
    case Reason::kNonEmptyGroup: return "see who is in it with  cord group members " + ShellWord(options.group) + ",  and stop them";
    case Reason::kFencedInstanceId: return "another process was started under this name; give each an --instance-id of its own";
    case Reason::kCoordinatorLoadInProgress: return "the broker is still reading the groups' state; try again in a moment";
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
    text = "{\"error\":{\"code\":\"" + code + "\",\"reason\":\"" + (reason.empty() ? code : reason) + "\",\"message\":";
    AppendJsonString(IsUtf8(message) ? message : HexOf(message), &text);
    if (!hint.empty()) {
      text += ",\"hint\":";
      AppendJsonString(hint, &text);
    }
    text += "}}\n";
  } else {
    text = "error: " + Printable(message) + "  [" + (reason.empty() ? code : reason) + "]\n";
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

Status LocalError(const std::string& what, int error) {
  const bool room = error == ENOSPC || error == EDQUOT || error == EFBIG;
  Status status(room ? absl::StatusCode::kResourceExhausted : absl::StatusCode::kInternal, what + ": " + std::strerror(error));
  if (const char* name = strerrorname_np(error); name != nullptr) status.SetPayload(kErrnoUrl, absl::Cord(name));
  return status;
}

ExitCode Report(const GlobalOptions& options, const Status& status, const std::string& hint) {
  if (status.ok()) return kExitOk;
  std::string reason;
  if (ReasonOf(status) != Reason::kUnknownServerError) reason = ReasonName(ReasonOf(status));
  if (const auto name = status.GetPayload(kErrnoUrl); name.has_value()) reason = std::string(*name);
  return Print(options, CodeName(status.code()), reason, MessageOf(status),
               hint.empty() ? HintFor(options, status) : hint, ExitCodeOf(status));
}

Status NoSuchPartition(const std::string& topic, std::int32_t partition, std::int32_t partitions) {
  Status status = Error(Reason::kUnknownTopicOrPartition,
                        "topic \"" + topic + "\" has no partition " + std::to_string(partition) + "; it has " + std::to_string(partitions) + ", from 0");
  status.SetPayload(kPartitionUrl, absl::Cord());
  return status;
}

ExitCode ReportUsage(const GlobalOptions& options, const std::string& message, const std::string& hint) {
  return Print(options, "INVALID_ARGUMENT", "", message, hint, kExitUsage);
}

ExitCode Confirm(const GlobalOptions& global, bool yes, const std::string& what, const std::string& kind, const std::string& name) {
  if (yes) return kExitOk;
  if (isatty(STDIN_FILENO) == 0 || isatty(STDERR_FILENO) == 0) {
    return ReportUsage(global, what + " " + kind + " \"" + name + "\" cannot be undone", "say that you mean it with  --yes");
  }
  std::fprintf(stderr, "This cannot be undone. Type the %s's name to %s it: ", kind.c_str(), what.c_str());
  std::string typed;
  std::getline(std::cin, typed);
  if (typed == name) return kExitOk;
  return ReportUsage(global, "not confirmed; nothing was done");
}

}  // namespace cordwood::client
