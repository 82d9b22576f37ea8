// SPDX-License-Identifier: Apache-2.0
// The target, and the way from what members hold to it: revoke, wait, hand over.
#include <algorithm>
#include <iterator>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "broker/groups/group_core.h"
#include "storage/base/check.h"

namespace cordwood::broker {
namespace {

constexpr std::size_t kChangesToldMax = 3;

// Each partition's place among those offered; the others are left out.
void Renumber(MemberTarget* partitions, const std::map<TopicId, std::vector<PartitionIndex>>& offered) {
  std::erase_if(*partitions, [&](TopicPartition& at) {
    const auto topic = offered.find(at.topic);
    if (topic == offered.end()) return true;
    const auto place = std::lower_bound(topic->second.begin(), topic->second.end(), at.partition);
    if (place == topic->second.end() || *place != at.partition) return true;
    at.partition = PartitionIndex(static_cast<std::int32_t>(place - topic->second.begin()));
    return false;
  });
}

}  // namespace

void GroupCore::Change(const std::string& what) {
  GroupHeader header = state_.header();
  header.group_epoch = header.group_epoch + 1;
  state_.SetHeader(header);
  wants_target_ = true;
  changes_.push_back(what);
}

// A new epoch for what members are told, without a new target.
void GroupCore::Advance() {
  GroupHeader header = state_.header();
  header.group_epoch = header.group_epoch + 1;
  if (!wants_target_) header.assignment_epoch = header.group_epoch;
  state_.SetHeader(header);
}

std::string GroupCore::TakeChanges() {
  const std::vector<std::string> changes = std::exchange(changes_, {});
  const auto told = changes.begin() + static_cast<std::ptrdiff_t>(std::min(changes.size(), kChangesToldMax));
  std::string text = absl::StrJoin(changes.begin(), told, "; ");
  if (told != changes.end()) absl::StrAppend(&text, "; and ", changes.end() - told, " more changes");
  return text;
}

void GroupCore::On(const ComputeTarget&) {
  if (!wants_target_) return;
  wants_target_ = false;
  const std::string reason = TakeChanges();
  const bool changed = Retarget();
  GroupHeader header = state_.header();
  if (changed && header.assignment_epoch == header.group_epoch) header.group_epoch = header.group_epoch + 1;
  header.assignment_epoch = header.group_epoch;
  header.assignor = Vote();
  state_.SetHeader(header);
  for (const auto& [id, member] : state_.members()) Reconcile(id, reason);
}

// What most members wish for; of equals the first in the enum.
AssignorKind GroupCore::Vote() const {
  std::map<AssignorKind, std::size_t> votes;
  for (const auto& [id, member] : state_.members()) ++votes[member.record.assignor];
  const auto most = std::max_element(votes.begin(), votes.end(), [](const auto& a, const auto& b) { return a.second < b.second; });
  return most == votes.end() ? AssignorKind::kUniform : most->first;
}

GroupCore::Names GroupCore::SubscribedTopics(const std::string& member) const {
  Names names;
  for (const auto* list : {&state_.Find(member)->record.topics, sessions_.at(member).pattern_topics.get()}) {
    if (list == nullptr) continue;
    for (const std::string& name : *list) {
      if (topics_->by_name.contains(name)) names.insert(name);
    }
  }
  return names;
}

bool GroupCore::HasTopics(const std::string& member) const {
  const auto is_there = [&](const std::string& name) { return topics_->by_name.contains(name); };
  const auto& topics = state_.Find(member)->record.topics;
  const PatternMatches& matches = sessions_.at(member).pattern_topics;
  return std::any_of(topics.begin(), topics.end(), is_there) || (matches != nullptr && std::any_of(matches->begin(), matches->end(), is_there));
}

// Where its partitions are now: its target, and what it holds that is in nobody's (that one is gone).
MemberTarget GroupCore::PresentOf(const std::string& member) const {
  const GroupState::Member& at = *state_.Find(member);
  MemberTarget orphans;
  for (const auto& [partition, held] : at.current.held) {
    if (state_.TargetOf(partition).empty()) orphans.push_back(partition);
  }
  MemberTarget present;
  std::merge(at.target.begin(), at.target.end(), orphans.begin(), orphans.end(), std::back_inserter(present));
  return present;
}

// Whether any target is another now. Static members go by their instance id, so that a restart changes no order.
bool GroupCore::Retarget() {
  std::vector<std::pair<std::string, std::string>> order;  // by name, then id
  Names names;
  for (const auto& [id, member] : state_.members()) {
    order.emplace_back(NameOf(id), id);
    names.merge(SubscribedTopics(id));
  }
  std::sort(order.begin(), order.end());
  AssignorInput input;
  // Of a replay job its partitions alone are there: the assignor sees them numbered from 0.
  const bool replay = state_.replay().has_value();
  const std::map<TopicId, std::vector<PartitionIndex>> offered = OfferedByReplay();
  for (const std::string& name : names) {
    GroupTopic& topic = input.topics.emplace_back(topics_->by_name.at(name));
    const auto found = offered.find(topic.id);
    if (replay) topic.partitions = found == offered.end() ? 0 : static_cast<std::int32_t>(found->second.size());
  }
  std::sort(input.topics.begin(), input.topics.end(), [](const GroupTopic& a, const GroupTopic& b) { return a.id < b.id; });
  std::map<TopicId, std::uint32_t> index;
  for (std::uint32_t t = 0; t < input.topics.size(); ++t) index[input.topics[t].id] = t;
  for (const auto& [name, id] : order) {
    AssignorMember& member = input.members.emplace_back();
    for (const std::string& topic : SubscribedTopics(id)) member.topics.push_back(index.at(topics_->by_name.at(topic).id));
    std::sort(member.topics.begin(), member.topics.end());
    member.current = PresentOf(id);
    if (replay) Renumber(&member.current, offered);
  }
  Assignment assignment = Assign(Vote(), input);
  for (MemberTarget& target : assignment) {
    for (TopicPartition& at : target) {
      if (replay) at.partition = offered.at(at.topic)[static_cast<std::size_t>(at.partition.value())];
    }
  }
  bool changed = false;
  for (std::size_t m = 0; m < order.size(); ++m) {
    changed |= assignment[m] != state_.Find(order[m].second)->target;
    state_.SetTarget(order[m].second, std::move(assignment[m]));
  }
  return changed;
}

// Marks what it must give up, takes back what it need not, gives it what is free, and tells it if anything is different.
void GroupCore::Reconcile(const std::string& member, const std::string& reason) {
  Session& session = sessions_.at(member);
  const GroupState::Member& at = *state_.Find(member);
  std::map<TopicPartition, HeldPartition> changes;
  for (const auto& [partition, held] : at.current.held) {
    const bool revoking = state_.TargetOf(partition) != member;
    if (held.revoking == revoking) continue;
    changes[partition] = {held.since, revoking};
    if (revoking) {
      session.revocations[partition] = RevocationDeadline(at.record);
    } else {
      session.revocations.erase(partition);
    }
  }
  std::vector<TopicPartition> gained;
  for (const TopicPartition& partition : at.target) {
    if (state_.HolderOf(partition).empty()) gained.push_back(partition);
  }
  if (changes.empty() && gained.empty() && !session.untold) return;
  if (at.current.epoch >= state_.header().group_epoch) Advance();
  const MemberEpoch epoch = state_.header().group_epoch;
  state_.SetEpoch(member, epoch);
  for (const auto& [partition, held] : changes) state_.Hold(member, partition, held);
  for (const TopicPartition& partition : gained) state_.Hold(member, partition, {epoch, false});
  session.untold = false;
  ArmRevocation(member);
  Tell(member, reason);
}

// What it was to give up and no longer has is free.
void GroupCore::Acknowledge(const std::string& member, const std::vector<TopicPartition>& owned) {
  const std::set<TopicPartition> kept(owned.begin(), owned.end());
  std::vector<TopicPartition> freed;
  for (const auto& [at, held] : state_.Find(member)->current.held) {
    if (held.revoking && !kept.contains(at)) freed.push_back(at);
  }
  if (freed.empty()) return;
  for (const TopicPartition& at : freed) {
    state_.Release(member, at);
    sessions_.at(member).revocations.erase(at);
    awaiting_positions_.erase(at);
  }
  ArmRevocation(member);
  HandOver(freed, absl::StrCat("member ", NameOf(member), " gave up what moves on"));
}

void GroupCore::HandOver(const std::vector<TopicPartition>& freed, const std::string& reason) {
  std::set<std::string> next;
  for (const TopicPartition& at : freed) {
    if (const std::string& member = state_.TargetOf(at); !member.empty()) next.insert(member);
  }
  for (const std::string& member : next) Reconcile(member, reason);
}

void GroupCore::Tell(const std::string& member, const std::string& reason) {
  const Session& session = sessions_.at(member);
  if (session.stream == StreamId(0)) return;  // it is told when it is back
  const MemberCurrent& current = state_.Find(member)->current;
  TellTarget target{session.stream, current.epoch, {}, {}, reason};
  for (const auto& [at, held] : current.held) {
    if (held.revoking) {
      target.revoke.push_back(at);
    } else {
      target.assigned.push_back(PositionOf(at));
    }
  }
  if (state_.replay().has_value()) target.replay = ReplayFor(member);
  Say(std::move(target));
}

AssignedPartition GroupCore::PositionOf(const TopicPartition& at) const {
  AssignedPartition assigned{at, std::nullopt, kNoLeaderEpoch, PositionEpoch(0)};
  if (const CommittedOffset* committed = state_.OffsetAt(at)) assigned = {at, committed->offset, committed->leader_epoch, committed->position_epoch};
  const ReplayRange* range = state_.replay().has_value() ? state_.replay()->RangeAt(at) : nullptr;
  if (range != nullptr) assigned.end = range->to;
  return assigned;
}

TopicChanges::TopicChanges(std::shared_ptr<const TopicView> from, std::shared_ptr<const TopicView> to) : before(std::move(from)), after(std::move(to)) {
  auto old = before->by_name.begin();
  for (const auto& [name, topic] : after->by_name) {
    for (; old != before->by_name.end() && old->first < name; ++old) names.push_back(old->first);
    const bool was_there = old != before->by_name.end() && old->first == name;
    if (!was_there || !(old->second == topic)) names.push_back(name);
    if (was_there) ++old;
  }
  for (; old != before->by_name.end(); ++old) names.push_back(old->first);
  for (const auto& [id, name] : before->names) {
    if (!after->names.contains(id)) deleted.emplace(id, name);
  }
}

// Only what is different is looked at, however many topics there are and members subscribe to.
void GroupCore::On(const ChangeTopics& event) {
  const bool given = event.changes != nullptr && event.changes->before == topics_ && event.changes->after == event.topics;
  const std::shared_ptr<const TopicChanges> changes = given ? event.changes : std::make_shared<const TopicChanges>(topics_, event.topics);
  topics_ = event.topics;
  Names what;
  for (const auto& [id, member] : state_.members()) {
    const auto matches = event.patterns.find(member.record.pattern);
    NoteTopics(id, matches == event.patterns.end() ? nullptr : matches->second, *changes, &what);
  }
  for (const std::string& change : what) Change(change);
  DropTopics(changes->deleted);
}

// Adds to `what` which of the member's topics came, grew or went.
void GroupCore::NoteTopics(const std::string& member, PatternMatches matches, const TopicChanges& changes, Names* what) {
  const std::vector<std::string>& listed = state_.Find(member)->record.topics;
  const PatternMatches before = std::exchange(sessions_.at(member).pattern_topics, matches);
  const auto has = [](const std::vector<std::string>& names, const std::string& name) { return std::binary_search(names.begin(), names.end(), name); };
  const auto note = [&](const std::string& name) {
    const auto topic_in = [&](const TopicView& view, const PatternMatches& matched) {
      return has(listed, name) || (matched != nullptr && has(*matched, name)) ? view.Find(name) : nullptr;
    };
    const GroupTopic* was = topic_in(*changes.before, before);
    const GroupTopic* now = topic_in(*changes.after, matches);
    if (was == nullptr && now != nullptr) what->insert(absl::StrCat("topic ", name, " is there"));
    if (was != nullptr && now != nullptr && !(*was == *now)) what->insert(absl::StrCat("topic ", name, " has ", now->partitions, " partitions"));
    if (was != nullptr && now == nullptr) what->insert(absl::StrCat("topic ", name, " is gone"));
  };
  for (const std::string& name : changes.names) note(name);
  if (matches == before) return;
  static const std::vector<std::string> kNone;
  const std::vector<std::string>& from = before == nullptr ? kNone : *before;
  const std::vector<std::string>& to = matches == nullptr ? kNone : *matches;
  std::vector<std::string> other;
  std::set_symmetric_difference(from.begin(), from.end(), to.begin(), to.end(), std::back_inserter(other));
  for (const std::string& name : other) note(name);
}

// Nobody can have what does not exist: no revocation is waited for.
void GroupCore::DropTopics(const std::map<TopicId, std::string>& deleted) {
  if (deleted.empty()) return;
  auto gone = [&](const TopicPartition& at) { return deleted.contains(at.topic); };
  std::vector<TopicPartition> offsets;
  for (const auto& [at, offset] : state_.offsets()) {
    if (gone(at)) offsets.push_back(at);
  }
  for (const TopicPartition& at : offsets) state_.EraseOffset(at);
  DropFromReplay(deleted);
  std::erase_if(awaiting_positions_, [&](const auto& awaited) { return gone(awaited.first); });
  for (const auto& [id, member] : state_.members()) {
    MemberTarget target = member.target;
    std::erase_if(target, gone);
    state_.SetTarget(id, std::move(target));
    std::vector<TopicPartition> held;
    for (const auto& [at, partition] : member.current.held) {
      if (gone(at)) held.push_back(at);
    }
    if (held.empty()) continue;
    std::set<std::string> names;
    for (const TopicPartition& at : held) {
      state_.Release(id, at);
      sessions_.at(id).revocations.erase(at);
      names.insert(deleted.at(at.topic));
    }
    sessions_.at(id).untold = true;
    ArmRevocation(id);
    Reconcile(id, absl::StrCat("topic ", absl::StrJoin(names, ", topic "), names.size() == 1 ? " was deleted" : " were deleted"));
  }
}

}  // namespace cordwood::broker
