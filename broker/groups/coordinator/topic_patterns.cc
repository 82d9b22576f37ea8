// SPDX-License-Identifier: Apache-2.0
#include "broker/groups/coordinator/topic_patterns.h"

#include <re2/re2.h>

#include <algorithm>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace cordwood::broker {
namespace {

constexpr std::size_t kNamesPerLook = 64;  // at the clock

bool MayMatch(const std::string& name) { return !absl::StartsWith(name, "__"); }

Status Invalid(const std::string& why) { return Error(Reason::kInvalidRegularExpression, absl::StrCat("the pattern: ", why)); }

}  // namespace

TopicPatterns::TopicPatterns(Clock& clock) : clock_(clock), topics_(std::make_shared<TopicView>()) {}
TopicPatterns::~TopicPatterns() = default;

StatusOr<std::vector<std::string>> TopicPatterns::Match(const std::string& pattern) {
  if (const auto known = compiled_.find(pattern); known != compiled_.end()) return known->second.matches;
  if (pattern.size() > kPatternBytesMax) return Invalid(absl::StrCat(pattern.size(), " bytes, at most ", kPatternBytesMax));
  if (compiled_.size() >= kPatternsMax) return Error(Reason::kLimitExceeded, absl::StrCat("there are ", kPatternsMax, " different patterns of topics already"));
  RE2::Options options;
  options.set_log_errors(false);
  options.set_max_mem(kMemoryMax);
  Compiled compiled;
  compiled.program = std::make_unique<RE2>(pattern, options);
  if (!compiled.program->ok()) return Invalid(compiled.program->error());
  const absl::Duration give_up = clock_.Monotonic() + kPatience;
  std::size_t looked_at = 0;
  for (const auto& [name, topic] : topics_->by_name) {
    if (MayMatch(name) && RE2::FullMatch(name, *compiled.program)) compiled.matches.push_back(name);
    if (++looked_at % kNamesPerLook == 0 && clock_.Monotonic() > give_up) return Invalid("it takes too long to match");
  }
  return compiled_.emplace(pattern, std::move(compiled)).first->second.matches;
}

PatternTopics TopicPatterns::MatchAll(const std::set<std::string>& patterns) {
  PatternTopics all;
  for (const std::string& pattern : patterns) {
    if (StatusOr<std::vector<std::string>> matches = Match(pattern); matches.ok()) all[pattern] = *std::move(matches);
  }
  return all;
}

void TopicPatterns::SetTopics(std::shared_ptr<const TopicView> topics) {
  std::vector<std::string> added;
  for (const auto& [name, topic] : topics->by_name) {
    if (MayMatch(name) && !topics_->by_name.contains(name)) added.push_back(name);
  }
  for (auto& [pattern, compiled] : compiled_) {
    std::erase_if(compiled.matches, [&](const std::string& name) { return !topics->by_name.contains(name); });
    for (const std::string& name : added) {
      if (RE2::FullMatch(name, *compiled.program)) compiled.matches.push_back(name);
    }
    std::sort(compiled.matches.begin(), compiled.matches.end());
  }
  topics_ = std::move(topics);
}

void TopicPatterns::Keep(const std::set<std::string>& patterns) {
  std::erase_if(compiled_, [&](const auto& compiled) { return !patterns.contains(compiled.first); });
}

}  // namespace cordwood::broker
