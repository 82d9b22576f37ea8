// SPDX-License-Identifier: Apache-2.0
// The clients of the simulated world: they join, hear, take up, give up, commit, and lose their streams.
#include <algorithm>

#include "absl/strings/str_cat.h"
#include "tests/groups/group_oracle.h"
#include "tests/groups/group_world.h"

namespace cordwood::broker {
namespace {

std::vector<TopicPartition> Keys(const std::map<TopicPartition, Holding>& owned) {
  std::vector<TopicPartition> keys;
  for (const auto& [at, holding] : owned) keys.push_back(at);
  return keys;
}

}  // namespace

std::string GroupWorld::Text(const TopicPartition& at) const {
  const auto name = topics_->names.find(at.topic);
  return absl::StrCat(name == topics_->names.end() ? "(deleted)" : name->second, "-", at.partition.value());
}

GroupSubscription GroupWorld::RandomSubscription() {
  GroupSubscription subscription;
  if (Chance(5)) {
    subscription.pattern = Chance(2) ? "even" : "odd";
  } else if (Chance(2)) {
    subscription.topics = {"t0", "t1", "t2", "t3"};
  } else {
    for (int t = 0; t < 4; ++t) {
      if (Chance(2)) subscription.topics.push_back(absl::StrCat("t", t));
    }
  }
  return subscription;
}

std::vector<std::string> GroupWorld::Matches(const std::string& pattern) const {
  std::vector<std::string> matches;
  for (const auto& [name, topic] : topics_->by_name) {
    const bool even = (name.back() - '0') % 2 == 0;
    if ((pattern == "even" && even) || (pattern == "odd" && !even)) matches.push_back(name);
  }
  return matches;
}

PatternMatches GroupWorld::MatchesOf(const std::string& pattern) const { return std::make_shared<const std::vector<std::string>>(Matches(pattern)); }

PatternTopics GroupWorld::Patterns() const {
  PatternTopics patterns;
  for (const std::string& pattern : core_->patterns()) patterns[pattern] = MatchesOf(pattern);
  return patterns;
}

// On a new stream: it goes on where it was, or begins anew and owns nothing.
void GroupWorld::Join(std::size_t at) {
  Client& client = clients_[at];
  if (!client.alive || client.zombie) return;
  if (client.stream != StreamId(0)) BreakStream(client.stream);
  client.stream = StreamId(0);
  if (client.epoch == MemberEpoch(0) && client.new_member) {
    client.member = absl::StrCat("m", ++members_made_);
    client.new_member = false;
  }
  const StreamId id(++streams_made_);
  Stream& stream = streams_[id];
  stream.client = at;
  stream.asked_anew = client.epoch == MemberEpoch(0);
  stream.joined_epoch = stream.asked_anew ? MemberEpoch(0) : client.joined_epoch;
  JoinGroup join;
  join.stream = client.stream = id;
  join.member = client.member;
  join.instance_id = client.instance;
  join.subscription = client.subscription;
  join.assignor = client.assignor;
  join.rebalance_timeout_ms = kRebalanceMs;
  join.epoch = client.epoch;
  join.owned = Keys(client.owned);
  Note(absl::StrCat("client ", at, " joins as ", client.member, " at epoch ", client.epoch.value(), " on stream ", id.value()));
  stream.to_server.push_back(std::move(join));
}

void GroupWorld::SendToServer(Client& client, ToServer message) {
  Stream& stream = streams_.at(client.stream);
  if (!stream.cut) stream.to_server.push_back(std::move(message));
}

void GroupWorld::Heartbeat(std::size_t at) {
  Client& client = clients_[at];
  if (!client.alive || client.zombie || client.stream == StreamId(0) || client.epoch == MemberEpoch(0)) return;
  Note(absl::StrCat("client ", at, " sends a heartbeat at epoch ", client.epoch.value()));
  SendToServer(client, MemberHeartbeat{client.stream, client.epoch, Keys(client.owned)});
}

void GroupWorld::GiveUp(std::size_t at) {
  Client& client = clients_[at];
  if (!client.alive || client.zombie || client.stubborn || client.to_give_up.empty()) return;
  std::string text;
  for (const TopicPartition& partition : client.to_give_up) {
    if (client.owned.contains(partition)) client.former[partition] = client.owned.at(partition);
    client.owned.erase(partition);
    absl::StrAppend(&text, " ", Text(partition));
  }
  client.to_give_up.clear();
  Note(absl::StrCat("client ", at, " gives up", text));
  Heartbeat(at);
}

// Of one partition: mostly one it owns; sometimes, as a bad client would, one that it gave up.
void GroupWorld::Commit(std::size_t at) {
  Client& client = clients_[at];
  const bool late = Chance(4);
  const auto& from = late ? client.former : client.owned;
  if (!client.alive || client.epoch == MemberEpoch(0) || from.empty()) return;
  const auto& [partition, holding] = *std::next(from.begin(), static_cast<std::ptrdiff_t>(Up(from.size())));
  SentCommit sent;
  sent.client = at;
  sent.joined_epoch = client.joined_epoch;
  sent.tenure = holding.tenure;
  sent.taken = holding.taken;
  sent.event.request = ++requests_;
  sent.event.member = client.member;
  sent.event.instance_id = client.instance;
  sent.event.epoch = client.epoch;
  sent.event.entries.push_back({partition, Offset(static_cast<std::int64_t>(Up(100))), kNoLeaderEpoch, holding.position_epoch, "", {}});
  const ReplayRange* range = whole_view_.replay().has_value() ? whole_view_.replay()->RangeAt(partition) : nullptr;
  if (range != nullptr && Chance(2)) sent.event.entries[0].offset = range->to;
  Note(absl::StrCat("client ", at, " commits ", Text(partition), " at epoch ", client.epoch.value(), late ? ", too late" : ""));
  if (client.stream != StreamId(0) && Chance(2)) {
    SendToServer(client, sent);
  } else {
    unary_.push_back(sent);
  }
}

void GroupWorld::DeliverCommit(const SentCommit& sent) {
  Note(absl::StrCat("the coordinator gets a commit of client ", sent.client, " for ", Text(sent.event.entries[0].at)));
  for (const GroupTell& tell : Step(sent.event).tells) {
    if (const auto* done = std::get_if<CommitDone>(&tell.what)) oracle_->AfterCommit(sent, done->entries[0]);
  }
}

// Some of what is under way arrives, the rest does not. The client may notice at once, or only when it hears that the stream is broken.
void GroupWorld::BreakStream(StreamId id) {
  Stream& stream = streams_.at(id);
  Note(absl::StrCat("stream ", id.value(), " breaks"));
  if (!stream.cut) {
    stream.to_server.resize(Up(stream.to_server.size() + 1));
    stream.to_server.push_back(LoseStream{id});
  }
  stream.cut = true;
  Client& client = clients_[stream.client];
  if (client.stream != id) return;
  if (client.alive && Chance(2)) {
    stream.to_client.resize(Up(stream.to_client.size() + 1));
    stream.to_client.push_back(BrokenStream{});
  } else {
    client.stream = StreamId(0);
  }
}

void GroupWorld::Deliver(StreamId id) {
  Stream& stream = streams_.at(id);
  if (stream.to_server.empty()) {
    if (clients_[stream.client].stream != id) streams_.erase(id);
    return;
  }
  ToServer message = std::move(stream.to_server.front());
  stream.to_server.pop_front();
  if (const auto* sent = std::get_if<SentCommit>(&message)) {
    SentCommit commit = *sent;
    commit.event.stream = id;
    return DeliverCommit(commit);
  }
  Note(absl::StrCat("the coordinator reads stream ", id.value(), ", message ", message.index()));
  if (auto* join = std::get_if<JoinGroup>(&message)) {
    join->subscription.pattern_topics = MatchesOf(join->subscription.pattern);
    Step(*join);
  }
  if (auto* change = std::get_if<ChangeSubscription>(&message)) {
    change->subscription.pattern_topics = MatchesOf(change->subscription.pattern);
    Step(*change);
  }
  if (const auto* heartbeat = std::get_if<MemberHeartbeat>(&message)) Step(*heartbeat);
  if (const auto* confirm = std::get_if<ConfirmPositions>(&message)) Step(*confirm);
  if (const auto* leave = std::get_if<LeaveGroup>(&message)) Step(*leave);
  if (const auto* lost = std::get_if<LoseStream>(&message)) Step(*lost);
}

void GroupWorld::Hear(StreamId id) {
  Stream& stream = streams_.at(id);
  Client& client = clients_[stream.client];
  if (client.stream != id || !client.alive) return stream.to_client.clear();
  if (client.zombie || stream.to_client.empty()) return;
  const ToClient message = std::move(stream.to_client.front());
  stream.to_client.pop_front();
  if (const auto* welcome = std::get_if<TellWelcome>(&message)) {
    if (stream.asked_anew) client.joined_epoch = client.epoch = welcome->epoch;
  } else if (const auto* target = std::get_if<TellTarget>(&message)) {
    Note(absl::StrCat("client ", stream.client, " takes in its target of epoch ", target->epoch.value(), ": ", target->assigned.size(), " assigned, ",
                      target->revoke.size(), " to give up; ", target->reason));
    Take(client, *target);
  } else if (const auto* told = std::get_if<TellPositions>(&message)) {
    ConfirmPositions confirm{id, {}};
    for (const AssignedPartition& assigned : told->positions) {
      const auto mine = client.owned.find(assigned.at);
      if (mine == client.owned.end()) continue;
      mine->second.position_epoch = assigned.position_epoch;
      confirm.positions.emplace_back(assigned.at, assigned.position_epoch);
    }
    Note(absl::StrCat("client ", stream.client, " goes on from new positions"));
    SendToServer(client, confirm);
  } else if (const auto* end = std::get_if<EndStream>(&message)) {
    Note(absl::StrCat("client ", stream.client, " hears the end of stream ", id.value(), ": ", std::string(ReasonName(ReasonOf(end->status)))));
    client.stream = StreamId(0);
    client.owned.clear();
    client.to_give_up.clear();
    client.epoch = MemberEpoch(0);
    if (ReasonOf(end->status) != Reason::kFencedMemberEpoch) client.new_member = true;
    if (ReasonOf(end->status) == Reason::kFencedInstanceId) client.alive = false;
  } else {
    client.stream = StreamId(0);
  }
}

void GroupWorld::Take(Client& client, const TellTarget& target) {
  std::map<TopicPartition, Holding> owned;
  ConfirmPositions confirm{client.stream, {}};
  client.to_give_up.clear();
  for (const TopicPartition& at : target.revoke) {
    const auto mine = client.owned.find(at);
    if (mine == client.owned.end()) continue;
    owned.insert(*mine);
    client.to_give_up.insert(at);
  }
  for (const AssignedPartition& assigned : target.assigned) {
    const auto mine = client.owned.find(assigned.at);
    owned[assigned.at] = mine == client.owned.end() ? Holding{oracle_->tenure(assigned.at), assigned.position_epoch, ++takings_} : mine->second;
    owned[assigned.at].position_epoch = std::max(owned[assigned.at].position_epoch, assigned.position_epoch);
    confirm.positions.emplace_back(assigned.at, assigned.position_epoch);
    client.former.erase(assigned.at);
  }
  client.owned = std::move(owned);
  client.epoch = target.epoch;
  SendToServer(client, confirm);
}

}  // namespace cordwood::broker
