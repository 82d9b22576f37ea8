// SPDX-License-Identifier: Apache-2.0
// What members say on their streams.
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/groups/coordinator/group_loop.h"

namespace cordwood::broker {
namespace {

constexpr absl::Duration kPatternsKeptFor = absl::Seconds(1);

}  // namespace

void GroupLoop::Take(std::unique_ptr<GroupInput> input) {
  Discharge(input->bytes);
  if (std::holds_alternative<JoinGroup>(input->event)) return Join(std::move(input));
  const StreamId stream = input->stream;
  const auto known = streams_.find(stream);
  if (known == streams_.end()) {  // it has had its end, which crossed this message; or its join waits
    if (std::holds_alternative<LoseStream>(input->event)) std::erase_if(parked_, [&](const Parked& parked) { return parked.stream == stream; });
    return;
  }
  LedGroup& group = *known->second.group;
  if (const auto facts = group.members.find(known->second.member); facts != group.members.end()) {
    facts->second.last_heard = now_;
    for (const auto& [at, progress] : input->progress) facts->second.progress[at] = progress;
  }
  if (auto* commit = std::get_if<CommitOffsets>(&input->event)) {
    CatchUp(group, commit->entries);
    stream_commit_ = {stream, commit->request};
    commit->request = kCommitOnStream;
    AddLogEnds(commit->entries);
  } else if (auto* change = std::get_if<ChangeSubscription>(&input->event)) {
    if (const Status sound = ResolvePattern(change->subscription); !sound.ok()) return EndMember(group, stream, sound);
  } else if (const auto* heartbeat = std::get_if<MemberHeartbeat>(&input->event)) {
    DropProgress(group, known->second.member, heartbeat->owned);
  }
  Step(group, input->event);
  if (std::holds_alternative<LoseStream>(input->event)) ForgetStream(stream);
}

void GroupLoop::Join(std::unique_ptr<GroupInput> input) {
  const StreamId stream = input->stream;
  const auto shared = std::make_shared<std::unique_ptr<GroupInput>>(std::move(input));
  const std::string group = (*shared)->group;
  if (const Status sound = CheckGroupId(group); !sound.ok()) return EndNow(stream, sound);
  auto join = [this, shared](const Status& made) { JoinServed(**shared, made); };
  if (!ParkUntilMade(stream, join)) join(absl::OkStatus());
}

void GroupLoop::JoinServed(GroupInput& input, const Status& made) {
  if (!made.ok()) return EndNow(input.stream, made);
  OffsetsPartition* home = HomeOf(input.group);
  if (const Status served = CheckServed(home); !served.ok()) return EndNow(input.stream, served);
  auto& join = std::get<JoinGroup>(input.event);
  if (const Status sound = ResolvePattern(join.subscription); !sound.ok()) return EndNow(input.stream, Annotate(sound, absl::StrCat("group ", input.group)));
  StatusOr<LedGroup*> group = FindOrMake(*home, input.group);
  if (!group.ok()) return EndNow(input.stream, group.status());
  const StreamId stream = input.stream;
  const std::string member = join.member;
  streams_[stream] = {*group, member, false};
  measures_.streams.Add(1);
  Step(**group, input.event);
  const auto known = streams_.find(stream);
  if (known == streams_.end()) return;  // refused
  known->second.joined = true;
  MemberFacts& facts = (*group)->members[member];
  facts.attached = true;
  facts.address = std::move(input.address);
  facts.last_heard = now_;
}

// The stream has no member, or none any more.
void GroupLoop::EndNow(StreamId stream, const Status& status) { TellStream({stream, EndStream{stream, status}}); }

// A member that says what cannot be taken goes on without this stream.
void GroupLoop::EndMember(LedGroup& group, StreamId stream, const Status& status) {
  Step(group, LoseStream{stream});
  if (ForgetStream(stream)) Later(group.home, StreamTell{stream, EndStream{stream, Annotate(status, absl::StrCat("group ", group.id()))}});
}

Status GroupLoop::ResolvePattern(GroupSubscription& subscription) {
  if (subscription.pattern.empty()) return absl::OkStatus();
  StatusOr<PatternMatches> matches = patterns_.Match(subscription.pattern);
  if (ReasonOf(matches.status()) == Reason::kLimitExceeded && now_ >= patterns_kept_until_) {
    ForgetUnusedPatterns();
    matches = patterns_.Match(subscription.pattern);
  }
  CORDWOOD_ASSIGN_OR_RETURN(subscription.pattern_topics, std::move(matches));
  return absl::OkStatus();
}

// Looks at all groups, so not again at once.
void GroupLoop::ForgetUnusedPatterns() {
  patterns_kept_until_ = now_ + kPatternsKeptFor;
  std::set<std::string> used;
  for (const auto& [index, home] : partitions_) {
    for (const auto& [id, group] : home->groups) used.merge(group->core.patterns());
  }
  patterns_.Keep(used);
}

// Of what the member has no longer nothing is said.
void GroupLoop::DropProgress(LedGroup& group, const std::string& member, const std::vector<TopicPartition>& owned) {
  const auto facts = group.members.find(member);
  if (facts == group.members.end() || facts->second.progress.size() <= owned.size()) return;
  const std::set<TopicPartition> has(owned.begin(), owned.end());
  std::erase_if(facts->second.progress, [&](const auto& progress) { return !has.contains(progress.first); });
}

void GroupLoop::AddLogEnds(std::vector<CommitEntry>& entries) const {
  for (CommitEntry& entry : entries) {
    const ReplicaHandlePtr replica = table_.Find(entry.at.topic, entry.at.partition);
    if (replica == nullptr) continue;
    const ReplicaSnapshot snapshot = replica->snapshot();
    if (snapshot.phase == ReplicaPhase::kOpen || snapshot.phase == ReplicaPhase::kClosed) {
      entry.log_end = snapshot.log_end;
      entry.log_start = snapshot.log_start;
    }
  }
}

}  // namespace cordwood::broker
