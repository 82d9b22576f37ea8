// SPDX-License-Identifier: Apache-2.0
// What one file looks like after a power loss: pure, decided by a hash.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "tests/fault/simulated_disk.h"

namespace cordwood::testing {

// A well mixed 64-bit hash; equal in every run and on every machine.
std::uint64_t Mix(std::uint64_t a, std::uint64_t b);
std::uint64_t Mix(std::uint64_t seed, std::string_view text);

// `newest_log`: for kOlderTailMissing, this is the file that stays whole.
std::string AfterPowerLoss(const DiskFile& file, const std::string& path, std::uint64_t seed, PowerLossCase power_loss, bool newest_log);

}  // namespace cordwood::testing
