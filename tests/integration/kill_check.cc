// SPDX-License-Identifier: Apache-2.0
// Each producer numbers its records of a partition 0, 1, 2, …: any gap, repetition or step back shows.
#include "tests/integration/kill_check.h"

namespace cordwood::testing {
namespace {

using OffsetsByCounter = std::map<std::int64_t, std::int64_t>;

void CheckLane(const KillProducer::Lane& lane, const OffsetsByCounter& at, bool exact, KillCounts* counts) {
  const std::int64_t owed = exact ? lane.made : lane.acknowledged;
  for (std::int64_t counter = 0; counter < owed; ++counter) counts->lost += !at.contains(counter);
  for (const auto& [counter, offset] : lane.offsets) {
    const auto found = at.find(counter);
    counts->lost += found != at.end() && found->second != offset;  // acknowledged at another place than it is
  }
  if (!at.empty() && at.rbegin()->first >= lane.made) ++counts->doubled;  // more than was ever sent
}

}  // namespace

KillCounts CheckPartition(const std::vector<v1::Record>& records, const Promises& promises, bool exact) {
  KillCounts counts;
  std::map<std::string, std::int64_t> next;    // by producer, the counter that must come
  std::map<std::string, OffsetsByCounter> at;
  std::int64_t offset = 0;
  for (const v1::Record& record : records) {
    counts.lost += record.offset() != offset++;  // offsets have no gaps
    const ValueName value = ParseValue(record.value());
    std::int64_t& expected = next[value.name];
    if (!promises.contains(value.name) || !at[value.name].emplace(value.counter, record.offset()).second) {
      ++counts.doubled;
    } else if (value.counter != expected) {
      ++counts.reordered;
    }
    expected = value.counter + 1;
    ++counts.found;
  }
  for (const auto& [name, lane] : promises) CheckLane(lane, at[name], exact, &counts);
  return counts;
}

}  // namespace cordwood::testing
