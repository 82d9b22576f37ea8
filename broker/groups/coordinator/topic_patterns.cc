// SPDX-License-Identifier: Apache-2.0
#include "broker/groups/coordinator/topic_patterns.h"

#include <re2/re2.h>

#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace cordwood::broker {
namespace {

constexpr absl::Duration kTurnOfOne = absl::Milliseconds(1);

bool MayMatch(const std::string& name) { return !absl::StartsWith(name, "__"); }

Status Invalid(const std::string& why) { return Error(Reason::kInvalidRegularExpression, absl::StrCat("the pattern: ", why)); }

// What takes RE2's parser long for its few bytes, before it looks at how much memory it may use.
std::size_t CostlyParts(const std::string& pattern) {
  std::size_t parts = 0;
  for (std::size_t i = 0; i < pattern.size(); ++i) {
    if (pattern[i] == '{') ++parts;
    if (pattern[i] != '\\' || ++i == pattern.size() || !absl::StrContains("pPx", pattern[i])) continue;
    ++parts;
    if (i + 1 < pattern.size() && pattern[i + 1] == '{') ++i;
  }
  return parts;
}

}  // namespace

TopicPatterns::TopicPatterns(Clock& clock) : clock_(clock), topics_(std::make_shared<TopicView>()) {}
TopicPatterns::~TopicPatterns() = default;

StatusOr<PatternMatches> TopicPatterns::Match(const std::string& pattern) {
  if (pattern.size() > kPatternBytesMax) return Invalid(absl::StrCat(pattern.size(), " bytes, at most ", kPatternBytesMax));
  if (const auto refused = refused_.find(pattern); refused != refused_.end()) return refused->second;
  auto known = known_.find(pattern);
  if (known == known_.end()) {
    if (known_.size() >= kPatternsMax) return Error(Reason::kLimitExceeded, absl::StrCat("there are ", kPatternsMax, " different patterns of topics already"));
    Add(pattern);
    if (HasBudget()) WorkOn(pattern, kSliceMax);
    if (const auto refused = refused_.find(pattern); refused != refused_.end()) return refused->second;
    known = known_.find(pattern);
  }
  if (known->second.matched) return known->second.matches;
  return Error(Reason::kCoordinatorLoadInProgress, "the pattern is being matched against the topics; try again");
}

bool TopicPatterns::Resolve(const std::set<std::string>& patterns) {
  for (const std::string& pattern : patterns) {
    if (!refused_.contains(pattern)) Add(pattern).may_be_refused = false;
  }
  changed_ |= Work();
  return std::none_of(patterns.begin(), patterns.end(), [&](const std::string& pattern) { return unfinished_.contains(pattern); });
}

PatternTopics TopicPatterns::MatchAll(const std::set<std::string>& patterns) const {
  PatternTopics all;
  for (const std::string& pattern : patterns) {
    if (const auto known = known_.find(pattern); known != known_.end()) all[pattern] = known->second.matches;
  }
  return all;
}

void TopicPatterns::SetTopics(std::shared_ptr<const TopicView> topics) {
  auto missing = [](const TopicView& from, const TopicView& in) {
    std::vector<std::string> names;
    for (const auto& [name, topic] : from.by_name) {
      if (MayMatch(name) && !in.by_name.contains(name)) names.push_back(name);
    }
    return names;
  };
  const auto added = std::make_shared<const std::vector<std::string>>(missing(*topics, *topics_));
  const std::vector<std::string> gone = missing(*topics_, *topics);
  topics_ = std::move(topics);
  if (added->empty() && gone.empty()) return;
  all_ = nullptr;
  refused_.clear();
  for (auto& [pattern, known] : known_) {
    const auto has = [&matches = *known.matches](const std::string& name) { return std::binary_search(matches.begin(), matches.end(), name); };
    known.shrunk |= !known.matched || (unfinished_.contains(pattern) && !gone.empty()) || std::any_of(gone.begin(), gone.end(), has);
    if (!added->empty()) known.todo.push_back(added);
    if (known.shrunk || !added->empty()) unfinished_.insert(pattern);
  }
}

bool TopicPatterns::Work() {
  while (!unfinished_.empty() && HasBudget()) {
    auto next = unfinished_.upper_bound(last_worked_on_);
    if (next == unfinished_.end()) next = unfinished_.begin();
    last_worked_on_ = *next;
    WorkOn(last_worked_on_, kTurnOfOne);
  }
  return std::exchange(changed_, false);
}

