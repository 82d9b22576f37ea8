// SPDX-License-Identifier: Apache-2.0
// A check for flags that are whole numbers: CLI11 by itself makes the nearest that fits of one that is too large.
#pragma once

#include <CLI/CLI.hpp>

#include <charconv>
#include <cstdint>
#include <string>

namespace cordwood::client {

// Both bounds inclusive.
inline CLI::Validator Whole(std::int64_t min, std::int64_t max) {
  return CLI::Validator(
      [min, max](const std::string& text) {
        std::int64_t value = 0;
        const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
        if (error == std::errc() && end == text.data() + text.size() && !text.empty() && value >= min && value <= max) return std::string();
        return "\"" + text + "\": write a whole number from " + std::to_string(min) + " to " + std::to_string(max);
      },
      "");
}

}  // namespace cordwood::client
