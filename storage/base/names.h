// SPDX-License-Identifier: Apache-2.0
// Names that people write: what may be a topic's, what protobuf takes for text, and "did you mean …?".
#pragma once

#include <cstddef>
#include <optional>
#include <string>
#include <string_view>

#include "storage/base/reason.h"

namespace cordwood {

inline constexpr std::size_t kTopicNameMax = 249;
// INVALID_TOPIC_EXCEPTION unless 1 to 249 of [a-zA-Z0-9._-], and not "." or "..". Brokers and clients say it in the same words.
Status CheckTopicName(std::string_view name);
// For messages: no more of a name than could be right.
inline std::string NameToShow(std::string_view name) { return std::string(name.substr(0, kTopicNameMax)); }
bool IsUtf8(std::string_view bytes);

// Inserted, deleted, changed bytes and swapped neighbours that lead from `a` to `b`; anything over `max` is given as max + 1.
std::size_t EditDistance(std::string_view a, std::string_view b, std::size_t max);

// How far a suggestion may be from what was written: 2, but never more than half of it, so that "a" does not suggest "b".
constexpr std::size_t NearestNameDistanceMax(std::string_view wanted) { return wanted.size() / 2 < 2 ? wanted.size() / 2 : 2; }

// The closest of `candidates` (a range of anything that converts to std::string_view), of equally close ones the first in
// alphabetical order; nullopt if none is near.
template <class Range>
std::optional<std::string> NearestName(std::string_view wanted, const Range& candidates) {
  std::optional<std::string> nearest;
  std::size_t nearest_distance = NearestNameDistanceMax(wanted);
  for (const auto& candidate : candidates) {
    const std::string_view name(candidate);
    const std::size_t distance = EditDistance(wanted, name, nearest_distance);
    if (distance > nearest_distance) continue;
    if (nearest.has_value() && distance == nearest_distance && name >= *nearest) continue;
    nearest = std::string(name);
    nearest_distance = distance;
  }
  return nearest;
}

}  // namespace cordwood