void TopicPatterns::Keep(const std::set<std::string>& patterns) {
  std::erase_if(known_, [&](const auto& known) { return !patterns.contains(known.first); });
  std::erase_if(unfinished_, [&](const std::string& pattern) { return !patterns.contains(pattern); });
}

TopicPatterns::Known& TopicPatterns::Add(const std::string& pattern) {
  const auto [known, is_new] = known_.try_emplace(pattern);
  if (!is_new) return known->second;
  if (all_ == nullptr) {
    auto names = std::make_shared<std::vector<std::string>>();
    for (const auto& [name, topic] : topics_->by_name) {
      if (MayMatch(name)) names->push_back(name);
    }
    all_ = std::move(names);
  }
  if (!all_->empty()) known->second.todo.push_back(all_);
  unfinished_.insert(pattern);
  return known->second;
}

bool TopicPatterns::HasBudget() {
  looked_ = clock_.Monotonic();
  if (looked_ >= next_slice()) {
    window_from_ = looked_;
    spent_ = absl::ZeroDuration();
  }
  return spent_ < kSliceMax;
}

// Just after HasBudget(): until it is matched or refused, or has had its time.
void TopicPatterns::WorkOn(const std::string& pattern, absl::Duration at_most) {
  Known& known = known_.at(pattern);
  const absl::Duration until = looked_ + at_most;
  while (true) {
    const Status sound = WorkOnce(pattern, known);
    const absl::Duration now = clock_.Monotonic();
    spent_ += now - looked_;
    known.spent += now - looked_;
    looked_ = now;
    if (!sound.ok()) return Refuse(pattern, sound);
    if (known.todo.empty()) {
      Publish(known);
      unfinished_.erase(pattern);
      return;
    }
    if (known.may_be_refused && known.spent > kPatience) return Refuse(pattern, Invalid("it takes too long to match"));
    if (spent_ >= kSliceMax || now >= until) return;
  }
}

// One compilation, or one name.
Status TopicPatterns::WorkOnce(const std::string& pattern, Known& known) {
  if (known.program == nullptr) return Compile(pattern, known);
  if (known.todo.empty()) return absl::OkStatus();
  const std::string& name = (*known.todo.front())[known.next];
  if (RE2::FullMatch(name, *known.program)) known.found.push_back(name);
  if (++known.next == known.todo.front()->size()) {
    known.next = 0;
    known.todo.pop_front();
  }
  return absl::OkStatus();
}

Status TopicPatterns::Compile(const std::string& pattern, Known& known) {
  if (CostlyParts(pattern) > kCostlyMax) {
    return Invalid(absl::StrCat("at most ", kCostlyMax, " Unicode classes, code points by number and counted repetitions together"));
  }
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMemoryMax);
  ++compilations_;
  known.program = std::make_unique<RE2>(pattern, options);
  return known.program->ok() ? absl::OkStatus() : Invalid(known.program->error());
}

void TopicPatterns::Publish(Known& known) {
  if (known.matched && !known.found.empty()) changed_ = true;
  if (!known.found.empty() || known.shrunk) {
    std::vector<std::string> matches = *known.matches;
    const auto middle = static_cast<std::ptrdiff_t>(matches.size());
    if (!std::is_sorted(known.found.begin(), known.found.end())) std::sort(known.found.begin(), known.found.end());
    matches.insert(matches.end(), std::make_move_iterator(known.found.begin()), std::make_move_iterator(known.found.end()));
    std::inplace_merge(matches.begin(), matches.begin() + middle, matches.end());
    matches.erase(std::unique(matches.begin(), matches.end()), matches.end());
    if (known.shrunk) std::erase_if(matches, [&](const std::string& name) { return !topics_->by_name.contains(name); });
    known.matches = std::make_shared<const std::vector<std::string>>(std::move(matches));
  }
  known.found.clear();
  known.matched = true;
  known.shrunk = known.may_be_refused = false;
  known.spent = absl::ZeroDuration();
}

void TopicPatterns::Refuse(const std::string& pattern, const Status& why) {
  if (refused_.size() >= kRefusalsMax) refused_.clear();
  refused_.insert_or_assign(pattern, why);
  unfinished_.erase(pattern);
  known_.erase(pattern);
}

}  // namespace cordwood::broker
