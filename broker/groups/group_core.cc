// SPDX-License-Identifier: Apache-2.0
// Members come, change their wishes, lose their streams and go.
#include "broker/groups/group_core.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "storage/base/check.h"

namespace cordwood::broker {
namespace {

bool SameMatches(const PatternMatches& a, const PatternMatches& b) {
  if (a == b) return true;
  if (a == nullptr || b == nullptr) return (a == nullptr ? b : a)->empty();
  return *a == *b;
}

}  // namespace

GroupActions GroupCore::Step(const GroupEvent& event, const GroupNow& now) {
  CORDWOOD_CHECK(topics_ != nullptr || std::holds_alternative<ActivateGroup>(event));
  now_ = now;
  std::visit([&](const auto& what) { On(what); }, event);
  SettleReplay();
  ArmExpiry();
  actions_.records = state_.TakeRecords();
  return std::exchange(actions_, {});
}

void GroupCore::On(const ActivateGroup& event) {
  CORDWOOD_CHECK(topics_ == nullptr);
  topics_ = event.topics;
  NoteReplays();
  for (const auto& [id, member] : state_.members()) {
    Session& session = sessions_[id];
    const auto matches = event.patterns.find(member.record.pattern);
    if (matches != event.patterns.end()) session.pattern_topics = matches->second;
    session.deadline_ms = now_.monotonic_ms + options_.session_timeout_ms;
    for (const auto& [at, held] : member.current.held) {
      if (held.revoking) session.revocations[at] = RevocationDeadline(member.record);
    }
    ArmSession(id);
    ArmRevocation(id);
  }
  wants_target_ = !state_.members().empty();
  if (wants_target_) changes_ = {"the coordinator started"};
}

void GroupCore::On(const JoinGroup& join) {
  if (const Status sound = CheckJoin(join); !sound.ok()) return Say(EndStream{join.stream, sound}, /*durable=*/false);
  const GroupState::Member* known = state_.Find(join.member);
  const std::string holder = state_.HolderOfInstance(join.instance_id);
  auto refuse = [&](Reason reason, const std::string& why) { Say(EndStream{join.stream, Refusal(reason, why)}); };
  if (known != nullptr && known->record.instance_id != join.instance_id) {
    return refuse(Reason::kInvalidRequest, absl::StrCat("member ", join.member, " joined with another group.instance.id before"));
  }
  if (known != nullptr && join.epoch > MemberEpoch(0)) return Resume(join);
  if (known != nullptr) return Succeed(join, join.member);
  if (join.epoch > MemberEpoch(0)) return refuse(Reason::kUnknownMemberId, absl::StrCat("has no member ", join.member, "; join anew, owning nothing"));
  if (!holder.empty()) return Succeed(join, holder);
  if (state_.members().size() >= options_.members_max) {
    return refuse(Reason::kGroupMaxSizeReached, absl::StrCat("has ", state_.members().size(), " members, as many as group.max.size allows"));
  }
  Add(join);
}

Status GroupCore::CheckJoin(const JoinGroup& join) const {
  if (join.member.empty() || join.member.size() > kMemberIdBytesMax) return Refusal(Reason::kInvalidRequest, "a member id has 1 to 255 bytes");
  if (join.instance_id.size() > kMemberIdBytesMax) return Refusal(Reason::kInvalidRequest, "group.instance.id has at most 255 bytes");
  if (join.client.size() > kMemberIdBytesMax) return Refusal(Reason::kInvalidRequest, "the client's name has at most 255 bytes");
  if (join.subscription.pattern.size() > kPatternBytesMax) return Refusal(Reason::kInvalidRequest, "a pattern has at most 4096 bytes");
  if (join.rebalance_timeout_ms <= 0) return Refusal(Reason::kInvalidRequest, "the rebalance timeout is not above 0");
  if (!join.assignor.empty() && !AssignorFromName(join.assignor).has_value()) {
    return Refusal(Reason::kUnsupportedAssignor, absl::StrCat("no assignor '", join.assignor, "'; there are uniform and range"));
  }
  if (join.epoch < MemberEpoch(0)) return Refusal(Reason::kInvalidRequest, "a member epoch is not below 0");
  if (join.epoch == MemberEpoch(0) && !join.owned.empty()) return Refusal(Reason::kInvalidRequest, "who joins at epoch 0 owns nothing yet");
  if (streams_.contains(join.stream)) return Refusal(Reason::kInvalidRequest, "this stream has joined already");
  return absl::OkStatus();
}

void GroupCore::Add(const JoinGroup& join) {
  Change(absl::StrCat("member ", join.instance_id.empty() ? join.member : join.instance_id, " joined"));
  Insert(join);
}

// At the group epoch, which must have just risen: above all that an earlier incarnation with this id was told.
void GroupCore::Insert(const JoinGroup& join) {
  GroupHeader header = state_.header();
  header.empty_since_ms = -1;
  state_.SetHeader(header);
  GroupMember record;
  record.instance_id = join.instance_id;
  record.client = join.client;
  record.rebalance_timeout_ms = join.rebalance_timeout_ms;
  record.joined_epoch = header.group_epoch;
  state_.SetMember(join.member, record);
  state_.SetEpoch(join.member, header.group_epoch);
  sessions_[join.member].untold = true;
  TakeWish(join.member, join.subscription, AssignorFromName(join.assignor).value_or(AssignorKind::kUniform));
  Attach(join.member, join.stream);
  Say(TellWelcome{join.stream, header.group_epoch});
}

// The slot goes on with a new incarnation: the older one is fenced, nobody else notices.
void GroupCore::Succeed(const JoinGroup& join, const std::string& predecessor) {
  const GroupState::Member old = *state_.Find(predecessor);
  const PatternMatches old_matches = sessions_.at(predecessor).pattern_topics;
  const Status why = predecessor == join.member
      ? Refusal(Reason::kFencedMemberEpoch, absl::StrCat("member ", predecessor, " joined anew"))
      : Refusal(Reason::kFencedInstanceId, absl::StrCat("member ", join.member, " has taken over group.instance.id ", join.instance_id, " from ",
                                                        predecessor));
  if (attached(predecessor)) RememberFenced(predecessor, why);  // else it is a restart
  Forget(predecessor, why);
  Advance();
  Insert(join);
  const GroupMember& record = state_.Find(join.member)->record;
  if (record.topics != old.record.topics || record.pattern != old.record.pattern || record.assignor != old.record.assignor ||
      !SameMatches(sessions_.at(join.member).pattern_topics, old_matches)) {
    Change(absl::StrCat("member ", NameOf(join.member), " came back with another subscription"));
  }
  state_.SetTarget(join.member, old.target);
  std::vector<TopicPartition> freed;
  for (const auto& [at, held] : old.current.held) {
    if (state_.TargetOf(at) != join.member) freed.push_back(at);
  }
  HandOver(freed, absl::StrCat("member ", NameOf(join.member), " started anew"));
  Reconcile(join.member, "it takes over what its slot had");
}

void GroupCore::Resume(const JoinGroup& join) {
  const GroupState::Member& known = *state_.Find(join.member);
  if (const Status sound = CheckResume(join, known); !sound.ok()) return Say(EndStream{join.stream, sound});
  Detach(join.member, Refusal(Reason::kFencedMemberEpoch, absl::StrCat("member ", join.member, " is on another stream now")));
  Attach(join.member, join.stream);
  Say(TellWelcome{join.stream, known.current.epoch});
  if (TakeWish(join.member, join.subscription, AssignorFromName(join.assignor).value_or(AssignorKind::kUniform))) {
    Change(absl::StrCat("member ", NameOf(join.member), " changed its subscription"));
  }
  if (join.epoch == known.current.epoch) Acknowledge(join.member, join.owned);
  Tell(join.member, "it is back after the loss of its stream");
}

// A zombie of an earlier incarnation, or one that has what went to others meanwhile, must drop it all first.
Status GroupCore::CheckResume(const JoinGroup& join, const GroupState::Member& known) const {
  auto fenced = [&](const std::string& why) {
    return Refusal(Reason::kFencedMemberEpoch, absl::StrCat("member ", join.member, " at epoch ", join.epoch.value(), " ", why));
  };
  if (join.epoch < known.record.joined_epoch) return fenced("was replaced by a newer incarnation");
  if (join.epoch > known.current.epoch) return fenced("is ahead of the group");
  for (const TopicPartition& at : join.owned) {
    if (!topics_->Has(at)) continue;
    const auto held = known.current.held.find(at);
    if (held == known.current.held.end() || held->second.since > join.epoch) return fenced(absl::StrCat("has ", NameOf(at), ", which is not its own"));
  }
  return absl::OkStatus();
}

void GroupCore::On(const ChangeSubscription& event) {
  const auto stream = streams_.find(event.stream);
  if (stream == streams_.end()) return;
  const std::string member = stream->second;
  if (event.subscription.pattern.size() > kPatternBytesMax) {
    return Detach(member, Refusal(Reason::kInvalidRequest, "a pattern has at most 4096 bytes"));
  }
  if (!TakeWish(member, event.subscription, state_.Find(member)->record.assignor)) return;
  Change(absl::StrCat("member ", NameOf(member), " changed its subscription"));
}

// Whether anything is different now.
bool GroupCore::TakeWish(const std::string& member, const GroupSubscription& subscription, AssignorKind assignor) {
  Session& session = sessions_.at(member);
  GroupMember record = state_.Find(member)->record;
  const GroupMember before = record;
  record.topics = subscription.topics;
  std::sort(record.topics.begin(), record.topics.end());
  record.topics.erase(std::unique(record.topics.begin(), record.topics.end()), record.topics.end());
  record.pattern = subscription.pattern;
  record.assignor = assignor;
  state_.SetMember(member, record);
  const bool same_matches = SameMatches(std::exchange(session.pattern_topics, subscription.pattern_topics), subscription.pattern_topics);
  return !(record == before) || !same_matches;
}

void GroupCore::On(const MemberHeartbeat& event) {
  const auto stream = streams_.find(event.stream);
  if (stream == streams_.end()) {
    return Say(EndStream{event.stream, Refusal(Reason::kUnknownMemberId, "this stream has no member")});
  }
  const std::string member = stream->second;
  const MemberCurrent& current = state_.Find(member)->current;
  auto fence = [&](const std::string& why) {
    Detach(member, Refusal(Reason::kFencedMemberEpoch, absl::StrCat("member ", member, " at epoch ", event.epoch.value(), " ", why)));
  };
  if (event.epoch > current.epoch) return fence("is ahead of the group");
  sessions_.at(member).deadline_ms = now_.monotonic_ms + options_.session_timeout_ms;
  if (event.epoch < current.epoch) return;  // sent before it saw its last target: says nothing of it
  for (const TopicPartition& at : event.owned) {
    if (topics_->Has(at) && !current.held.contains(at)) return fence(absl::StrCat("has ", NameOf(at), ", which is not its own"));
  }
  Acknowledge(member, event.owned);
}

void GroupCore::On(const LeaveGroup& event) {
  const auto stream = streams_.find(event.stream);
  if (stream == streams_.end()) return;
  const std::string member = stream->second;
  if (event.keep_slot && !state_.Find(member)->record.instance_id.empty()) {
    sessions_.at(member).deadline_ms = now_.monotonic_ms + options_.session_timeout_ms;
    sessions_.at(member).left = true;
    return Detach(member, absl::OkStatus());
  }
  Remove(member, absl::OkStatus(), absl::StrCat("member ", NameOf(member), " left"));
}

void GroupCore::On(const LoseStream& event) {
  const auto stream = streams_.find(event.stream);
  if (stream == streams_.end()) return;
  sessions_.at(stream->second).stream = StreamId(0);  // which is no sign of life
  streams_.erase(stream);
}

// The member is out: what it had is free. `why` is what its stream, if any, is told; `change` what the others are.
void GroupCore::Remove(const std::string& member, const Status& why, const std::string& change) {
  std::vector<TopicPartition> freed;
  for (const auto& [at, held] : state_.Find(member)->current.held) freed.push_back(at);
  if (!why.ok()) RememberFenced(member, why);
  Forget(member, why);
  Change(change);
  HandOver(freed, change);
  if (!state_.members().empty()) return;
  GroupHeader header = state_.header();
  header.assignment_epoch = header.group_epoch;
  header.empty_since_ms = std::max<std::int64_t>(now_.wall_ms, 0);
  state_.SetHeader(header);
  wants_target_ = false;
  changes_.clear();
}

void GroupCore::RememberFenced(const std::string& member, const Status& why) {
  if (fenced_.size() == kFencedRememberedMax) fenced_.pop_front();
  const GroupMember& record = state_.Find(member)->record;
  fenced_.push_back({member, record.instance_id, record.client, MessageOf(why), now_.monotonic_ms});
}

void GroupCore::Forget(const std::string& member, const Status& why) {
  Detach(member, why);
  for (const auto& [at, held] : state_.Find(member)->current.held) awaiting_positions_.erase(at);
  const auto session = sessions_.find(member);
  actions_.timers.push_back({GroupTimerKind::kSession, member, std::nullopt});
  if (session->second.revocation_timer_ms.has_value()) actions_.timers.push_back({GroupTimerKind::kRevocation, member, std::nullopt});
  sessions_.erase(session);
  state_.EraseMember(member);
}

void GroupCore::Attach(const std::string& member, StreamId stream) {
  Session& session = sessions_.at(member);
  session.stream = stream;
  session.left = false;
  session.deadline_ms = now_.monotonic_ms + options_.session_timeout_ms;
  streams_[stream] = member;
  ArmSession(member);
}

void GroupCore::Detach(const std::string& member, const Status& why) {
  Session& session = sessions_.at(member);
  if (session.stream == StreamId(0)) return;
  Say(EndStream{session.stream, why});
  streams_.erase(session.stream);
  session.stream = StreamId(0);
}

bool GroupCore::attached(const std::string& member) const {
  const auto session = sessions_.find(member);
  return session != sessions_.end() && session->second.stream != StreamId(0);
}

std::set<std::string> GroupCore::patterns() const {
  std::set<std::string> patterns;
  for (const auto& [id, member] : state_.members()) {
    if (!member.record.pattern.empty()) patterns.insert(member.record.pattern);
  }
  return patterns;
}

Status GroupCore::Refusal(Reason reason, const std::string& why) const { return Error(reason, absl::StrCat("group ", state_.group(), ": ", why)); }

std::string GroupCore::NameOf(const std::string& member) const {
  const GroupState::Member* known = state_.Find(member);
  return known == nullptr || known->record.instance_id.empty() ? member : known->record.instance_id;
}

std::string GroupCore::NameOf(const TopicPartition& at) const {
  const auto name = topics_->names.find(at.topic);
  return absl::StrCat(name == topics_->names.end() ? at.topic.ToString() : name->second, "-", at.partition.value());
}

}  // namespace cordwood::broker
