// SPDX-License-Identifier: Apache-2.0
// One owner at most, epochs that only grow, fences with a cause, commits of owners only, balanced targets with the fewest moves, and rest.
#include "tests/groups/group_oracle.h"

#include <algorithm>
#include <functional>

#include "absl/strings/str_cat.h"

namespace cordwood::broker {

void GroupOracle::Fail(const std::string& what) {
  if (!violation_.has_value()) violation_ = what;
}

std::uint64_t GroupOracle::tenure(const TopicPartition& at) const {
  const auto it = tenures_.find(at);
  return it == tenures_.end() ? 0 : it->second;
}

PositionEpoch GroupOracle::PositionEpochOf(const TopicPartition& at) const {
  const auto committed = world_.whole_view_.offsets().find(at);
  return committed == world_.whole_view_.offsets().end() ? PositionEpoch(0) : committed->second.position_epoch;
}

void GroupOracle::BeforeStep(const GroupEvent& event) {
  if (const auto* commit = std::get_if<CommitOffsets>(&event)) position_epoch_before_ = PositionEpochOf(commit->entries[0].at);
  before_ = world_.whole_view_.members();
  header_before_ = world_.whole_view_.header();
}

void GroupOracle::AfterStep(const GroupEvent& event, const GroupActions& actions) {
  if (const Status sound = world_.core_->Invariants(); !sound.ok()) Fail(MessageOf(sound));
  if (world_.core_->state().Snapshot() != world_.whole_view_.records()) Fail("the records do not say what the state is");
  CheckFences(event);
  CheckEpochs();
  CheckPositions(actions);
  CheckReplay(actions);
  if (std::holds_alternative<ComputeTarget>(event)) CheckTarget();
  const std::int64_t now_ms = world_.now_.monotonic_ms;
  for (const GroupTell& tell : actions.tells) {
    if (const auto* welcome = std::get_if<TellWelcome>(&tell.what)) {
      const auto stream = world_.streams_.find(welcome->stream);
      if (stream == world_.streams_.end()) continue;
      const auto* join = std::get_if<JoinGroup>(&event);
      if (join == nullptr) return Fail("a welcome without a join");
      if (join->epoch > MemberEpoch(0) && !world_.whole_view_.Lives(join->member, stream->second.joined_epoch)) Fail("a replaced incarnation is welcome");
      attached_[join->member] = welcome->stream;
      heard_ms_[join->member] = now_ms;
    }
    if (const auto* end = std::get_if<EndStream>(&tell.what)) {
      std::erase_if(attached_, [&](const auto& at) { return at.second == end->stream; });
    }
  }
  if (const auto* heartbeat = std::get_if<MemberHeartbeat>(&event)) {
    for (const auto& [member, stream] : attached_) {
      if (stream == heartbeat->stream) heard_ms_[member] = now_ms;
    }
  }
  if (const auto* lost = std::get_if<LoseStream>(&event)) {
    std::erase_if(attached_, [&](const auto& at) { return at.second == lost->stream; });
  }
  std::map<std::pair<std::string, TopicPartition>, std::int64_t> revoked;
  for (const auto& [id, member] : world_.whole_view_.members()) {
    for (const auto& [at, held] : member.current.held) {
      if (!held.revoking) continue;
      const auto since = revoked_ms_.find({id, at});
      revoked[{id, at}] = since == revoked_ms_.end() ? now_ms : since->second;
    }
  }
  revoked_ms_ = std::move(revoked);
}

void GroupOracle::AfterRebuild() {
  attached_.clear();
  revoked_ms_.clear();
  heard_ms_.clear();
  replay_before_.reset();
  for (const auto& [id, member] : world_.whole_view_.members()) heard_ms_[id] = world_.now_.monotonic_ms;
}

// Who is out must have left, been replaced, been silent, or kept what it was to give up.
void GroupOracle::CheckFences(const GroupEvent& event) {
  for (const auto& [id, member] : before_) {
    if (world_.whole_view_.Lives(id, member.record.joined_epoch)) continue;
    bool cause = false;
    if (const auto* leave = std::get_if<LeaveGroup>(&event)) {
      cause = attached_.contains(id) && attached_.at(id) == leave->stream && (!leave->keep_slot || member.record.instance_id.empty());
    } else if (const auto* join = std::get_if<JoinGroup>(&event)) {
      cause = join->member == id || (!join->instance_id.empty() && join->instance_id == member.record.instance_id);
    } else if (const auto* timer = std::get_if<GroupTimerFired>(&event)) {
      const std::int64_t now_ms = world_.now_.monotonic_ms;
      cause = timer->kind == GroupTimerKind::kSession && timer->member == id && now_ms - heard_ms_[id] >= GroupWorld::kSessionMs;
      for (const auto& [at, since_ms] : revoked_ms_) {
        cause |= timer->kind == GroupTimerKind::kRevocation && timer->member == id && at.first == id && now_ms - since_ms >= GroupWorld::kRebalanceMs;
      }
    }
    if (!cause) Fail(absl::StrCat("member ", id, " is out without a cause"));
  }
  const auto* timer = std::get_if<GroupTimerFired>(&event);
  if (timer == nullptr || timer->kind == GroupTimerKind::kExpiry || !world_.whole_view_.members().contains(timer->member)) return;
  for (const auto& [at, since_ms] : revoked_ms_) {
    if (timer->kind == GroupTimerKind::kRevocation && at.first == timer->member && world_.now_.monotonic_ms - since_ms >= GroupWorld::kRebalanceMs &&
        world_.whole_view_.members().at(timer->member).current.held.contains(at.second)) {
      Fail(absl::StrCat("member ", timer->member, " kept ", world_.Text(at.second), " too long and is still in"));
    }
  }
}

void GroupOracle::CheckEpochs() {
  const auto& header = world_.whole_view_.header();
  if (header.has_value() && header_before_.has_value()) {
    if (header->group_epoch < header_before_->group_epoch) Fail("the group epoch went back");
    if (header->assignment_epoch < header_before_->assignment_epoch) Fail("the assignment epoch went back");
  }
  for (const auto& [id, member] : world_.whole_view_.members()) {
    const auto before = before_.find(id);
    if (before == before_.end()) continue;
    if (member.record.joined_epoch == before->second.record.joined_epoch) {
      if (member.current.epoch < before->second.current.epoch) Fail("a member epoch went back");
    } else if (member.record.joined_epoch <= before->second.current.epoch) {
      Fail("a new incarnation is not above what the old one was told");
    }
  }
}

// What members are told of positions is what was committed last.
void GroupOracle::CheckPositions(const GroupActions& actions) {
  auto check = [&](const AssignedPartition& assigned) {
    const auto& offsets = world_.whole_view_.offsets();
    const auto committed = offsets.find(assigned.at);
    const bool same = committed == offsets.end() ? !assigned.offset.has_value() && assigned.position_epoch == PositionEpoch(0)
                                                 : assigned.offset == committed->second.offset && assigned.position_epoch == committed->second.position_epoch;
    const auto& job = world_.whole_view_.replay();
    const ReplayRange* range = job.has_value() ? job->RangeAt(assigned.at) : nullptr;
    if (assigned.end != (range == nullptr ? std::nullopt : std::optional(range->to))) Fail("a member is told of another end of its range");
    if (!same) Fail(absl::StrCat("a member is told a position of ", world_.Text(assigned.at), " that is not the committed one"));
  };
  for (const GroupTell& tell : actions.tells) {
    if (const auto* target = std::get_if<TellTarget>(&tell.what)) std::for_each(target->assigned.begin(), target->assigned.end(), check);
    if (const auto* told = std::get_if<TellPositions>(&tell.what)) std::for_each(told->positions.begin(), told->positions.end(), check);
    const auto* reset = std::get_if<ResetDone>(&tell.what);
    if (reset == nullptr || !reset->status.ok()) continue;
    for (const auto& owned : reset->owners) {
      const TopicPartition& at = owned.first;
      const auto stream = attached_.find(owned.second);
      if (stream == attached_.end()) continue;
      const bool told = std::any_of(actions.tells.begin(), actions.tells.end(), [&](const GroupTell& other) {
        const auto* positions = std::get_if<TellPositions>(&other.what);
        return positions != nullptr && positions->stream == stream->second &&
               std::any_of(positions->positions.begin(), positions->positions.end(), [&](const AssignedPartition& p) { return p.at == at; });
      });
      if (!told) Fail("an owner is not told of a reset");
    }
  }
}

std::set<TopicId> GroupOracle::TopicsOf(const std::string& id) const {
  const GroupMember& record = world_.whole_view_.members().at(id).record;
  std::vector<std::string> names = record.topics;
  for (const std::string& name : world_.Matches(record.pattern)) names.push_back(name);
  std::set<TopicId> topics;
  for (const std::string& name : names) {
    if (const auto topic = world_.topics_->by_name.find(name); topic != world_.topics_->by_name.end()) topics.insert(topic->second.id);
  }
  return topics;
}

void GroupOracle::CheckTarget() {
  std::set<TopicPartition> wanted, assigned;
  for (const auto& [id, member] : world_.whole_view_.members()) {
    const std::set<TopicId> topics = TopicsOf(id);
    for (const TopicId& topic : topics) {
      for (std::int32_t p = 0; world_.topics_->Has({topic, PartitionIndex(p)}); ++p) {
        if (MayBeAssigned({topic, PartitionIndex(p)})) wanted.insert({topic, PartitionIndex(p)});
      }
    }
    for (const TopicPartition& at : member.target) {
      if (!topics.contains(at.topic)) Fail("assigned to a member that does not subscribe to it");
      if (!assigned.insert(at).second) Fail("assigned to two members");
    }
  }
  if (assigned != wanted) Fail("a subscribed partition is assigned to nobody, or one that does not exist is");
  if (world_.whole_view_.header().has_value() && world_.whole_view_.header()->assignment_epoch != world_.whole_view_.header()->group_epoch &&
      !world_.whole_view_.members().empty()) {
    Fail("the target is of an old group epoch");
  }
  CheckShares();
  CheckMoves();
}

// No partition could go to a member that is two emptier; with `range` that holds topic by topic.
void GroupOracle::CheckShares() {
  const auto& members = world_.whole_view_.members();
  if (members.empty()) return;
  const bool range = world_.whole_view_.header()->assignor == AssignorKind::kRange;
  for (const auto& [from, holder] : members) {
    for (const TopicPartition& at : holder.target) {
      for (const auto& [to, other] : members) {
        if (to == from || !TopicsOf(to).contains(at.topic)) continue;
        auto load = [&](const LogView::Member& member) {
          return std::count_if(member.target.begin(), member.target.end(), [&](const TopicPartition& p) { return !range || p.topic == at.topic; });
        };
        if (load(holder) - load(other) >= 2) Fail(absl::StrCat("not balanced: ", from, " could give ", world_.Text(at), " to ", to));
      }
    }
  }
}

// Where a partition was: in whose target, if that member is still there; else with its holder.
std::string GroupOracle::PresentOwner(const TopicPartition& at) const {
  for (const auto& [id, member] : before_) {
    if (std::binary_search(member.target.begin(), member.target.end(), at)) return id;
  }
  for (const auto& [id, member] : before_) {
    if (member.current.held.contains(at)) return id;
  }
  return {};
}

// With equal subscriptions and `uniform` the most that can stay is known.
void GroupOracle::CheckMoves() {
  const auto& members = world_.whole_view_.members();
  if (members.empty() || world_.whole_view_.header()->assignor != AssignorKind::kUniform) return;
  const std::set<TopicId> topics = TopicsOf(members.begin()->first);
  if (std::any_of(members.begin(), members.end(), [&](const auto& member) { return TopicsOf(member.first) != topics; })) return;
  std::size_t total = 0, stay = 0;
  std::map<std::string, std::size_t> had;
  for (const auto& [id, member] : members) had[id] = 0;
  for (const auto& [id, member] : members) {
    for (const TopicPartition& at : member.target) {
      const std::string present = PresentOwner(at);
      ++total;
      stay += present == id;
      if (had.contains(present)) ++had[present];
    }
  }
  std::vector<std::size_t> counts;
  for (const auto& [id, count] : had) counts.push_back(count);
  std::sort(counts.begin(), counts.end(), std::greater<>());
  std::size_t could_stay = 0;
  for (std::size_t i = 0; i < counts.size(); ++i) {
    could_stay += std::min(counts[i], total / counts.size() + (i < total % counts.size() ? 1 : 0));
  }
  if (stay < could_stay) Fail(absl::StrCat(could_stay - stay, " partitions move without need"));
}

void GroupOracle::AfterCommit(const SentCommit& sent, const Status& answer) {
  const CommitEntry& entry = sent.event.entries[0];
  const LogView& view = world_.whole_view_;
  const bool lives = view.Lives(sent.event.member, sent.joined_epoch);
  const bool holds = lives && view.members().at(sent.event.member).current.held.contains(entry.at);
  const auto committed = view.offsets().find(entry.at);
  if (answer.ok()) {
    if (!lives) return Fail("a zombie's commit was taken");
    if (!holds) return Fail("a commit was taken from a member that does not own the partition");
    if (sent.tenure < tenure(entry.at)) return Fail("a commit of an earlier tenure was taken");
    if (committed == view.offsets().end() || committed->second.offset != entry.offset) return Fail("a commit that was taken is not in the log");
    if (position_epoch_before_ != entry.position_epoch) return Fail("a commit from before a reset was taken");
    if (!MayBeCommitted(entry.at, entry.offset)) return Fail("a commit outside the range of the replay job was taken");
    return;
  }
  const Client& client = world_.clients_[sent.client];
  const auto mine = client.owned.find(entry.at);
  const bool attached = sent.event.stream == StreamId(0) || (attached_.contains(client.member) && attached_.at(client.member) == sent.event.stream);
  if (holds && attached && client.alive && client.member == sent.event.member && client.joined_epoch == sent.joined_epoch && mine != client.owned.end() &&
      mine->second.taken == sent.taken && sent.tenure == tenure(entry.at) && position_epoch_before_ == entry.position_epoch && world_.topics_->Has(entry.at) &&
      MayBeCommitted(entry.at, entry.offset)) {
    Fail(absl::StrCat("the owner's commit was refused: ", MessageOf(answer)));
  }
}

void GroupOracle::AfterManualCommit(const CommitOffsets& commit, const Status& answer) {
  const bool empty = world_.whole_view_.members().empty();
  if (answer.ok() && !empty) Fail("a manual commit was taken while there are members");
  const bool current = position_epoch_before_ == commit.entries[0].position_epoch;
  if (!answer.ok() && empty && current && MayBeCommitted(commit.entries[0].at, commit.entries[0].offset)) Fail("a manual commit to an empty group was refused");
  if (answer.ok() && !current) Fail("a manual commit from before a reset was taken");
}

void GroupOracle::AtSend(const Stream& stream, const TellTarget& target) {
  const Incarnation who{world_.clients_[stream.client].member, stream.joined_epoch};
  std::set<TopicPartition> assigned;
  for (const AssignedPartition& partition : target.assigned) assigned.insert(partition.at);
  if (stream.joined_epoch == MemberEpoch(0)) return Fail("a target before the welcome");
  if (!world_.durable_view_.Lives(who.first, who.second)) {
    if (world_.whole_view_.Lives(who.first, who.second)) return Fail("told before it was durable");
    return;  // out already; the end of the stream follows
  }
  const LogView::Member& durable = world_.durable_view_.members().at(who.first);
  if (target.epoch > durable.current.epoch) return Fail("an epoch was told before it was durable");
  const auto told = told_.find(who);
  if (told != told_.end()) {
    if (target.epoch < told->second.first) return Fail("a target with an older epoch");
    if (target.epoch == told->second.first && assigned != told->second.second) return Fail("two targets under one epoch");
  }
  told_[who] = {target.epoch, assigned};
}

bool GroupOracle::IsFenced(const Incarnation& who) const { return !world_.durable_view_.Lives(who.first, who.second); }

// Who has, or is about to hear that it has, each partition.
void GroupOracle::AfterAnything() {
  std::map<TopicPartition, std::set<Incarnation>> claims;
  for (const Client& client : world_.clients_) {
    const Incarnation who{client.member, client.joined_epoch};
    if (IsFenced(who)) continue;
    for (const auto& [at, holding] : client.owned) claims[at].insert(who);
  }
  for (const auto& [id, stream] : world_.streams_) {
    const Client& client = world_.clients_[stream.client];
    const Incarnation who{client.member, stream.joined_epoch};
    if (client.stream != id || IsFenced(who)) continue;
    for (const ToClient& message : stream.to_client) {
      const auto* target = std::get_if<TellTarget>(&message);
      if (target == nullptr) continue;
      for (const AssignedPartition& assigned : target->assigned) claims[assigned.at].insert(who);
    }
  }
  for (const auto& [at, owners] : claims) {
    if (!world_.topics_->Has(at)) continue;
    if (owners.size() > 1) return Fail(absl::StrCat(world_.Text(at), " has ", owners.size(), " owners: ", owners.begin()->first, ", ", owners.rbegin()->first));
    if (owners_.contains(at) && owners_.at(at) == *owners.begin()) continue;
    owners_[at] = *owners.begin();
    ++tenures_[at];
  }
}

// Every live client is in, every partition that anyone subscribes to is with one of them, and nothing is under way.
void GroupOracle::AtRest() {
  const LogView& view = world_.whole_view_;
  std::set<std::string> alive;
  std::map<TopicPartition, int> owned;
  for (const Client& client : world_.clients_) {
    if (!client.alive || !view.members().contains(client.member)) continue;
    alive.insert(client.member);
    for (const auto& [at, holding] : client.owned) ++owned[at];
  }
  for (const Client& client : world_.clients_) {
    if (client.alive && !alive.contains(client.member) && view.members().size() < GroupWorld::kMembersMax) Fail("a live client is not in at rest");
  }
  if (alive.size() != view.members().size()) return Fail("a dead member is in at rest");
  if (world_.core_->wants_target()) return Fail("a target is due at rest");
  if (alive.empty()) return;
  CheckShares();
  for (const auto& [id, member] : view.members()) {
    for (const auto& [at, held] : member.current.held) {
      if (held.revoking) Fail("a revocation waits at rest");
    }
    for (const TopicPartition& at : member.target) {
      if (!member.current.held.contains(at) || owned[at] != 1) Fail(absl::StrCat(world_.Text(at), " has no owner at rest"));
    }
    for (const TopicId& topic : TopicsOf(id)) {
      for (std::int32_t p = 0; world_.topics_->Has({topic, PartitionIndex(p)}); ++p) {
        if (MayBeAssigned({topic, PartitionIndex(p)}) && owned[{topic, PartitionIndex(p)}] != 1) Fail(absl::StrCat(world_.Text({topic, PartitionIndex(p)}), " has no owner at rest"));
      }
    }
  }
}

}  // namespace cordwood::broker
