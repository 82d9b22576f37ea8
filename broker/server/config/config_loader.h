// SPDX-License-Identifier: Apache-2.0
// Puts the configuration together: flags win over the environment, that over the file, that over the defaults.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "broker/server/config/config_file.h"
#include "broker/server/config/config_schema.h"
#include "storage/base/reason.h"

namespace cordwood::broker {

struct ConfigInputs {
  std::vector<ConfigSetting> flags;       // in order; a later one wins
  std::vector<std::string> environment;   // "NAME=value"; names that do not begin with CORDWOOD_ are ignored
  std::optional<std::string> file;        // path
};

struct LoadedConfig {
  BrokerConfig config;
  std::vector<ConfigSetting> effective;  // every key, in the table's order, with where its value came from
  std::vector<std::string> warnings;     // variables that look like ours and are none
};

// INVALID_CONFIG, one line: where, which key, what it may be.
StatusOr<LoadedConfig> LoadConfig(const ConfigInputs& inputs);

// What keys say of each other: a public listener needs `insecure`, the steps of the disk ladder descend, the budget holds a request.
Status CheckConfig(const BrokerConfig& config);

// A configuration file that says the same, with the origin of each line.
std::string PrintConfig(const LoadedConfig& loaded);

}  // namespace cordwood::broker
