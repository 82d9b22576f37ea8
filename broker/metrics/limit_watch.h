// SPDX-License-Identifier: Apache-2.0
// Which limits have come near: once when one does, not for as long as it is.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "broker/metrics/families.h"

namespace cordwood::broker {

inline constexpr int kLimitNearPercent = 80;
inline constexpr int kLimitFarPercent = 70;  // below it the next crossing is told again

// Threading: of one thread.
class LimitWatch {
 public:
  // A line for each limit that has passed kLimitNearPercent since the last call: how much of it is used, and which setting it is.
  std::vector<std::string> Look(const std::vector<LimitUse>& limits);

 private:
  std::set<std::string> near_;
};

}  // namespace cordwood::broker
