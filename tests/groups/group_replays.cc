// SPDX-License-Identifier: Apache-2.0
// Replay jobs in the simulated world, and what must hold of them.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/groups/group_oracle.h"
#include "tests/groups/group_world.h"

namespace cordwood::broker {

// Mostly there are members, and a start is refused.
void GroupWorld::StartReplayAtRandom() {
  StartReplay start{++requests_, {}};
  start.job.source = "source";
  for (const auto& [name, topic] : topics_->by_name) {
    for (std::int32_t p = 0; p < topic.partitions; ++p) {
      const Offset from(static_cast<std::int64_t>(Up(10)));
      if (Chance(2)) start.job.ranges[{topic.id, PartitionIndex(p)}] = {from, from + static_cast<std::int64_t>(Up(60)), 0};
    }
  }
  if (Chance(2)) start.job.clock = ReplayClock{1000, 0, -1};
  if (!start.job.clock.has_value()) start.job.bytes_per_second = 1000;
  Note(absl::StrCat("a replay job of ", start.job.ranges.size(), " partitions"));
  const bool in_use = !whole_view_.members().empty();
  for (const GroupTell& tell : Step(start).tells) {
    const auto* done = std::get_if<ReplayDone>(&tell.what);
    if (done != nullptr && done->status.ok() && in_use) oracle_->Fail("a group with members became a replay job");
  }
}

void GroupWorld::ChangeReplayAtRandom() {
  if (Chance(3)) return StartReplayAtRandom();
  const ReplayChange change = Chance(12) ? ReplayChange::kCancel : Chance(2) ? ReplayChange::kPause : ReplayChange::kResume;
  Note(absl::StrCat("change of the replay job: ", static_cast<int>(change)));
  Step(ChangeReplay{++requests_, change});
}

bool GroupOracle::MayBeAssigned(const TopicPartition& at) const {
  const auto& job = world_.whole_view_.replay();
  return !job.has_value() || (job->state != ReplayState::kCancelled && job->RangeAt(at) != nullptr);
}

bool GroupOracle::MayBeCommitted(const TopicPartition& at, Offset offset) const {
  const auto& job = world_.whole_view_.replay();
  if (!job.has_value()) return true;
  const ReplayRange* range = job->RangeAt(at);
  return range != nullptr && offset >= range->from && offset <= range->to;
}

// What is told of a job is what the log says of it, and whoever is there hears of each change.
void GroupOracle::CheckReplay(const GroupActions& actions) {
  const LogView& view = world_.whole_view_;
  const auto& job = view.replay();
  if (!job.has_value()) return;
  bool done = job->state != ReplayState::kCancelled;
  for (const auto& [at, range] : job->ranges) {
    const auto committed = view.offsets().find(at);
    if (committed == view.offsets().end()) return Fail("a replay job has no offset that says how far it is");
    done = done && committed->second.offset >= range.to;
  }
  if (job->clock.has_value() && (job->clock->since_ms >= 0) != (job->state == ReplayState::kRunning && !done && !view.members().empty())) {
    Fail("the clock of the original pace runs without the job or its members, or stands while both are there");
  }
  std::set<StreamId> told;
  const auto check = [&](StreamId stream, const ToldReplay& replay) {
    told.insert(stream);
    if (replay.state != job->state || replay.done != done) Fail("a member is told of another state of the replay job");
    if (replay.clock_ms.has_value() != job->clock.has_value()) Fail("a member is told of another pace");
  };
  for (const GroupTell& tell : actions.tells) {
    if (const auto* replay = std::get_if<TellReplay>(&tell.what)) check(replay->stream, replay->replay);
    if (const auto* target = std::get_if<TellTarget>(&tell.what)) {
      if (!target->replay.has_value()) return Fail("a member of a replay job is not told of it");
      check(target->stream, *target->replay);
    }
  }
  const std::pair<ReplayState, bool> state(job->state, done);
  if (replay_before_.has_value() && *replay_before_ != state) {
    for (const auto& [member, stream] : attached_) {
      if (!told.contains(stream)) Fail("a member does not hear that the replay job has changed");
    }
  }
  replay_before_ = state;
}

}  // namespace cordwood::broker
