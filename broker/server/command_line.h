// SPDX-License-Identifier: Apache-2.0
// cordwoodd's command line.
#pragma once

#include <optional>
#include <string>
#include <variant>
#include <vector>

#include "broker/server/config/config_file.h"

namespace cordwood::broker {

struct CommandLine {
  enum class Action { kServe, kCheckConfig, kPrintConfig };
  Action action = Action::kServe;
  std::optional<std::string> config_file;
  std::optional<std::string> port_file;
  std::vector<ConfigSetting> settings;  // of flags; --set comes after the flags that have a name of their own, so that it wins
};

// What is left to do when there is no broker to run.
struct ExitNow {
  int code = 0;            // 0: help or version were asked for; 2: the line cannot be understood
  std::string out;         // for stdout
  std::string error;       // for stderr, one line
};

std::variant<CommandLine, ExitNow> ParseCommandLine(int argc, const char* const* argv);

}  // namespace cordwood::broker
