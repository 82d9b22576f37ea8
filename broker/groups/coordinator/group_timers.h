// SPDX-License-Identifier: Apache-2.0
// What is due when: one deadline for each thing of a group that has one.
#pragma once

#include <compare>
#include <cstdint>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

namespace cordwood::broker {

enum class GroupDeadline : std::uint8_t { kSession, kRevocation, kExpiry, kTarget, kReset };  // the first three as GroupTimerKind

struct GroupTimerKey {
  std::string group;
  GroupDeadline kind = GroupDeadline::kSession;
  std::string member;           // of kSession and kRevocation
  std::uint64_t request = 0;    // of kReset

  friend auto operator<=>(const GroupTimerKey&, const GroupTimerKey&) = default;
};

// Bound: what the groups have to wait for, each once. Threading: of the driver's thread.
class GroupTimers {
 public:
  // Milliseconds, monotonic; nullopt: none any more. Replaces the last one of this key.
  void Set(const GroupTimerKey& key, std::optional<std::int64_t> deadline_ms) {
    const auto known = deadlines_.find(key);
    if (known != deadlines_.end()) {
      order_.erase({known->second, &known->first});
      if (!deadline_ms.has_value()) {
        deadlines_.erase(known);
        return;
      }
      known->second = *deadline_ms;
      order_.insert({*deadline_ms, &known->first});
      return;
    }
    if (!deadline_ms.has_value()) return;
    const auto added = deadlines_.emplace(key, *deadline_ms).first;
    order_.insert({*deadline_ms, &added->first});
  }
  void ForgetGroup(const std::string& group) {
    GroupTimerKey first;
    first.group = group;
    auto at = deadlines_.lower_bound(first);
    while (at != deadlines_.end() && at->first.group == group) {
      order_.erase({at->second, &at->first});
      at = deadlines_.erase(at);
    }
  }
  // One that is due, and no longer here.
  std::optional<GroupTimerKey> TakeDue(std::int64_t now_ms) {
    if (order_.empty() || order_.begin()->first > now_ms) return std::nullopt;
    GroupTimerKey key = *order_.begin()->second;
    order_.erase(order_.begin());
    deadlines_.erase(key);
    return key;
  }
  std::optional<std::int64_t> first_ms() const { return order_.empty() ? std::nullopt : std::optional(order_.begin()->first); }

 private:
  std::map<GroupTimerKey, std::int64_t> deadlines_;
  std::set<std::pair<std::int64_t, const GroupTimerKey*>> order_;  // keys of deadlines_
};

}  // namespace cordwood::broker
