// SPDX-License-Identifier: Apache-2.0
// The process and its disk, as the system sees them.
#pragma once

#include <string>

#include "broker/metrics/families.h"
#include "storage/shard/disk_ladder.h"

namespace cordwood::broker {

// What cannot be read from /proc is left out. File descriptors are a limit of connections, too: each holds one.
void AddProcessFamilies(Families& families);
void AddDiskFamilies(Families& families, const std::string& data_dir, DiskLevel level);
void AddBuild(Families& families, const std::string& version);

}  // namespace cordwood::broker
