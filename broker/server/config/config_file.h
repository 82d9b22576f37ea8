// SPDX-License-Identifier: Apache-2.0
// The configuration file: `key = value` lines. '#' begins a comment, at the start of a line or after a blank.
#pragma once

#include <cstddef>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/reason.h"

namespace cordwood::broker {

inline constexpr std::size_t kConfigFileBytesMax = 1024 * 1024;

// One key as one source sets it.
struct ConfigSetting {
  std::string key;
  std::string value;
  std::string origin;  // "FILE:LINE", "environment CORDWOOD_…", "--flag"
};

// INVALID_CONFIG, "FILE:LINE: …": not `key = value`, an unknown key (the nearest is suggested), a key that is set twice.
StatusOr<std::vector<ConfigSetting>> ParseConfigText(std::string_view text, const std::string& file_name);
// The same, and INVALID_CONFIG if the file cannot be read or is too large.
StatusOr<std::vector<ConfigSetting>> ReadConfigFile(const std::string& path);

}  // namespace cordwood::broker
