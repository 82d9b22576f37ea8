// SPDX-License-Identifier: Apache-2.0
// What may happen to a group, the coordinator's driver, and the way to rest.
#include "tests/groups/group_world.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "storage/base/check.h"
#include "tests/groups/group_oracle.h"

namespace cordwood::broker {
namespace {

constexpr std::size_t kTopicsMax = 4;
constexpr std::int32_t kPartitionsMax = 4;
constexpr int kRestRounds = 30;

GroupCoreOptions Options() {
  GroupCoreOptions options;
  options.session_timeout_ms = GroupWorld::kSessionMs;
  options.members_max = GroupWorld::kMembersMax;
  options.offsets_retention_ms = GroupWorld::kRetentionMs;
  return options;
}

}  // namespace

GroupWorld::GroupWorld(std::uint64_t seed, bool trace)
    : random_(seed), replays_(seed % 4 == 3), tracing_(trace), topics_(std::make_shared<TopicView>()), core_(std::make_unique<GroupCore>("g", Options())),
      oracle_(std::make_unique<GroupOracle>(*this)) {
  Step(ActivateGroup{topics_, {}});
  ChangeTopicsAtRandom();
  ChangeTopicsAtRandom();
  if (replays_) StartReplayAtRandom();
}

GroupWorld::~GroupWorld() = default;

void GroupWorld::Note(const std::string& line) {
  ++events_;
  if (tracing_) absl::StrAppend(&trace_, "  ", line, "\n");
}

std::optional<std::string> GroupWorld::Run(int steps) {
  for (int i = 0; i < steps && !oracle_->violation().has_value(); ++i) {
    RandomStep();
    oracle_->AfterAnything();
  }
  if (!oracle_->violation().has_value()) Rest();
  return oracle_->violation();
}

// Mostly messages arrive and are acted upon; trouble comes in between.
void GroupWorld::RandomStep() {
  if (clients_.empty()) return StartClient();
  if (replays_ && Chance(40)) return ChangeReplayAtRandom();
  const std::uint64_t what = Up(200);
  if (what < 90) return MoveOneMessage();
  if (what < 105) return Sync(Chance(2) ? log_.size() : durable_ + Up(log_.size() - durable_ + 1));
  if (what < 115) return Heartbeat(Up(clients_.size()));
  if (what < 130) return GiveUp(Up(clients_.size()));
  if (what < 150) return Commit(Up(clients_.size()));
  if (what < 153) return DeliverUnary();  // rarely: a commit may be under way for long
  if (what < 171) {
    if (core_->wants_target()) Step(ComputeTarget{});
    return;
  }
  if (what < 175) return StartClient();
  if (what < 187) return Disturb(Up(clients_.size()));
  if (what < 190) return PassTime();
  if (what < 193) return static_cast<void>(FireTimer(Chance(5)));
  if (what < 195) return ChangeTopicsAtRandom();
  if (what < 198) return Reset();
  if (what < 199) return CommitManually();
  CrashCoordinator();
}

void GroupWorld::MoveOneMessage() {
  std::vector<StreamId> to_coordinator, to_client;
  for (const auto& [id, stream] : streams_) {
    const Client& client = clients_[stream.client];
    if (!stream.to_server.empty() || client.stream != id) to_coordinator.push_back(id);
    if (!stream.to_client.empty() && !client.zombie) to_client.push_back(id);
  }
  if (!to_coordinator.empty() && (to_client.empty() || Chance(2))) return Deliver(to_coordinator[Up(to_coordinator.size())]);
  if (!to_client.empty()) Hear(to_client[Up(to_client.size())]);
}

void GroupWorld::DeliverUnary() {
  if (unary_.empty()) return;
  const std::size_t at = Up(unary_.size());
  const SentCommit commit = unary_[at];
  if (!Chance(4)) unary_.erase(unary_.begin() + static_cast<std::ptrdiff_t>(at));  // else it comes twice
  DeliverCommit(commit);
}

void GroupWorld::StartClient() {
  if (clients_.size() >= kMembersMax + 1) return;
  Client client;
  client.new_member = true;
  if (Chance(3)) client.instance = absl::StrCat("i", Up(3));
  client.subscription = RandomSubscription();
  if (Chance(6)) client.assignor = "range";
  clients_.push_back(client);
  Join(clients_.size() - 1);
}

// Loss of the stream, the process or its senses, a leave, another subscription.
void GroupWorld::Disturb(std::size_t at) {
  Client& client = clients_[at];
  if (!client.alive) {
    Note(absl::StrCat("client ", at, " starts again"));
    const Client dead = client;
    client = Client();
    client.new_member = true;
    client.instance = dead.instance;
    client.subscription = dead.subscription;
    return Join(at);
  }
  switch (Up(10)) {
    case 0:
      if (client.stream != StreamId(0)) BreakStream(client.stream);
      return;
    case 1:
      Note(absl::StrCat("client ", at, " crashes"));
      client.alive = false;
      if (client.stream != StreamId(0)) BreakStream(client.stream);
      client.stream = StreamId(0);
      return client.owned.clear();
    case 2:
      Note(absl::StrCat("client ", at, client.zombie ? " wakes" : " sleeps"));
      client.zombie = !client.zombie;
      return;
    case 3:
      Note(absl::StrCat("client ", at, client.stubborn ? " is good" : " is stubborn"));
      client.stubborn = !client.stubborn;
      return;
    case 4:
      if (client.stream == StreamId(0) || client.epoch == MemberEpoch(0)) return;
      Note(absl::StrCat("client ", at, " leaves"));
      client.owned.clear();
      SendToServer(client, LeaveGroup{client.stream, Chance(2)});
      client.epoch = MemberEpoch(0);
      client.new_member = true;
      return;
    case 5:
    case 6:
    case 7:
      if (client.stream == StreamId(0)) return;
      client.subscription = RandomSubscription();
      Note(absl::StrCat("client ", at, " changes its subscription"));
      return SendToServer(client, ChangeSubscription{client.stream, client.subscription});
    default: return Join(at);
  }
}

void GroupWorld::ChangeTopicsAtRandom() {
  auto topics = std::make_shared<TopicView>(*topics_);
  if (topics->names.size() < kTopicsMax && (topics->names.empty() || Chance(2))) {
    TopicId id;
    id.bytes[0] = static_cast<std::uint8_t>(++topics_made_);
    std::string name = absl::StrCat("t", Up(kTopicsMax));
    if (topics->by_name.contains(name)) return;
    topics->Add(name, {id, 1 + static_cast<std::int32_t>(Up(kPartitionsMax - 1))});
    Note(absl::StrCat("topic ", name, " is made"));
  } else {
    auto it = std::next(topics->by_name.begin(), static_cast<std::ptrdiff_t>(Up(topics->by_name.size())));
    if (Chance(3)) {
      Note(absl::StrCat("topic ", it->first, " is deleted"));
      topics->names.erase(it->second.id);
      topics->by_name.erase(it);
    } else if (it->second.partitions < kPartitionsMax) {
      Note(absl::StrCat("topic ", it->first, " grows"));
      ++it->second.partitions;
    }
  }
  topics_ = topics;
  Step(ChangeTopics{topics_, Patterns()});
}

void GroupWorld::Reset() {
  ResetOffsets reset{++requests_, {}};
  for (const auto& [name, topic] : topics_->by_name) {
    for (std::int32_t p = 0; p < topic.partitions; ++p) {
      if (Chance(3)) reset.entries.push_back({{topic.id, PartitionIndex(p)}, Offset(static_cast<std::int64_t>(Up(50))), kNoLeaderEpoch});
    }
  }
  Note(absl::StrCat("reset of ", reset.entries.size(), " partitions"));
  Step(reset);
}

void GroupWorld::CommitManually() {
  if (Chance(3)) {
    Note("delete the group");
    const bool had_members = !whole_view_.members().empty();
    const GroupActions actions = Step(DeleteGroup{++requests_});
    for (const GroupTell& tell : actions.tells) {
      const auto* done = std::get_if<DeleteDone>(&tell.what);
      if (done != nullptr && done->status.ok() == had_members) oracle_->Fail("a group is deleted if it has no members, and only then");
    }
    return;
  }
  if (topics_->by_name.empty()) return;
  const GroupTopic topic = topics_->by_name.begin()->second;
  CommitOffsets commit;
  commit.request = ++requests_;
  commit.entries.push_back({{topic.id, PartitionIndex(0)}, Offset(7), kNoLeaderEpoch, PositionEpoch(static_cast<std::uint32_t>(Up(2))), "", {}});
  Note("manual commit");
  for (const GroupTell& tell : Step(commit).tells) {
    if (const auto* done = std::get_if<CommitDone>(&tell.what)) oracle_->AfterManualCommit(commit, done->entries[0]);
  }
}

// Any suffix of what was not durable is lost, with all messages to the coordinator and some from it; a new one starts from the rest.
void GroupWorld::CrashCoordinator() {
  log_.resize(durable_ + Up(log_.size() - durable_ + 1));
  durable_ = log_.size();
  Note(absl::StrCat("the coordinator crashes; ", log_.size(), " batches are left"));
  pending_.clear();
  timers_.clear();
  for (auto& [id, stream] : streams_) {
    stream.to_server.clear();
    stream.cut = true;
    stream.to_client.resize(Up(stream.to_client.size() + 1));
    stream.to_client.push_back(BrokenStream{});
  }
  whole_view_ = durable_view_ = LogView();
  for (const auto& batch : log_) {
    for (const GroupRecord& record : batch) whole_view_.Apply(record);
  }
  durable_view_ = whole_view_;
  const bool compacted = Chance(2);
  core_ = std::make_unique<GroupCore>("g", Options());
  auto apply = [&](const std::string& key, const std::optional<std::string>& value) {
    const auto decoded = DecodeGroupRecordKey(key);
    CORDWOOD_CHECK(decoded.ok());
    const Status applied = core_->Apply(*decoded, value.has_value() ? std::optional<std::string_view>(*value) : std::nullopt);
    if (!applied.ok()) oracle_->Fail(MessageOf(applied));
  };
  if (compacted) {
    for (const auto& [key, value] : whole_view_.records()) apply(key, value);
  } else {
    for (const auto& batch : log_) {
      for (const GroupRecord& record : batch) apply(record.key, record.value);
    }
  }
  if (const Status sound = core_->FinishReplay(); !sound.ok()) oracle_->Fail(MessageOf(sound));
  if (core_->state().Snapshot() != whole_view_.records()) oracle_->Fail("the state built anew is not the state that was");
  oracle_->AfterRebuild();
  Step(ActivateGroup{topics_, Patterns()});
}

void GroupWorld::PassTime() {
  const auto ms = static_cast<std::int64_t>(Up(4000));
  now_.monotonic_ms += ms;
  now_.wall_ms += ms;
  if (Chance(10)) now_.wall_ms += static_cast<std::int64_t>(Up(40'000)) - 20'000;  // the wall clock jumps
}

GroupActions GroupWorld::Step(const GroupEvent& event) {
  oracle_->BeforeStep(event);
  GroupActions actions = core_->Step(event, now_);
  if (!actions.records.empty()) {
    log_.push_back(actions.records);
    for (const GroupRecord& record : actions.records) whole_view_.Apply(record);
  }
  for (const GroupTimer& timer : actions.timers) {
    if (timer.deadline_ms.has_value()) {
      timers_[{timer.kind, timer.member}] = *timer.deadline_ms;
    } else {
      timers_.erase({timer.kind, timer.member});
    }
  }
  oracle_->AfterStep(event, actions);
  if (!whole_view_.header().has_value()) {
    for (Client& client : clients_) client.new_member = true;  // epochs begin anew: no id of before is used again
  }
  for (const GroupTell& tell : actions.tells) {
    if (tell.durable) {
      pending_.push_back({log_.size(), tell});
    } else {
      Send(tell);
    }
  }
  Sync(durable_);
  return actions;
}

void GroupWorld::Sync(std::size_t length) {
  for (; durable_ < length; ++durable_) {
    for (const GroupRecord& record : log_[durable_]) durable_view_.Apply(record);
  }
  while (!pending_.empty() && pending_.front().log_length <= durable_) {
    const GroupTell tell = pending_.front().tell;
    pending_.pop_front();
    Send(tell);
  }
}

void GroupWorld::Send(const GroupTell& tell) {
  auto send = [&](StreamId id, ToClient message) {
    const auto it = streams_.find(id);
    if (it == streams_.end() || it->second.cut || clients_[it->second.client].stream != id) return;
    Stream& stream = it->second;
    if (const auto* welcome = std::get_if<TellWelcome>(&message)) {
      stream.joined_epoch = stream.asked_anew ? welcome->epoch : clients_[stream.client].joined_epoch;
    }
    if (const auto* target = std::get_if<TellTarget>(&message)) oracle_->AtSend(stream, *target);
    stream.to_client.push_back(std::move(message));
  };
  if (const auto* welcome = std::get_if<TellWelcome>(&tell.what)) send(welcome->stream, *welcome);
  if (const auto* target = std::get_if<TellTarget>(&tell.what)) send(target->stream, *target);
  if (const auto* positions = std::get_if<TellPositions>(&tell.what)) send(positions->stream, *positions);
  if (const auto* end = std::get_if<EndStream>(&tell.what)) send(end->stream, *end);
}

// Early: a timer that was cancelled or put off may still be on its way.
bool GroupWorld::FireTimer(bool early) {
  for (const auto& [timer, deadline_ms] : std::map(timers_)) {
    if (!early && deadline_ms > now_.monotonic_ms) continue;
    if (!early) timers_.erase(timer);
    Note(absl::StrCat("timer ", static_cast<int>(timer.first), " of ", timer.second, early ? " early" : ""));
    Step(GroupTimerFired{timer.first, timer.second});
    return true;
  }
  return false;
}

void GroupWorld::Rest() {
  Note("rest");
  for (Client& client : clients_) client.zombie = client.stubborn = false;
  unary_.clear();
  for (int round = 0; round < kRestRounds && !oracle_->violation().has_value(); ++round) {
    now_.monotonic_ms += 1000;
    now_.wall_ms += 1000;
    RestRound();
    oracle_->AfterAnything();
  }
  if (!oracle_->violation().has_value()) oracle_->AtRest();
}

void GroupWorld::RestRound() {
  for (std::size_t client = 0; client < clients_.size(); ++client) {
    if (clients_[client].alive && clients_[client].stream == StreamId(0)) Join(client);
    GiveUp(client);
    Heartbeat(client);
  }
  bool more = true;
  for (int pass = 0; more && pass < 50 && !oracle_->violation().has_value(); ++pass) {
    more = false;
    Sync(log_.size());
    std::vector<StreamId> ids;
    for (const auto& [id, stream] : streams_) ids.push_back(id);
    for (const StreamId id : ids) {
      if (streams_.contains(id) && !streams_.at(id).to_server.empty()) more = true, Deliver(id);
      if (streams_.contains(id) && !streams_.at(id).to_client.empty()) more = true, Hear(id);
      oracle_->AfterAnything();
    }
    if (core_->wants_target()) more = true, Step(ComputeTarget{});
    for (int fired = 0; fired < 20 && FireTimer(false); ++fired) more = true;
  }
}

}  // namespace cordwood::broker
