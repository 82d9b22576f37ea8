// SPDX-License-Identifier: Apache-2.0
// Everything an operator or an administrator types: configuration files, flags, environment, topic configurations.
#include <map>
#include <string>
#include <variant>
#include <vector>

#include "broker/metadata/topic_config.h"
#include "broker/server/command_line.h"
#include "broker/server/config/config_loader.h"
#include "broker/server/config/host_port.h"
#include "storage/base/check.h"
#include "storage/base/names.h"
#include "tests/fuzz/fuzz_input.h"

namespace cordwood::testing {
namespace {

std::vector<std::string> Lines(std::string_view text) {
  std::vector<std::string> lines;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    lines.emplace_back(text.substr(0, end));
    text.remove_prefix(std::min(end + 1, text.size()));
  }
  return lines;
}

void CheckIsConfigError(const Status& status) {
  CORDWOOD_CHECK(ReasonOf(status) == Reason::kInvalidConfig && !MessageOf(status).empty());
}

// What --print-config prints is a file that says the same.
void CheckLoaded(const broker::ConfigInputs& inputs) {
  const StatusOr<broker::LoadedConfig> loaded = broker::LoadConfig(inputs);
  if (!loaded.ok()) return CheckIsConfigError(loaded.status());
  const auto printed = broker::ParseConfigText(broker::PrintConfig(*loaded), "printed");
  CORDWOOD_CHECK(printed.ok() && printed->size() == loaded->effective.size());
  for (std::size_t i = 0; i < printed->size(); ++i) {
    CORDWOOD_CHECK((*printed)[i].key == loaded->effective[i].key && (*printed)[i].value == loaded->effective[i].value);
  }
}

void CheckFile(std::string_view text) {
  const auto settings = broker::ParseConfigText(text, "file");
  if (!settings.ok()) return CheckIsConfigError(settings.status());
  broker::ConfigInputs inputs;
  inputs.flags = *settings;
  CheckLoaded(inputs);
}

void CheckFlags(std::string_view text) {
  std::vector<std::string> arguments = Lines(text);
  for (std::string& argument : arguments) argument = argument.c_str();  // as main() gets them
  std::vector<const char*> argv = {"cordwoodd"};
  for (const std::string& argument : arguments) argv.push_back(argument.c_str());
  const auto parsed = broker::ParseCommandLine(static_cast<int>(argv.size()), argv.data());
  if (const auto* exit = std::get_if<broker::ExitNow>(&parsed)) {
    CORDWOOD_CHECK(exit->code == 0 || (exit->code == 2 && !exit->error.empty()));
    return;
  }
  broker::ConfigInputs inputs;
  inputs.flags = std::get<broker::CommandLine>(parsed).settings;
  CheckLoaded(inputs);
}

void CheckEnvironment(std::string_view text) {
  broker::ConfigInputs inputs;
  inputs.environment = Lines(text);
  CheckLoaded(inputs);
}

// What is in force, set again, is in force.
void CheckTopic(std::string_view text) {
  broker::ConfigMap set;
  for (const std::string& line : Lines(text)) {
    const std::size_t equals = std::min(line.find('='), line.size());
    set[line.substr(0, equals)] = line.substr(std::min(equals + 1, line.size()));
    if (CheckTopicName(line).ok()) CORDWOOD_CHECK(!line.empty() && line.size() <= 249 && line.find('/') == std::string::npos);
    if (const auto address = broker::ParseHostPort(line)) CORDWOOD_CHECK(broker::ParseHostPort(address->ToString())->ToString() == address->ToString());
  }
  const StatusOr<broker::TopicConfig> config = broker::ParseTopicConfig(set);
  if (!config.ok()) {
    const Reason reason = ReasonOf(config.status());
    CORDWOOD_CHECK(reason == Reason::kInvalidConfig);
    return;
  }
  broker::ConfigMap shown;
  for (const broker::TopicConfigKey& key : broker::TopicConfigKeys()) shown[std::string(key.name)] = broker::TopicConfigValue(*config, key.name);
  const StatusOr<broker::TopicConfig> again = broker::ParseTopicConfig(shown);
  CORDWOOD_CHECK(again.ok());
  for (const auto& [key, value] : shown) CORDWOOD_CHECK(broker::TopicConfigValue(*again, key) == value);
}

}  // namespace
}  // namespace cordwood::testing

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace cordwood::testing;
  FuzzInput in(bytes, size);
  switch (in.Below(4)) {
    case 0: CheckFile(in.rest()); break;
    case 1: CheckFlags(in.rest()); break;
    case 2: CheckEnvironment(in.rest()); break;
    case 3: CheckTopic(in.rest()); break;
  }
  return 0;
}
