// SPDX-License-Identifier: Apache-2.0
// Silence, partitions not given up in time, and the offsets of dead groups. Each timer is armed at its first deadline and looked at again when it fires.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "broker/groups/group_core.h"

namespace cordwood::broker {

void GroupCore::On(const GroupTimerFired& event) {
  if (event.kind == GroupTimerKind::kExpiry) return FireExpiry();
  if (state_.Find(event.member) == nullptr) return;
  if (event.kind == GroupTimerKind::kSession) return FireSession(event.member);
  FireRevocation(event.member);
}

void GroupCore::ArmSession(const std::string& member) {
  actions_.timers.push_back({GroupTimerKind::kSession, member, sessions_.at(member).deadline_ms});
}

void GroupCore::FireSession(const std::string& member) {
  if (sessions_.at(member).deadline_ms > now_.monotonic_ms) return ArmSession(member);
  if (sessions_.at(member).left) {
    return Remove(member, absl::OkStatus(), absl::StrCat("member ", NameOf(member), " left, and was not back within ", options_.session_timeout_ms, " ms"));
  }
  const std::string change = absl::StrCat("member ", NameOf(member), " was silent for ", options_.session_timeout_ms, " ms");
  Remove(member, Refusal(Reason::kFencedMemberEpoch, change), change);
}

void GroupCore::ArmRevocation(const std::string& member) {
  Session& session = sessions_.at(member);
  std::optional<std::int64_t> first;
  for (const auto& [at, deadline_ms] : session.revocations) first = std::min(first.value_or(deadline_ms), deadline_ms);
  if (first == session.revocation_timer_ms) return;
  session.revocation_timer_ms = first;
  actions_.timers.push_back({GroupTimerKind::kRevocation, member, first});
}

std::int64_t GroupCore::RevocationDeadline(const GroupMember& member) const {
  return now_.monotonic_ms + std::min(member.rebalance_timeout_ms, kRebalanceTimeoutMsMax);
}

void GroupCore::FireRevocation(const std::string& member) {
  Session& session = sessions_.at(member);
  session.revocation_timer_ms.reset();
  const auto late = std::find_if(session.revocations.begin(), session.revocations.end(),
                                 [&](const auto& revocation) { return revocation.second <= now_.monotonic_ms; });
  if (late == session.revocations.end()) return ArmRevocation(member);
  const std::string change = absl::StrCat("member ", NameOf(member), " did not give up ", NameOf(late->first), " within ",
                                          state_.Find(member)->record.rebalance_timeout_ms, " ms");
  Remove(member, Refusal(Reason::kFencedMemberEpoch, change), change);
}

// When an offset of a group without members goes, by the wall clock; never: nullopt.
std::optional<std::int64_t> GroupCore::ExpiryOf(const CommittedOffset& offset) const {
  if (options_.offsets_retention_ms < 0) return std::nullopt;
  return std::max(offset.commit_ms, state_.header().empty_since_ms) + options_.offsets_retention_ms;
}

// Of a replay job only what it has read all of.
bool GroupCore::Expires() const { return state_.members().empty() && options_.offsets_retention_ms >= 0 && unfinished_.empty(); }

void GroupCore::ArmExpiry() {
  if (gone() || !Expires()) {
    if (expiry_timer_ms_.has_value()) actions_.timers.push_back({GroupTimerKind::kExpiry, {}, std::nullopt});
    expiry_timer_ms_.reset();
    return;
  }
  if (expiry_timer_ms_.has_value()) return;  // later commits only put it off, which is seen when it fires
  std::int64_t first_ms = state_.header().empty_since_ms + options_.offsets_retention_ms;
  if (!state_.offsets().empty()) {
    const bool together = state_.replay().has_value();
    first_ms = together ? INT64_MIN : INT64_MAX;
    for (const auto& [at, offset] : state_.offsets()) first_ms = together ? std::max(first_ms, *ExpiryOf(offset)) : std::min(first_ms, *ExpiryOf(offset));
  }
  expiry_timer_ms_ = now_.monotonic_ms + std::max<std::int64_t>(first_ms - now_.wall_ms, 1);
  actions_.timers.push_back({GroupTimerKind::kExpiry, {}, expiry_timer_ms_});
}

// With the last offset the memory of the group's epochs goes, too: its members are long gone. What a replay job has committed says that it is done, and goes with it.
void GroupCore::FireExpiry() {
  expiry_timer_ms_.reset();
  if (!Expires()) return;
  std::vector<TopicPartition> expired;
  for (const auto& [at, offset] : state_.offsets()) {
    if (*ExpiryOf(offset) <= now_.wall_ms) expired.push_back(at);
  }
  if (state_.replay().has_value() && expired.size() < state_.offsets().size()) return;
  for (const TopicPartition& at : expired) state_.EraseOffset(at);
  if (!state_.offsets().empty() || state_.header().empty_since_ms + options_.offsets_retention_ms > now_.wall_ms) return;
  state_.EraseReplay();
  state_.EraseHeader();
}

}  // namespace cordwood::broker
