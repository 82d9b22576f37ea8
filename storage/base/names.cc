// SPDX-License-Identifier: Apache-2.0
// Rules for names; the Damerau-Levenshtein distance (optimal string alignment), row by row, given up as soon as it is too far.
#include "storage/base/names.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace cordwood {
namespace {

// Bytes of the UTF-8 sequence at the front of `bytes`, 0 if there is none (overlong, surrogate, beyond U+10FFFF, cut).
std::size_t Utf8Length(std::string_view bytes) {
  const auto at = [&](std::size_t i) { return static_cast<unsigned char>(bytes[i]); };
  const auto continues = [&](std::size_t i) { return i < bytes.size() && (at(i) & 0xC0) == 0x80; };
  const unsigned char first = at(0);
  if (first < 0x80) return 1;
  if (first >= 0xC2 && first <= 0xDF) return continues(1) ? 2 : 0;
  if (first >= 0xE0 && first <= 0xEF) {
    if (!continues(1) || !continues(2)) return 0;
    if (first == 0xE0 && at(1) < 0xA0) return 0;
    if (first == 0xED && at(1) > 0x9F) return 0;
    return 3;
  }
  if (first >= 0xF0 && first <= 0xF4) {
    if (!continues(1) || !continues(2) || !continues(3)) return 0;
    if (first == 0xF0 && at(1) < 0x90) return 0;
    if (first == 0xF4 && at(1) > 0x8F) return 0;
    return 4;
  }
  return 0;
}

}  // namespace

Status CheckTopicName(std::string_view name) {
  const auto refuse = [&](std::string_view why) {
    return Error(Reason::kInvalidTopic, "topic name \"" + NameToShow(name) + "\" " + std::string(why));
  };
  if (name.empty()) return refuse("is empty");
  if (name.size() > kTopicNameMax) return refuse("is longer than 249 characters");
  if (name == "." || name == "..") return refuse("is not allowed");
  const auto legal = [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
  };
  if (!std::all_of(name.begin(), name.end(), legal)) return refuse("has characters other than letters, digits, '.', '_' and '-'");
  return absl::OkStatus();
}

bool IsUtf8(std::string_view bytes) {
  while (!bytes.empty()) {
    const std::size_t length = Utf8Length(bytes);
    if (length == 0) return false;
    bytes.remove_prefix(length);
  }
  return true;
}

std::size_t EditDistance(std::string_view a, std::string_view b, std::size_t max) {
  const std::size_t length_difference = a.size() > b.size() ? a.size() - b.size() : b.size() - a.size();
  if (length_difference > max) return max + 1;
  // Rows of the table for the prefixes of a of length i - 2, i - 1 and i.
  std::vector<std::size_t> before(b.size() + 1), above(b.size() + 1), row(b.size() + 1);
  std::iota(above.begin(), above.end(), std::size_t{0});
  for (std::size_t i = 1; i <= a.size(); ++i) {
    row[0] = i;
    for (std::size_t j = 1; j <= b.size(); ++j) {
      row[j] = std::min({above[j] + 1, row[j - 1] + 1, above[j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1)});
      const bool swapped = i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1];
      if (swapped) row[j] = std::min(row[j], before[j - 2] + 1);
    }
    // A swap reaches two rows back, so both must be hopeless.
    if (*std::min_element(row.begin(), row.end()) > max && *std::min_element(above.begin(), above.end()) > max) return max + 1;
    before.swap(above);
    above.swap(row);
  }
  return std::min(above[b.size()], max + 1);
}

}  // namespace cordwood
