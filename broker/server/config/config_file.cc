// SPDX-License-Identifier: Apache-2.0
// Lines to settings, each with its place.
#include "broker/server/config/config_file.h"

#include <cerrno>
#include <cstring>
#include <fstream>
#include <map>
#include <utility>

#include "broker/server/config/config_schema.h"

namespace cordwood::broker {
namespace {

constexpr std::string_view kBlank = " \t\r";

std::string_view Trim(std::string_view text) {
  const std::size_t first = text.find_first_not_of(kBlank);
  if (first == std::string_view::npos) return {};
  return text.substr(first, text.find_last_not_of(kBlank) - first + 1);
}

std::string_view WithoutComment(std::string_view line) {
  for (std::size_t i = 0; i < line.size(); ++i) {
    if (line[i] == '#' && (i == 0 || kBlank.find(line[i - 1]) != std::string_view::npos)) return line.substr(0, i);
  }
  return line;
}

}  // namespace

StatusOr<std::vector<ConfigSetting>> ParseConfigText(std::string_view text, const std::string& file_name) {
  std::vector<ConfigSetting> settings;
  std::map<std::string, std::string, std::less<>> set_at;
  for (int number = 1; !text.empty(); ++number) {
    const std::size_t end = text.find('\n');
    const std::string_view line = Trim(WithoutComment(text.substr(0, end)));
    text.remove_prefix(end == std::string_view::npos ? text.size() : end + 1);
    if (line.empty()) continue;
    const std::string place = file_name + ":" + std::to_string(number);
    const std::size_t equals = line.find('=');
    if (equals == std::string_view::npos) {
      return Error(Reason::kInvalidConfig, place + ": expected \"key = value\", found \"" + std::string(line) + "\"");
    }
    const std::string key(Trim(line.substr(0, equals)));
    if (FindConfigKey(key) == nullptr) return Error(Reason::kInvalidConfig, place + ": " + UnknownKey(key));
    const auto [first, fresh] = set_at.emplace(key, place);
    if (!fresh) return Error(Reason::kInvalidConfig, place + ": " + key + " is set twice, first at " + first->second);
    settings.push_back({key, std::string(Trim(line.substr(equals + 1))), place});
  }
  return settings;
}

StatusOr<std::vector<ConfigSetting>> ReadConfigFile(const std::string& path) {
  errno = 0;
  std::ifstream file(path, std::ios::binary);
  std::string text(kConfigFileBytesMax + 1, '\0');
  if (file) file.read(text.data(), static_cast<std::streamsize>(text.size()));
  if (!file.is_open() || file.bad() || (file.fail() && !file.eof())) {
    return Error(Reason::kInvalidConfig, path + ": cannot be read: " + std::strerror(errno != 0 ? errno : EIO));
  }
  text.resize(static_cast<std::size_t>(file.gcount()));
  if (text.size() > kConfigFileBytesMax) {
    return Error(Reason::kInvalidConfig, path + ": larger than " + std::to_string(kConfigFileBytesMax) + " bytes");
  }
  return ParseConfigText(text, path);
}

}  // namespace cordwood::broker
