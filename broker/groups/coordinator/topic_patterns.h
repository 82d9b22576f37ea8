// SPDX-License-Identifier: Apache-2.0
// Which topics the patterns of subscriptions match: compiled once, matched once against each name, a slice at a time.
#pragma once

#include <cstddef>
#include <deque>
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

// RE2, so that matching is linear in the name whatever the pattern; its program and its automata are bounded by kMemoryMax, its compilation (a few milliseconds at
// most) by that and kCostlyMax. All patterns together take kSliceMax in each kWindow; what is not done by then waits for the next. Whole names match; internal topics
// ("__...") never do.
// Threading: of the driver's thread.
class TopicPatterns {
 public:
  static constexpr std::size_t kPatternsMax = 1'000;  // different ones at a time
  static constexpr std::size_t kRefusalsMax = 1'000;  // remembered
  static constexpr std::size_t kMemoryMax = 256 * 1024;
  static constexpr std::size_t kCostlyMax = 64;  // Unicode classes, code points by number, and counted repetitions: "\p", "\P", "\x", "{"
  static constexpr absl::Duration kPatience = absl::Milliseconds(200);
  static constexpr absl::Duration kSliceMax = absl::Milliseconds(10);
  static constexpr absl::Duration kWindow = absl::Milliseconds(30);

  explicit TopicPatterns(Clock& clock);
  ~TopicPatterns();

  // Ascending names. INVALID_REGULAR_EXPRESSION, with what is wrong, also if it took more than kPatience over all topics: remembered until topics come or go.
  // COORDINATOR_LOAD_IN_PROGRESS: it is not matched yet; ask again. LIMIT_EXCEEDED beyond kPatternsMax.
  StatusOr<PatternMatches> Match(const std::string& pattern);
  // Of members there are already: neither too many nor too slow. True: what they match is known.
  bool Resolve(const std::set<std::string>& patterns);
  // What they match, as far as it is known, shared with all who ask until it is different; those that are refused match nothing.
  PatternTopics MatchAll(const std::set<std::string>& patterns) const;
  // From here on these topics are there.
  void SetTopics(std::shared_ptr<const TopicView> topics);
  // Goes on with what is unfinished. True: MatchAll() says more than before.
  bool Work();
  bool unfinished() const { return !unfinished_.empty(); }
  absl::Duration next_slice() const { return window_from_ + kWindow; }
  // Forgets the others.
  void Keep(const std::set<std::string>& patterns);
  std::size_t size() const { return known_.size(); }
  std::size_t compilations() const { return compilations_; }

 private:
  using Names = std::shared_ptr<const std::vector<std::string>>;
  struct Known {
    std::unique_ptr<re2::RE2> program;  // nullptr: to be compiled
    bool may_be_refused = true;         // for the time it takes
    bool matched = false;               // against all topics that there were when it came
    bool shrunk = false;                // some of its topics may be gone
    PatternMatches matches = std::make_shared<const std::vector<std::string>>();
    std::deque<Names> todo;             // to be matched
    std::size_t next = 0;               // in todo.front()
    std::vector<std::string> found;     // so far
    absl::Duration spent;
  };

  Known& Add(const std::string& pattern);
  bool HasBudget();
  void WorkOn(const std::string& pattern, absl::Duration at_most);
  Status WorkOnce(const std::string& pattern, Known& known);
  Status Compile(const std::string& pattern, Known& known);
  void Publish(Known& known);
  void Refuse(const std::string& pattern, const Status& why);

  Clock& clock_;
  std::shared_ptr<const TopicView> topics_;
  Names all_;  // of topics_; nullptr: not needed so far
  std::map<std::string, Known> known_;
  std::map<std::string, Status> refused_;
  std::set<std::string> unfinished_;  // of known_
  std::string last_worked_on_;        // they take turns
  absl::Duration window_from_ = -absl::InfiniteDuration();
  absl::Duration spent_;              // of the window
  absl::Duration looked_;             // at the clock
  bool changed_ = false;              // MatchAll() says more than at the last Work()
  std::size_t compilations_ = 0;
};

}  // namespace cordwood::broker
