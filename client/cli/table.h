// SPDX-License-Identifier: Apache-2.0
// Aligned plain columns with UPPERCASE headers, and numbers for people.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

namespace cordwood::client {

// As a terminal may have it, which obeys control characters: those as \x1b. Others choose ids and names.
std::string Printable(std::string_view text);

// Two spaces between columns, none after the last; columns whose every cell is a number stand right. Cells are shown as Printable().
class Table {
 public:
  explicit Table(std::vector<std::string> headers) : rows_{std::move(headers)} {}
  void Add(const std::vector<std::string>& cells);  // as many as headers
  std::string Text() const;

 private:
  std::vector<std::vector<std::string>> rows_;
};

std::string HumanBytes(std::uint64_t bytes);  // "0 B", "1.5 KB", "2.0 GB": powers of 1000
std::string WithCommas(std::uint64_t number);  // "1,234,567"

}  // namespace cordwood::client
