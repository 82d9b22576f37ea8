// SPDX-License-Identifier: Apache-2.0
// Integers only: a limit of 1 is near when it is reached.
#include "broker/metrics/limit_watch.h"

namespace cordwood::broker {

std::vector<std::string> LimitWatch::Look(const std::vector<LimitUse>& limits) {
  std::vector<std::string> lines;
  for (const LimitUse& limit : limits) {
    const std::int64_t percent = limit.used * 100 / limit.max;
    if (percent < kLimitFarPercent) near_.erase(limit.name);
    if (percent < kLimitNearPercent || !near_.insert(limit.name).second) continue;
    const std::string most = std::to_string(limit.max) + (limit.setting.empty() ? "" : " (" + limit.setting + ")");
    lines.push_back("limit " + limit.name + ": " + std::to_string(limit.used) + " of at most " + most + ", above " + std::to_string(kLimitNearPercent) + " %");
  }
  return lines;
}

}  // namespace cordwood::broker
