// SPDX-License-Identifier: Apache-2.0
// cord group seek: also while members are alive.
#include "client/cli/group/group_commands.h"
#include "client/cli/group/group_text.h"
#include "client/cli/group/seek_request.h"
#include "client/cli/one_call.h"
#include "cordwood/v1/group_admin.grpc.pb.h"
#include "storage/base/clock.h"

namespace cordwood::client {

ExitCode GroupSeek(const GlobalOptions& global, const GroupOptions& options) {
  const auto request = SeekRequest(options, Clock::System().WallMs());
  if (!request.ok()) return ReportUsage(global, MessageOf(request.status()), "as  cord group seek G --topic T --to @-1h --dry-run");
  v1::ResetOffsetsResponse response;
  return OneCall<v1::GroupAdmin>(global, &v1::GroupAdmin::Stub::ResetOffsets, *request, &response, [&] {
    const ExitCode printed = PrintText(global, SeekText(response, options.dry_run));
    Note(global, SeekOutcome(options.group, response, options.dry_run));
    return printed;
  });
}

}  // namespace cordwood::client
