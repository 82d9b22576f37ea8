// SPDX-License-Identifier: Apache-2.0
// cord group …: one RPC each, as a table or as its JSON.
#include "client/cli/group/group_commands.h"

#include <poll.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "client/cli/group/group_text.h"
#include "client/cli/interrupt.h"
#include "client/cli/one_call.h"
#include "client/cli/position.h"
#include "cordwood/v1/group_admin.grpc.pb.h"

namespace cordwood::client {
namespace {

constexpr char kClearScreen[] = "\033[H\033[2J";

template <class Text>
ExitCode Describe(const GlobalOptions& global, const GroupOptions& options, Text text) {
  v1::DescribeGroupRequest request;
  request.set_group(options.group);
  v1::DescribeGroupResponse response;
  return OneCall<v1::GroupAdmin>(global, &v1::GroupAdmin::Stub::DescribeGroup, request, &response, [&] { return PrintText(global, text(response)); });
}

// Until interrupted, or the reader of the pipe is gone. A broker that is not there is waited for; any other error ends it.
ExitCode Watch(const GlobalOptions& global, const GroupOptions& options, int interval_ms) {
  CatchInterrupts();
  const bool screen = isatty(STDOUT_FILENO) != 0 && global.output == OutputForm::kText;
  StdoutWriter out;
  for (bool first = true; !Interrupted() && !out.closed(); first = false) {
    const ExitCode shown = Describe(global, options, [&](const v1::DescribeGroupResponse& group) {
      return (screen ? kClearScreen : first ? "" : "\n") + DescribeText(group);
    });
    if (shown != kExitOk && shown != kExitUnavailable) return shown;
    poll(nullptr, 0, interval_ms);
    out.Flush();  // looks for the reader
  }
  return kExitOk;
}

}  // namespace

ExitCode GroupList(const GlobalOptions& global) {
  v1::ListGroupsResponse response;
  return OneCall<v1::GroupAdmin>(global, &v1::GroupAdmin::Stub::ListGroups, v1::ListGroupsRequest(), &response, [&] {
    if (response.groups().empty()) Note(global, "no groups yet; a consumer makes one with  cord consume T -g G");
    return PrintText(global, ListText(response));
  });
}

ExitCode GroupDescribe(const GlobalOptions& global, const GroupOptions& options) {
  if (!options.watch) return Describe(global, options, DescribeText);
  const auto interval = ParseDurationMs(options.interval);
  if (!interval.ok() || *interval < 100) return ReportUsage(global, "--interval: a duration of at least 100ms, as 2s");
  return Watch(global, options, static_cast<int>(std::min<std::int64_t>(*interval, 3'600'000)));
}

ExitCode GroupMembers(const GlobalOptions& global, const GroupOptions& options) {
  return Describe(global, options, [&](const v1::DescribeGroupResponse& group) {
    if (group.members().empty()) Note(global, "group " + options.group + " has no member");
    return MembersText(group);
  });
}

ExitCode GroupLag(const GlobalOptions& global, const GroupOptions& options) { return Describe(global, options, LagText); }

ExitCode GroupExplain(const GlobalOptions& global, const GroupOptions& options) {
  v1::ExplainGroupRequest request;
  request.set_group(options.group);
  v1::ExplainGroupResponse response;
  return OneCall<v1::GroupAdmin>(global, &v1::GroupAdmin::Stub::ExplainGroup, request, &response, [&] { return PrintText(global, ExplainText(response)); });
}

ExitCode GroupRemove(const GlobalOptions& global, const GroupOptions& options) {
  if (const ExitCode refused = Confirm(global, options.yes, "remove", "group", options.group); refused != kExitOk) return refused;
  v1::DeleteGroupRequest request;
  request.set_group(options.group);
  v1::DeleteGroupResponse response;
  return OneCall<v1::GroupAdmin>(global, &v1::GroupAdmin::Stub::DeleteGroup, request, &response, [&] {
    Note(global, "removed group " + options.group + " and its committed offsets");
    return kExitOk;
  });
}

}  // namespace cordwood::client
