// SPDX-License-Identifier: Apache-2.0
// Consumer groups as text for people: one function for each answer of GroupAdmin.
#pragma once

#include <cstdint>
#include <string>

#include "cordwood/v1/group_admin.pb.h"

namespace cordwood::client {

std::string HumanDuration(std::int64_t ms);  // "0s", "40ms", "2.1s", "12m30s", "5h12m", "3d4h"; ms >= 0
std::string HumanRate(double per_second);    // "0/s", "0.5/s", "12/s", "2.1k/s", "3.4M/s"

std::string ListText(const v1::ListGroupsResponse& groups);
std::string DescribeText(const v1::DescribeGroupResponse& group);
std::string MembersText(const v1::DescribeGroupResponse& group);
std::string LagText(const v1::DescribeGroupResponse& group);
std::string ExplainText(const v1::ExplainGroupResponse& group);

// The table of places before and after, with other headings where nothing was changed.
std::string SeekText(const v1::ResetOffsetsResponse& reset, bool dry_run);
// What became of it, one line or two: how many records come again, how many are passed over, and which owners have not yet gone on.
std::string SeekOutcome(const std::string& group, const v1::ResetOffsetsResponse& reset, bool dry_run);

}  // namespace cordwood::client
