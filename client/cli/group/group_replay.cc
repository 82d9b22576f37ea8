// SPDX-License-Identifier: Apache-2.0
// cord group replay: a range read again, beside a living group.
#include "client/cli/group/group_commands.h"
#include "client/cli/group/replay_request.h"
#include "client/cli/group/replay_text.h"
#include "client/cli/one_call.h"
#include "client/cli/table.h"
#include "cordwood/v1/group_admin.grpc.pb.h"
#include "storage/base/clock.h"

namespace cordwood::client {
namespace {

ExitCode Change(const GlobalOptions& global, const GroupOptions& options, v1::ReplayChange change) {
  v1::ChangeReplayRequest request;
  request.set_group(options.group);
  request.set_change(change);
  v1::ChangeReplayResponse response;
  return OneCall<v1::GroupAdmin>(global, &v1::GroupAdmin::Stub::ChangeReplay, request, &response, [&] {
    Note(global, "replay job " + Printable(options.group) + " is " + response.state());
    return kExitOk;
  });
}

}  // namespace

ExitCode GroupReplay(const GlobalOptions& global, const GroupOptions& options) {
  const auto request = ReplayRequest(options, Clock::System().WallMs());
  if (!request.ok()) return ReportUsage(global, MessageOf(request.status()), "as  cord group replay G --topic T --from @-1h --to @-30m --rate 5MB/s --as G.replay");
  v1::CreateReplayResponse response;
  GlobalOptions named = global;
  named.group = request->group();  // whom a refusal is about
  return OneCall<v1::GroupAdmin>(named, &v1::GroupAdmin::Stub::CreateReplay, *request, &response, [&] {
    const ExitCode printed = PrintText(global, ReplayCreatedText(response));
    Note(global, ReplayCreatedNote(response));
    return printed;
  });
}

ExitCode ReplayList(const GlobalOptions& global) {
  v1::ListReplaysResponse response;
  return OneCall<v1::GroupAdmin>(global, &v1::GroupAdmin::Stub::ListReplays, v1::ListReplaysRequest(), &response, [&] {
    if (response.replays().empty()) Note(global, "no replay jobs; make one with  cord group replay G --topic T --from @-1h --to @-30m");
    return PrintText(global, ReplayListText(response));
  });
}

ExitCode ReplayShow(const GlobalOptions& global, const GroupOptions& options) {
  v1::DescribeReplayRequest request;
  request.set_group(options.group);
  v1::DescribeReplayResponse response;
  return OneCall<v1::GroupAdmin>(global, &v1::GroupAdmin::Stub::DescribeReplay, request, &response, [&] { return PrintText(global, ReplayText(response)); });
}

ExitCode ReplayPause(const GlobalOptions& global, const GroupOptions& options) { return Change(global, options, v1::REPLAY_PAUSE); }
ExitCode ReplayResume(const GlobalOptions& global, const GroupOptions& options) { return Change(global, options, v1::REPLAY_RESUME); }
ExitCode ReplayCancel(const GlobalOptions& global, const GroupOptions& options) { return Change(global, options, v1::REPLAY_CANCEL); }

}  // namespace cordwood::client
