// SPDX-License-Identifier: Apache-2.0
// Column widths and readable numbers.
#include "client/cli/table.h"

#include <algorithm>
#include <cctype>
#include <cstdio>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"

namespace cordwood::client {
namespace {

bool IsNumber(const std::string& cell) {
  return !cell.empty() && std::all_of(cell.begin(), cell.end(), [](unsigned char c) { return std::isdigit(c) || c == ',' || c == '-'; });
}

// Of UTF-8: what a terminal shows in one column, for most scripts.
std::size_t Characters(const std::string& cell) {
  return static_cast<std::size_t>(std::count_if(cell.begin(), cell.end(), [](unsigned char c) { return (c & 0xC0) != 0x80; }));
}

}  // namespace

std::string Printable(std::string_view text) {
  std::string printable;
  for (std::size_t i = 0; i < text.size(); ++i) {
    const bool pair = text[i] == '\xC2' && i + 1 < text.size() && static_cast<unsigned char>(text[i + 1]) < 0xA0;  // U+0080 to U+009F in UTF-8
    const bool control = pair || absl::ascii_iscntrl(static_cast<unsigned char>(text[i]));
    for (const char c : text.substr(i, pair ? 2 : 1)) {
      if (control) {
        absl::StrAppendFormat(&printable, "\\x%02x", static_cast<unsigned char>(c));
      } else {
        printable += c;
      }
    }
    i += pair;
  }
  return printable;
}

void Table::Add(const std::vector<std::string>& cells) {
  std::vector<std::string>& row = rows_.emplace_back();
  for (const std::string& cell : cells) row.push_back(Printable(cell));
}

std::string Table::Text() const {
  const std::size_t columns = rows_.front().size();
  std::vector<std::size_t> width(columns, 0);
  std::vector<bool> numeric(columns, rows_.size() > 1);
  for (std::size_t r = 0; r < rows_.size(); ++r) {
    for (std::size_t c = 0; c < columns; ++c) {
      width[c] = std::max(width[c], Characters(rows_[r][c]));
      if (r > 0 && !IsNumber(rows_[r][c])) numeric[c] = false;
    }
  }
  std::string text;
  for (const auto& row : rows_) {
    for (std::size_t c = 0; c < columns; ++c) {
      const std::string space(width[c] - Characters(row[c]), ' ');
      if (numeric[c]) text += space;
      text += row[c];
      if (c + 1 < columns) text += (numeric[c] ? "" : space) + "  ";
    }
    text += '\n';
  }
  return text;
}

std::string HumanBytes(std::uint64_t bytes) {
  static constexpr const char* kUnits[] = {"B", "KB", "MB", "GB", "TB", "PB", "EB"};
  if (bytes < 1000) return std::to_string(bytes) + " B";
  double value = static_cast<double>(bytes);
  std::size_t unit = 0;
  for (; value >= 999.95 && unit + 1 < std::size(kUnits); ++unit) value /= 1000;
  char text[32];
  std::snprintf(text, sizeof text, "%.1f %s", value, kUnits[unit]);
  return text;
}

std::string WithCommas(std::uint64_t number) {
  std::string text = std::to_string(number);
  for (std::size_t at = text.size(); at > 3;) {
    at -= 3;
    text.insert(at, ",");
  }
  return text;
}

}  // namespace cordwood::client
