// SPDX-License-Identifier: Apache-2.0
// Which topics the patterns of subscriptions match: compiled once, matched once against each name.
#pragma once

#include <cstddef>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "broker/groups/group_events.h"
#include "storage/base/clock.h"

namespace re2 {
class RE2;
}

namespace cordwood::broker {

// RE2, so that matching is linear in the name whatever the pattern; its program and its automata are bounded by kMemoryMax. A pattern that takes longer than kPatience
// over all topics is refused, too. Whole names match; internal topics ("__...") never do.
// Threading: of the driver's thread.
class TopicPatterns {
 public:
  static constexpr std::size_t kPatternsMax = 1'000;  // different ones at a time
  static constexpr std::size_t kMemoryMax = 256 * 1024;
  static constexpr absl::Duration kPatience = absl::Milliseconds(200);

  explicit TopicPatterns(Clock& clock);
  ~TopicPatterns();

  // Ascending names. INVALID_REGULAR_EXPRESSION, with what is wrong; LIMIT_EXCEEDED beyond kPatternsMax.
  StatusOr<std::vector<std::string>> Match(const std::string& pattern);
  // What they match now; those that Match() refuses match nothing.
  PatternTopics MatchAll(const std::set<std::string>& patterns);
  // From here on these topics are there.
  void SetTopics(std::shared_ptr<const TopicView> topics);
  // Forgets the others.
  void Keep(const std::set<std::string>& patterns);
  std::size_t size() const { return compiled_.size(); }

 private:
  struct Compiled {
    std::unique_ptr<re2::RE2> program;
    std::vector<std::string> matches;
  };

  Clock& clock_;
  std::shared_ptr<const TopicView> topics_;
  std::map<std::string, Compiled> compiled_;
};

}  // namespace cordwood::broker
