// SPDX-License-Identifier: Apache-2.0
// The order of precedence, and the checks across keys.
#include "broker/server/config/config_loader.h"

#include <algorithm>
#include <string_view>
#include <utility>

#include "broker/server/config/host_port.h"
#include "storage/base/names.h"

namespace cordwood::broker {
namespace {

constexpr std::string_view kEnvironmentPrefix = "CORDWOOD_";

std::vector<ConfigSetting> Defaults() {
  std::vector<ConfigSetting> settings;
  for (const ConfigKey& key : ConfigKeys()) settings.push_back({std::string(key.name), std::string(key.default_value), "default"});
  return settings;
}

std::vector<ConfigSetting> FromEnvironment(const std::vector<std::string>& environment, std::vector<std::string>& warnings) {
  std::vector<std::string> known;
  for (const ConfigKey& key : ConfigKeys()) known.push_back(key.EnvironmentName());
  std::vector<ConfigSetting> settings;
  for (const std::string& variable : environment) {
    if (!variable.starts_with(kEnvironmentPrefix)) continue;
    const std::size_t equals = std::min(variable.find('='), variable.size());
    const std::string name = variable.substr(0, equals);
    const auto found = std::find(known.begin(), known.end(), name);
    if (found != known.end()) {
      const ConfigKey& key = ConfigKeys()[static_cast<std::size_t>(found - known.begin())];
      settings.push_back({std::string(key.name), variable.substr(std::min(equals + 1, variable.size())), "environment " + name});
      continue;
    }
    const auto nearest = NearestName(name, known);
    warnings.push_back("environment variable " + name + " is no configuration key" + (nearest.has_value() ? " (did you mean " + *nearest + "?)" : ""));
  }
  return settings;
}

Status Apply(const std::vector<ConfigSetting>& settings, LoadedConfig& loaded) {
  for (const ConfigSetting& setting : settings) {
    const ConfigKey* key = FindConfigKey(setting.key);
    if (key == nullptr) return Error(Reason::kInvalidConfig, setting.origin + ": " + UnknownKey(setting.key));
    CORDWOOD_RETURN_IF_ERROR(Annotate(key->Set(loaded.config, setting.value), setting.origin + ": " + setting.key));
    loaded.effective[static_cast<std::size_t>(key - ConfigKeys().data())] = setting;
  }
  return absl::OkStatus();
}

Status CheckListener(std::string_view key, const std::string& address, bool insecure) {
  const auto parsed = ParseHostPort(address);
  if (insecure || !parsed.has_value() || IsLoopback(parsed->host)) return absl::OkStatus();
  return Error(Reason::kInvalidConfig, std::string(key) + " " + address +
                                           " is reachable from other machines and there is no TLS: listen on 127.0.0.1, or give --insecure");
}

}  // namespace

StatusOr<LoadedConfig> LoadConfig(const ConfigInputs& inputs) {
  LoadedConfig loaded;
  loaded.effective.resize(ConfigKeys().size());
  CORDWOOD_RETURN_IF_ERROR(Apply(Defaults(), loaded));
  if (inputs.file.has_value()) {
    CORDWOOD_ASSIGN_OR_RETURN(const std::vector<ConfigSetting> settings, ReadConfigFile(*inputs.file));
    CORDWOOD_RETURN_IF_ERROR(Apply(settings, loaded));
  }
  CORDWOOD_RETURN_IF_ERROR(Apply(FromEnvironment(inputs.environment, loaded.warnings), loaded));
  CORDWOOD_RETURN_IF_ERROR(Apply(inputs.flags, loaded));
  CORDWOOD_RETURN_IF_ERROR(CheckConfig(loaded.config));
  return loaded;
}

Status CheckConfig(const BrokerConfig& config) {
  CORDWOOD_RETURN_IF_ERROR(CheckListener("listeners", config.listeners, config.insecure));
  CORDWOOD_RETURN_IF_ERROR(CheckListener("http.listen", config.http_listen, config.insecure));
  if (config.disk_warn_percent < config.disk_refuse_partitions_percent ||
      config.disk_refuse_partitions_percent < config.disk_refuse_produce_percent) {
    return Error(Reason::kInvalidConfig, "disk.warn.percent, disk.refuse.partitions.percent and disk.refuse.produce.percent must not rise");
  }
  if (config.disk_warn_bytes < config.disk_refuse_partitions_bytes || config.disk_refuse_partitions_bytes < config.disk_refuse_produce_bytes) {
    return Error(Reason::kInvalidConfig, "disk.warn.bytes, disk.refuse.partitions.bytes and disk.refuse.produce.bytes must not rise");
  }
  if (config.request_budget_bytes < config.request_bytes_max) {
    return Error(Reason::kInvalidConfig, "queued.max.request.bytes must be at least socket.request.max.bytes");
  }
  return absl::OkStatus();
}

std::string PrintConfig(const LoadedConfig& loaded) {
  std::size_t width = 0;
  for (const ConfigSetting& setting : loaded.effective) width = std::max(width, setting.key.size() + setting.value.size());
  std::string text;
  for (const ConfigSetting& setting : loaded.effective) {
    const std::string blanks(width - setting.key.size() - setting.value.size() + 2, ' ');
    text += setting.key + " = " + setting.value + blanks + "# " + setting.origin + "\n";
  }
  return text;
}

}  // namespace cordwood::broker
