// SPDX-License-Identifier: Apache-2.0
// Replay jobs, for people.
#pragma once

#include <string>

#include "cordwood/v1/group_admin.pb.h"

namespace cordwood::client {

std::string ReplayCreatedText(const v1::CreateReplayResponse& created);
std::string ReplayCreatedNote(const v1::CreateReplayResponse& created);
std::string ReplayListText(const v1::ListReplaysResponse& replays);
std::string ReplayText(const v1::DescribeReplayResponse& replay);

}  // namespace cordwood::client
