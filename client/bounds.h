// SPDX-License-Identifier: Apache-2.0
// Options that users give, against their bounds.
#pragma once

#include <chrono>
#include <cstddef>
#include <string>
#include <string_view>

#include "storage/base/reason.h"

namespace cordwood::client {

inline std::string WithUnit(std::size_t count) { return std::to_string(count); }
inline std::string WithUnit(std::chrono::milliseconds time) { return std::to_string(time.count()) + " ms"; }
inline std::string WithUnit(std::chrono::microseconds time) { return std::to_string(time.count()) + " us"; }

// INVALID_CONFIG names the option, its value and its bounds, both inclusive.
template <class T>
Status CheckBounds(std::string_view option, T value, T least, T most) {
  if (value >= least && value <= most) return absl::OkStatus();
  return Error(Reason::kInvalidConfig,
               std::string(option) + " is " + WithUnit(value) + ": it must be from " + WithUnit(least) + " to " + WithUnit(most));
}

}  // namespace cordwood::client
