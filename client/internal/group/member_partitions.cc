// SPDX-License-Identifier: Apache-2.0
// What a member has: targets taken in, partitions given up once their commits are answered, positions after a reset.
#include <algorithm>
#include <set>
#include <utility>

#include "client/internal/group/member_core.h"

namespace cordwood::client {
namespace {

bool Parse(const std::string& topic_id, std::int32_t partition, GroupPartition* at) {
  at->partition = PartitionIndex(partition);
  return partition >= 0 && Uuid::FromBytes(topic_id, &at->topic);
}

constexpr std::int64_t kClockMsMax = 1'000'000'000'000'000;  // far beyond any time, and room to count from

Status BadPartition() { return Error(Reason::kMalformedRequest, "the coordinator names no partition"); }

}  // namespace

void MemberCore::Place(Held* held, const v1::AssignedPartition& assigned) {
  held->place.topic = assigned.topic();
  held->place.offset = assigned.has_offset() ? std::optional(Offset(assigned.offset())) : std::nullopt;
  held->place.leader_epoch = assigned.has_leader_epoch() ? std::max(LeaderEpoch(assigned.leader_epoch()), kNoLeaderEpoch) : kNoLeaderEpoch;
  held->place.position_epoch = assigned.position_epoch();
  held->place.end = assigned.has_end() ? std::optional(Offset(assigned.end())) : std::nullopt;
}

Status MemberCore::TakeTarget(const v1::Target& target, absl::Duration now) {
  if (phase_ == Phase::kParking || target.member_epoch() < epoch_ || !welcomed_) return absl::OkStatus();
  std::set<GroupPartition> present;
  std::vector<std::pair<GroupPartition, const v1::AssignedPartition*>> given;
  std::vector<GroupPartition> revoked;
  GroupPartition at;
  for (const auto& assigned : target.assigned()) {
    if (!Parse(assigned.topic_id(), assigned.partition(), &at)) return BadPartition();
    given.emplace_back(at, &assigned);
    present.insert(at);
  }
  for (const auto& topic : target.revoke().topics()) {
    for (const std::int32_t partition : topic.partitions()) {
      if (!Parse(topic.topic_id(), partition, &at)) return BadPartition();
      revoked.push_back(at);
      present.insert(at);
    }
  }
  if (present.size() != given.size() + revoked.size()) return Error(Reason::kMalformedRequest, "the coordinator names a partition twice");
  epoch_ = target.member_epoch();
  if (!target.reason().empty()) reason_ = target.reason();
  // What is in neither is gone, as with its topic.
  for (auto held = held_.begin(); held != held_.end();) {
    const auto next = held++;
    if (!present.contains(next->first)) Lose(next);
  }
  for (const GroupPartition& partition : revoked) {
    if (const auto held = held_.find(partition); held != held_.end()) Revoke(held);
  }
  for (const auto& [partition, assigned] : given) Give(partition, *assigned);
  heartbeat_due_ = owned_changed_ = true;  // the answer, under this epoch
  if (target.has_replay()) {
    TakeReplay(target.replay(), now);
  } else if (replay_.has_value()) {
    replay_.reset();
    replay_changed_ = true;
  }
  return absl::OkStatus();
}

void MemberCore::TakeReplay(const v1::Replay& replay, absl::Duration now) {
  using State = MemberReplay::State;
  MemberReplay told;
  if (replay.state() == v1::REPLAY_PAUSED) told.state = State::kPaused;
  if (replay.state() == v1::REPLAY_CANCELLED) told.state = State::kCancelled;
  if (replay.state() == v1::REPLAY_DONE) told.state = State::kDone;
  told.bytes_per_second = std::max<std::int64_t>(replay.bytes_per_second(), 0);
  if (replay.has_clock_ms()) told.clock_ms = std::clamp<std::int64_t>(replay.clock_ms(), 0, kClockMsMax);
  told.told = now;
  replay_ = told;
  replay_changed_ = true;
}

void MemberCore::Give(const GroupPartition& at, const v1::AssignedPartition& assigned) {
  const auto [found, is_new] = held_.try_emplace(at);
  Held& held = found->second;
  if (is_new) {
    held.place.at = at;
    held.place.tenure = ++last_tenure_;
    return Place(&held, assigned);
  }
  if (held.state == State::kRevoking) held.state = State::kTaken;  // the application never knew
  if (held.state == State::kGivingUp || held.state == State::kDraining) held.back = true;
  if (assigned.position_epoch() > held.place.position_epoch) {
    Place(&held, assigned);
    held.committed.reset();
    held.moved = held.state != State::kNew;
  } else if (assigned.position_epoch() == held.place.position_epoch && !held.committed.has_value() && held.state == State::kNew) {
    Place(&held, assigned);
  }
}

void MemberCore::Revoke(HeldMap::iterator held) {
  switch (held->second.state) {
    case State::kNew: return Release(held);  // nothing to give up
    case State::kTaken: held->second.state = State::kRevoking; return;
    case State::kRevoking: return;
    case State::kGivingUp:
    case State::kDraining: held->second.back = false; return;
  }
}

// The application has it and may not: unlike Release(), it is told.
void MemberCore::Lose(HeldMap::iterator held) {
  const State state = held->second.state;
  if (state == State::kTaken || state == State::kRevoking) lost_.push_back(held->second.place);
  confirm_.erase(held->first);
  progress_.erase(held->first);
  held_.erase(held);
}

void MemberCore::Release(HeldMap::iterator held) {
  confirm_.erase(held->first);
  progress_.erase(held->first);
  heartbeat_due_ = owned_changed_ = true;
  if (!held->second.back) {
    held_.erase(held);
    return;
  }
  // It is ours again, from where we committed last: the target was made before that.
  Held again;
  again.place = held->second.place;
  again.place.tenure = ++last_tenure_;
  if (held->second.committed.has_value()) {
    again.place.offset = held->second.committed;
    again.place.leader_epoch = kNoLeaderEpoch;
  }
  again.committed = held->second.committed;
  held->second = std::move(again);
}

bool MemberCore::has_changes() const {
  if (!lost_.empty() || replay_changed_) return true;
  return std::any_of(held_.begin(), held_.end(), [](const auto& entry) {
    const Held& held = entry.second;
    return held.state == State::kNew || held.state == State::kRevoking || (held.moved && held.state == State::kTaken);
  });
}

MemberChanges MemberCore::TakeChanges() {
  MemberChanges changes;
  changes.lost = std::exchange(lost_, {});
  for (auto& [at, held] : held_) {
    if (held.state == State::kRevoking) {
      held.state = State::kGivingUp;
      changes.revoked.push_back(held.place);
    } else if (held.state == State::kNew) {
      held.state = State::kTaken;
      held.moved = false;
      if (held.place.position_epoch > 0) confirm_[at] = held.place.position_epoch;
      changes.assigned.push_back(held.place);
    } else if (held.state == State::kTaken && std::exchange(held.moved, false)) {
      changes.moved.push_back(held.place);
    }
  }
  return changes;
}

void MemberCore::GaveUp(const std::vector<MemberPlace>& revoked) {
  for (const MemberPlace& place : revoked) {
    const auto held = held_.find(place.at);
    if (held != held_.end() && held->second.place.tenure == place.tenure && held->second.state == State::kGivingUp) held->second.state = State::kDraining;
  }
  ReleaseDrained();
}

void MemberCore::ReleaseDrained() {
  const auto drains = [](const auto& entry) { return entry.second.state == State::kDraining; };
  if (std::none_of(held_.begin(), held_.end(), drains)) return;
  const std::set<Tenure> busy = WithCommits();
  for (auto held = held_.begin(); held != held_.end();) {
    const auto now = held++;
    if (drains(*now) && !busy.contains(now->second.place.tenure)) Release(now);
  }
}

void MemberCore::Taken(const std::vector<MemberPlace>& moved) {
  for (const MemberPlace& place : moved) {
    if (Live(place.at, place.tenure) != nullptr) confirm_[place.at] = place.position_epoch;
  }
}

// Owners alone are told of positions; they belong to what we have, whatever its epoch.
Status MemberCore::TakePositions(const v1::Positions& positions) {
  if (!positions.reason().empty()) reason_ = positions.reason();
  for (const auto& position : positions.positions()) {
    GroupPartition at;
    if (!Parse(position.topic_id(), position.partition(), &at)) return BadPartition();
    const auto found = held_.find(at);
    if (found == held_.end() || position.position_epoch() <= found->second.place.position_epoch) continue;
    Held& held = found->second;
    Place(&held, position);
    held.committed.reset();
    held.moved = held.state != State::kNew;
  }
  return absl::OkStatus();
}

MemberCore::Held* MemberCore::Live(const GroupPartition& at, Tenure tenure) {
  const auto held = held_.find(at);
  return held == held_.end() || held->second.place.tenure != tenure ? nullptr : &held->second;
}

Status MemberCore::Invariants() const {
  const auto broken = [](const char* rule) { return absl::InternalError(std::string("not ") + rule); };
  std::set<Tenure> tenures;
  for (const auto& [at, held] : held_) {
    if (held.place.at != at || held.place.tenure == 0 || held.place.tenure > last_tenure_) return broken("a tenure for each partition");
    if (!tenures.insert(held.place.tenure).second) return broken("one partition for each tenure");
    if (held.back && held.state != State::kGivingUp && held.state != State::kDraining) return broken("back while it is given up");
  }
  if (epoch_ == 0 && !held_.empty()) return broken("without partitions before the first epoch");
  if (!failure_.ok() && (phase_ != Phase::kFailed || !held_.empty() || !commits_.empty())) return broken("nothing after a refusal");
  if ((phase_ == Phase::kParked || phase_ == Phase::kParking || phase_ == Phase::kLeft) && !held_.empty()) return broken("nothing without membership");
  if (welcomed_ && !joined_) return broken("welcome after a join");
  bool unsent = false;
  for (const PendingCommit& commit : commits_) {
    if (commit.sent && (unsent || !open_)) return broken("commits in order");
    unsent = unsent || !commit.sent;
    if (commit.asked.empty()) return broken("an answer for what nobody is asked");
  }
  if (commits_.size() > kCommitsPendingMax) return broken("a bounded number of commits");
  return absl::OkStatus();
}

}  // namespace cordwood::client
