// SPDX-License-Identifier: Apache-2.0
// The commands of `cord`. Each returns the exit code and has said on stderr what went wrong.
#pragma once

#include "client/cli/failure.h"
#include "client/cli/options.h"

namespace cordwood::client {

inline constexpr char kVersion[] = "cord 0.1.0";

// admin_commands.cc
ExitCode TopicCreate(const GlobalOptions& global, const TopicOptions& options);
ExitCode TopicList(const GlobalOptions& global, bool internal);
ExitCode TopicDescribe(const GlobalOptions& global, const TopicOptions& options);
ExitCode TopicRemove(const GlobalOptions& global, const TopicOptions& options);
ExitCode TopicSet(const GlobalOptions& global, const TopicOptions& options);
ExitCode TopicOffsets(const GlobalOptions& global, const TopicOptions& options);
ExitCode TopicGrow(const GlobalOptions& global, const TopicOptions& options);
ExitCode TopicTrim(const GlobalOptions& global, const TopicOptions& options);
ExitCode ClusterStatus(const GlobalOptions& global);
ExitCode BrokerDescribe(const GlobalOptions& global);

ExitCode Produce(const GlobalOptions& global, const ProduceCommandOptions& options);
ExitCode Consume(const GlobalOptions& global, const ConsumeCommandOptions& options);

}  // namespace cordwood::client
