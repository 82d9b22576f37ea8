// SPDX-License-Identifier: Apache-2.0
// The Damerau-Levenshtein distance (optimal string alignment), row by row, given up as soon as it is too far.
#include "storage/base/nearest_name.h"

#include <algorithm>
#include <numeric>
#include <vector>

namespace cordwood {

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
