// SPDX-License-Identifier: Apache-2.0
// Replay jobs: what may be read and committed of them, who is told which pace, and how they end.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/groups/group_core.h"

namespace cordwood::broker {

void GroupCore::On(const StartReplay& event) {
  ReplayDone done{event.request, CheckStart(event)};
  if (!done.status.ok()) return Say(std::move(done));
  std::vector<TopicPartition> before;
  for (const auto& [at, offset] : state_.offsets()) {
    if (event.job.RangeAt(at) == nullptr) before.push_back(at);
  }
  for (const TopicPartition& at : before) state_.EraseOffset(at);
  for (const auto& [at, range] : event.job.ranges) {
    CommittedOffset offset;
    if (const CommittedOffset* earlier = state_.OffsetAt(at)) offset.position_epoch = earlier->position_epoch + 1;
    offset.offset = range.from;
    offset.commit_ms = now_.wall_ms;
    offset.topic = topics_->names.at(at.topic);
    state_.SetOffset(at, std::move(offset));
  }
  GroupHeader header = state_.header();
  header.empty_since_ms = std::max<std::int64_t>(now_.wall_ms, 0);
  state_.SetHeader(header);
  ReplayJob job = event.job;
  job.created_ms = std::max<std::int64_t>(now_.wall_ms, 0);
  if (job.clock.has_value() && job.clock->first_ms < 0) job.clock->first_ms = job.created_ms;
  if (job.clock.has_value()) job.clock->first_ms = std::min(job.clock->first_ms, kWallMsMax);  // producers say what time it is
  state_.SetReplay(std::move(job));
  NoteReplays();
  Say(std::move(done));
}

// Nothing that anyone may miss is overwritten: a job takes the place of a finished one, or of nothing.
Status GroupCore::CheckStart(const StartReplay& start) const {
  if (start.job.source == state_.group()) return Refusal(Reason::kInvalidRequest, "a replay job needs a group of its own, beside the one it is made for");
  if (!state_.members().empty()) return Refusal(Reason::kNonEmptyGroup, absl::StrCat("has ", state_.members().size(), " members; a replay job needs a group of its own"));
  if (state_.replay().has_value() && !unfinished_.empty()) return Refusal(Reason::kInvalidRequest, "is a replay job that is not done; cancel it first");
  if (!state_.replay().has_value() && !state_.offsets().empty()) {
    return Refusal(Reason::kInvalidRequest, absl::StrCat("has committed offsets of ", state_.offsets().size(), " partitions; a replay job needs a group of its own"));
  }
  bool any = false;
  for (const auto& [at, range] : start.job.ranges) {
    if (!topics_->Has(at)) return Refusal(Reason::kUnknownTopicOrPartition, absl::StrCat(NameOf(at), ": there is no such partition"));
    any = any || range.to > range.from;
  }
  return any ? absl::OkStatus() : Refusal(Reason::kInvalidRequest, "no record lies in the range");
}

void GroupCore::On(const ChangeReplay& event) {
  ReplayDone done{event.request, absl::OkStatus()};
  if (!state_.replay().has_value()) {
    done.status = Refusal(Reason::kGroupIdNotFound, "is no replay job");
    return Say(std::move(done));
  }
  ReplayJob job = *state_.replay();
  static constexpr ReplayState kStates[] = {ReplayState::kPaused, ReplayState::kRunning, ReplayState::kCancelled};
  const ReplayState wanted = kStates[static_cast<std::size_t>(event.change)];
  if (job.state == wanted) return Say(std::move(done));
  if (job.state == ReplayState::kCancelled || unfinished_.empty()) {
    done.status = Refusal(Reason::kInvalidRequest, absl::StrCat("the replay job is ", std::string(ReplayStateName(job.state, unfinished_.empty())), " already"));
    return Say(std::move(done));
  }
  job.state = wanted;
  if (wanted != ReplayState::kRunning && job.clock.has_value() && job.clock->since_ms >= 0) {
    job.clock->elapsed_ms = job.clock->At(now_.wall_ms) - job.clock->first_ms;
    job.clock->since_ms = -1;
  }
  state_.SetReplay(std::move(job));
  replay_changed_ = true;
  if (wanted == ReplayState::kCancelled) {
    NoteReplays();
    if (!state_.members().empty()) Change("the replay job was cancelled");
  }
  Say(std::move(done));
}

// Commits and resets of a replay job.
Status GroupCore::CheckInRange(const TopicPartition& at, Offset offset) const {
  if (!state_.replay().has_value()) return absl::OkStatus();
  const ReplayRange* range = state_.replay()->RangeAt(at);
  if (range == nullptr) return Refusal(Reason::kInvalidRequest, absl::StrCat(NameOf(at), ": the replay job does not read it"));
  if (offset >= range->from && offset <= range->to) return absl::OkStatus();
  return Refusal(Reason::kOffsetOutOfRange, absl::StrCat(NameOf(at), ": offset ", offset.value(), " is outside the replay job, which goes from ", range->from.value(), " to ",
                                                         range->to.value()));
}

// What its members may have, by topic and ascending; empty for a cancelled job and for a group that is none.
std::map<TopicId, std::vector<PartitionIndex>> GroupCore::OfferedByReplay() const {
  std::map<TopicId, std::vector<PartitionIndex>> offered;
  if (!state_.replay().has_value() || state_.replay()->state == ReplayState::kCancelled) return offered;
  for (const auto& [at, range] : state_.replay()->ranges) {
    if (topics_->Has(at)) offered[at.topic].push_back(at.partition);
  }
  return offered;
}

// Of a commit that is about to be taken: what it passes over because it was deleted.
void GroupCore::CountSkipped(const CommitEntry& entry) {
  if (!state_.replay().has_value() || !entry.log_start.has_value()) return;
  const CommittedOffset* before = state_.OffsetAt(entry.at);
  if (before == nullptr || before->offset >= *entry.log_start || entry.offset <= before->offset) return;
  state_.AddSkipped(entry.at, std::min(entry.offset, *entry.log_start) - before->offset);
}

// The committed offset there is another.
void GroupCore::NoteReplay(const TopicPartition& at) {
  if (!state_.replay().has_value() || state_.replay()->state == ReplayState::kCancelled) return;
  const ReplayRange* range = state_.replay()->RangeAt(at);
  const CommittedOffset* committed = state_.OffsetAt(at);
  const bool changed = range != nullptr && (committed == nullptr || committed->offset < range->to) ? unfinished_.insert(at).second : unfinished_.erase(at) > 0;
  replay_changed_ = replay_changed_ || changed;
}

void GroupCore::NoteReplays() {
  unfinished_.clear();
  if (!state_.replay().has_value()) return;
  for (const auto& [at, range] : state_.replay()->ranges) NoteReplay(at);
}

// A job without a partition is over, and not by its members.
void GroupCore::DropFromReplay(const std::map<TopicId, std::string>& deleted) {
  if (!state_.replay().has_value()) return;
  ReplayJob job = *state_.replay();
  if (std::erase_if(job.ranges, [&](const auto& range) { return deleted.contains(range.first.topic); }) == 0) return;
  if (job.ranges.empty()) {
    job.state = ReplayState::kCancelled;
    job.clock.reset();
  }
  state_.SetReplay(std::move(job));
  NoteReplays();
  replay_changed_ = true;
}

// At the end of each step: the clock runs while there is somebody to read, and the members know where the job is.
void GroupCore::SettleReplay() {
  if (!state_.replay().has_value()) return;
  const std::optional<ReplayClock>& clock = state_.replay()->clock;
  const bool runs = state_.replay()->state == ReplayState::kRunning && !unfinished_.empty() && !state_.members().empty();
  if (clock.has_value() && runs != (clock->since_ms >= 0)) {
    ReplayJob job = *state_.replay();
    job.clock->elapsed_ms = clock->At(now_.wall_ms) - clock->first_ms;
    job.clock->since_ms = runs ? std::max<std::int64_t>(now_.wall_ms, 0) : -1;
    state_.SetReplay(std::move(job));
    replay_changed_ = true;
  }
  if (!std::exchange(replay_changed_, false)) return;
  for (const auto& [stream, member] : streams_) Say(TellReplay{stream, ReplayFor(member)});
}

// Each unfinished partition has an equal share of the rate, whoever reads it.
ToldReplay GroupCore::ReplayFor(const std::string& member) const {
  const ReplayJob& job = *state_.replay();
  ToldReplay told{job.state, job.state != ReplayState::kCancelled && unfinished_.empty(), 0, std::nullopt};
  if (job.clock.has_value()) told.clock_ms = job.clock->At(now_.wall_ms);
  if (job.bytes_per_second == 0) return told;
  const auto& held = state_.Find(member)->current.held;
  const auto mine = static_cast<double>(std::count_if(held.begin(), held.end(), [&](const auto& at) { return !at.second.revoking && unfinished_.contains(at.first); }));
  const auto all = static_cast<double>(std::max<std::size_t>(unfinished_.size(), 1));
  told.bytes_per_second = std::max<std::int64_t>(static_cast<std::int64_t>(static_cast<double>(job.bytes_per_second) * mine / all), 1);
  return told;
}

}  // namespace cordwood::broker
