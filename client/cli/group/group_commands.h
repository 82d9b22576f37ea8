// SPDX-License-Identifier: Apache-2.0
// cord group ls, describe, members, lag, seek, replay, rm and explain: consumer groups as operators see and move them. docs/reference/cord.md.
#pragma once

#include <functional>

#include "client/cli/failure.h"
#include "client/cli/group/group_options.h"

namespace CLI {
class App;
}

namespace cordwood::client {

// Adds `group` to `app`; the command that is given is put into `run`. All references must outlive the run.
void AddGroupCommands(CLI::App& app, const GlobalOptions& global, GroupOptions& options, std::function<ExitCode()>& run);

ExitCode GroupList(const GlobalOptions& global);
ExitCode GroupDescribe(const GlobalOptions& global, const GroupOptions& options);
ExitCode GroupMembers(const GlobalOptions& global, const GroupOptions& options);
ExitCode GroupLag(const GlobalOptions& global, const GroupOptions& options);
ExitCode GroupExplain(const GlobalOptions& global, const GroupOptions& options);
ExitCode GroupRemove(const GlobalOptions& global, const GroupOptions& options);
// group_seek.cc
ExitCode GroupSeek(const GlobalOptions& global, const GroupOptions& options);
// group_replay.cc
ExitCode GroupReplay(const GlobalOptions& global, const GroupOptions& options);
ExitCode ReplayList(const GlobalOptions& global);
ExitCode ReplayShow(const GlobalOptions& global, const GroupOptions& options);
ExitCode ReplayPause(const GlobalOptions& global, const GroupOptions& options);
ExitCode ReplayResume(const GlobalOptions& global, const GroupOptions& options);
ExitCode ReplayCancel(const GlobalOptions& global, const GroupOptions& options);

}  // namespace cordwood::client
