// SPDX-License-Identifier: Apache-2.0
// The client's members against the broker's coordinator, both pure, over streams that are slow, break anywhere and say things twice. From seeds.
#include <gtest/gtest.h>

#include <deque>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "broker/groups/group_core.h"
#include "client/internal/group/member_core.h"
#include "client/internal/rpc_error.h"

namespace cordwood {
namespace {

using broker::GroupCore;
using broker::StreamId;
using broker::TopicPartition;
using client::GroupPartition;
using client::MemberCore;
using client::MemberPlace;

constexpr std::int64_t kSessionMs = 15'000;
constexpr int kPartitions = 7;

// What the coordinator says, with the end of its stream.
struct ToMember {
  v1::CoordinatorMessage message;
  bool end = false;
  Status status;
};
struct Stream {
  std::deque<v1::MemberMessage> to_coordinator;
  std::deque<ToMember> to_member;
};

// A process: the member and an application that reads, commits and gives up as it is told, when it gets to it.
struct Process {
  struct Reading {
    MemberPlace place;
    std::int64_t position = 0;
  };
  explicit Process(client::MemberCoreOptions options, absl::Duration now) : core(std::move(options), now) {}
  MemberCore core;
  std::map<GroupPartition, Reading> reading;
  std::uint64_t stream = 0;  // 0: none
};

class History {
 public:
  explicit History(std::uint64_t seed) : random_(seed), topic_(Uuid::Random()) {
    auto view = std::make_shared<broker::TopicView>();
    view->Add("t", {topic_, kPartitions});
    topics_ = view;
    Restart();
    handled_.resize(kPartitions);
    committed_.resize(kPartitions);
  }

  void Run(int steps) {
    for (int i = 0; i < steps && !::testing::Test::HasFailure(); ++i) {
      RandomStep();
      Check();
    }
    Rest();
  }

 private:
  std::uint64_t Up(std::uint64_t n) { return random_() % n; }
  absl::Duration now() const { return absl::Milliseconds(now_ms_); }

  void RandomStep() {
    const std::uint64_t die = Up(100);
    if (processes_.empty() || (die < 3 && processes_.size() < 5)) return Start();
    Process& process = *processes_[Up(processes_.size())];
    if (die < 30) return Work(process);
    if (die < 35) return Break(process, TransportBreak());
    if (die < 38) {
      now_ms_ += static_cast<std::int64_t>(Up(kSessionMs));
      return Timers();
    }
    if (die < 40) return Restart();
    if (die < 42) return Reset();
    if (die < 43) return Leave(process);
    if (die < 44) return Kill(Up(processes_.size()));
    if (die < 60) now_ms_ += static_cast<std::int64_t>(Up(50));
    Turn(process);
    if (process.stream == 0) return;
    if (die < 80) return Deliver(process.stream);
    Hear(process, /*again=*/Up(5) == 0);
  }
  static Status TransportBreak() { return client::TransportError("connection reset"); }

  void Start() {
    client::MemberCoreOptions options;
    options.group = "g";
    options.subscription.add_topics("t");
    if (Up(3) == 0) options.instance_id = "i" + std::to_string(instances_++);
    options.max_poll_interval = absl::Seconds(20);
    options.new_member_id = [this] { return "m" + std::to_string(++members_); };
    processes_.push_back(std::make_unique<Process>(std::move(options), now()));
  }
  void Kill(std::size_t index) {
    Break(*processes_[index], TransportBreak());
    End(*processes_[index]);
  }
  void Leave(Process& process) {
    process.core.Leave();
    Finish(process);
  }

  // The application's next poll: it takes what is new, reads on, commits now and then.
  void Work(Process& process) {
    process.core.Polled(now());
    const client::MemberChanges changes = process.core.TakeChanges();
    for (const MemberPlace& place : changes.lost) process.reading.erase(place.at);
    for (const MemberPlace& place : changes.revoked) {
      if (Up(4) != 0) Commit(process, place.at);
      process.reading.erase(place.at);
    }
    process.core.GaveUp(changes.revoked);
    for (const MemberPlace& place : changes.moved) process.reading.at(place.at) = {place, place.offset.value_or(Offset(0)).value()};
    process.core.Taken(changes.moved);
    for (const MemberPlace& place : changes.assigned) {
      EXPECT_FALSE(process.reading.contains(place.at)) << "given twice";
      process.reading[place.at] = {place, place.offset.value_or(Offset(0)).value()};
    }
    for (auto& [at, reading] : process.reading) {
      for (std::uint64_t n = Up(3); n > 0; --n) handled_[static_cast<std::size_t>(at.partition.value())].insert(reading.position++);
      if (Up(3) == 0) Commit(process, at);
    }
    Turn(process);
  }
  void Commit(Process& process, const GroupPartition& at) {
    const Process::Reading& reading = process.reading.at(at);
    const auto seq = process.core.Commit({{at, reading.place.tenure, Offset(reading.position), kNoLeaderEpoch, reading.place.position_epoch, ""}}, now());
    ASSERT_EQ(seq.status(), absl::OkStatus());
    EXPECT_TRUE(open_commits_.emplace(&process, *seq).second);
  }

  // What the driver does after each event.
  void Turn(Process& process) {
    process.core.Tick(now());
    if (process.stream != 0 && (!process.core.wants_stream() || process.core.overdue(now()))) Break(process, TransportBreak());
    if (process.stream == 0 && process.core.wants_stream()) {
      process.stream = ++streams_made_;
      streams_[process.stream];
      process.core.StreamOpened(now());
    }
    while (process.stream != 0) {
      auto message = process.core.NextMessage(now());
      if (!message.has_value()) break;
      streams_[process.stream].to_coordinator.push_back(*std::move(message));
    }
    for (const client::MemberCommitAnswer& answer : process.core.TakeAnswers()) EXPECT_EQ(open_commits_.erase({&process, answer.seq}), 1u) << "answered twice";
    EXPECT_EQ(process.core.Invariants(), absl::OkStatus());
  }
  // The first of what was said arrives before, the rest never.
  void Break(Process& process, const Status& status) {
    if (process.stream == 0) return;
    const std::uint64_t id = std::exchange(process.stream, 0);
    for (std::uint64_t n = Up(4); n > 0 && !streams_[id].to_coordinator.empty(); --n) Deliver(id);
    streams_.erase(id);
    process.core.StreamEnded(status, now());
    Step(broker::LoseStream{StreamId(id)});
  }
  // Left, or refused for good: the process ends.
  void Finish(Process& process) {
    Turn(process);
    if (process.core.left()) End(process);
  }
  void End(Process& process) {
    std::erase_if(open_commits_, [&](const auto& commit) { return commit.first == &process; });
    std::erase_if(processes_, [&](const auto& each) { return each.get() == &process; });
  }

  void Hear(Process& process, bool again) {
    auto& queue = streams_[process.stream].to_member;
    if (queue.empty()) return;
    const ToMember first = queue.front();
    queue.pop_front();
    if (first.end) {
      streams_.erase(process.stream);
      process.stream = 0;
      process.core.StreamEnded(first.status, now());
      return Finish(process);
    }
    for (int i = 0; i < 1 + again; ++i) EXPECT_EQ(process.core.Received(first.message, now()), absl::OkStatus());
    Turn(process);
  }

  static GroupPartition At(const std::string& topic_id, std::int32_t partition) {
    GroupPartition at;
    EXPECT_TRUE(Uuid::FromBytes(topic_id, &at.topic));
    at.partition = PartitionIndex(partition);
    return at;
  }
  static std::vector<TopicPartition> ListOf(const v1::TopicPartitionList& list) {
    std::vector<TopicPartition> partitions;
    for (const auto& topic : list.topics()) {
      for (const std::int32_t partition : topic.partitions()) partitions.push_back({At(topic.topic_id(), partition).topic, PartitionIndex(partition)});
    }
    return partitions;
  }

  // One message to the coordinator, as its door would read it.
  void Deliver(std::uint64_t id) {
    auto& queue = streams_[id].to_coordinator;
    if (queue.empty()) return;
    const v1::MemberMessage message = queue.front();
    queue.pop_front();
    const StreamId stream(id);
    if (message.has_join()) {
      const auto& join = message.join();
      Step(broker::JoinGroup{stream, join.member_id(), join.instance_id(), "", {{"t"}, "", {}}, "", join.rebalance_timeout_ms(), broker::MemberEpoch(join.member_epoch()),
                             ListOf(join.owned())});
    } else if (message.has_heartbeat()) {
      if (message.heartbeat().has_owned()) owned_[id] = ListOf(message.heartbeat().owned());
      Step(broker::MemberHeartbeat{stream, broker::MemberEpoch(message.heartbeat().member_epoch()), owned_[id]});
    } else if (message.has_commit()) {
      broker::CommitOffsets commit{message.commit().seq(), stream, "", "", broker::MemberEpoch(message.commit().member_epoch()), {}};
      for (const auto& entry : message.commit().entries()) {
        commit.entries.push_back({{At(entry.topic_id(), entry.partition()).topic, PartitionIndex(entry.partition())}, Offset(entry.offset()), kNoLeaderEpoch,
                                  broker::PositionEpoch(entry.position_epoch()), "", std::nullopt});
      }
      committing_ = id;
      Step(commit);
    } else if (message.has_positions_taken()) {
      broker::ConfirmPositions confirm{stream, {}};
      for (const auto& taken : message.positions_taken().positions()) {
        confirm.positions.push_back({{At(taken.topic_id(), taken.partition()).topic, PartitionIndex(taken.partition())}, broker::PositionEpoch(taken.position_epoch())});
      }
      Step(confirm);
    } else if (message.has_leave()) {
      Step(broker::LeaveGroup{stream, message.leave().keep_slot()});
    }
  }

  void Step(const broker::GroupEvent& event) {
    Take(core_->Step(event, {now_ms_, now_ms_}));
    if (core_->wants_target()) Take(core_->Step(broker::ComputeTarget{}, {now_ms_, now_ms_}));
  }
  void Take(const broker::GroupActions& actions) {
    records_.insert(records_.end(), actions.records.begin(), actions.records.end());
    for (const auto& timer : actions.timers) {
      const auto key = std::make_pair(timer.kind, timer.member);
      timers_.erase(key);
      if (timer.deadline_ms.has_value()) timers_[key] = *timer.deadline_ms;
    }
    for (const auto& tell : actions.tells) std::visit([this](const auto& what) { Say(what); }, tell.what);
  }
  void Timers() {
    for (bool fired = true; fired;) {
      fired = false;
      for (const auto& [key, deadline_ms] : timers_) {
        if (deadline_ms > now_ms_) continue;
        const auto due = key;
        timers_.erase(due);
        Step(broker::GroupTimerFired{due.first, due.second});
        fired = true;
        break;
      }
    }
  }

  void Send(StreamId stream, ToMember message) {
    if (const auto found = streams_.find(stream.value()); found != streams_.end()) found->second.to_member.push_back(std::move(message));
  }
  static void Fill(const broker::AssignedPartition& from, v1::AssignedPartition* to) {
    to->set_topic_id(std::string(from.at.topic.raw()));
    to->set_topic("t");
    to->set_partition(from.at.partition.value());
    if (from.offset.has_value()) to->set_offset(from.offset->value());
    to->set_position_epoch(from.position_epoch.value());
  }
  void Say(const broker::TellWelcome& welcome) {
    ToMember message;
    message.message.mutable_welcome()->set_member_epoch(welcome.epoch.value());
    message.message.mutable_welcome()->set_heartbeat_interval_ms(kSessionMs / 3);
    message.message.mutable_welcome()->set_session_timeout_ms(kSessionMs);
    Send(welcome.stream, message);
  }
  void Say(const broker::TellTarget& target) {
    ToMember message;
    auto* out = message.message.mutable_target();
    out->set_member_epoch(target.epoch.value());
    for (const auto& assigned : target.assigned) Fill(assigned, out->add_assigned());
    for (const TopicPartition& at : target.revoke) {
      auto* topic = out->mutable_revoke()->add_topics();
      topic->set_topic_id(std::string(at.topic.raw()));
      topic->add_partitions(at.partition.value());
    }
    Send(target.stream, message);
  }
  void Say(const broker::TellPositions& positions) {
    ToMember message;
    for (const auto& position : positions.positions) Fill(position, message.message.mutable_positions()->add_positions());
    Send(positions.stream, message);
  }
  void Say(const broker::EndStream& end) { Send(end.stream, {{}, true, end.status}); }
  void Say(const broker::CommitDone& done) {
    ToMember message;
    message.message.mutable_commit_done()->set_seq(done.request);
    for (std::size_t i = 0; i < done.entries.size(); ++i) {
      if (done.entries[i].ok()) continue;
      auto* error = message.message.mutable_commit_done()->add_errors();
      error->set_entry(static_cast<std::uint32_t>(i));
      error->set_reason(static_cast<v1::Reason>(ReasonOf(done.entries[i])));
    }
    Send(StreamId(committing_), message);
  }
  void Say(const broker::ResetDone&) {}
  void Say(const broker::DeleteDone&) {}
  void Say(const broker::TellReplay&) {}
  void Say(const broker::ReplayDone&) {}

  // Backwards, so that nothing may be skipped.
  void Reset() {
    const TopicPartition at{topic_, PartitionIndex(static_cast<std::int32_t>(Up(kPartitions)))};
    const auto* committed = core_->state().OffsetAt(at);
    if (committed == nullptr) return;
    Step(broker::ResetOffsets{1, {{at, Offset(static_cast<std::int64_t>(Up(static_cast<std::uint64_t>(committed->offset.value()) + 1))), kNoLeaderEpoch}}});
  }
  // The coordinator goes on from its records; every stream breaks.
  void Restart() {
    core_ = std::make_unique<GroupCore>("g", broker::GroupCoreOptions{.session_timeout_ms = kSessionMs});
    for (const broker::GroupRecord& record : records_) {
      ASSERT_EQ(core_->Apply(*broker::DecodeGroupRecordKey(record.key), record.value.has_value() ? std::optional<std::string_view>(*record.value) : std::nullopt),
                absl::OkStatus());
    }
    ASSERT_EQ(core_->FinishReplay(), absl::OkStatus());
    timers_.clear();
    for (const auto& process : processes_) {
      if (const std::uint64_t id = std::exchange(process->stream, 0); id != 0) process->core.StreamEnded(TransportBreak(), now());
    }
    streams_.clear();
    Step(broker::ActivateGroup{topics_, {}});
  }

  void Check() {
    for (int p = 0; p < kPartitions; ++p) {
      const TopicPartition at{topic_, PartitionIndex(p)};
      // Who reads it and is a member has it.
      for (const auto& process : processes_) {
        if (!process->reading.contains({topic_, PartitionIndex(p)}) || process->core.epoch() == 0) continue;
        const auto* member = core_->state().Find(process->core.member_id());
        if (member == nullptr || process->core.has_changes()) continue;
        EXPECT_EQ(core_->state().HolderOf(at), process->core.member_id()) << "partition " << p;
      }
      const auto* committed = core_->state().OffsetAt(at);
      if (committed == nullptr) continue;
      auto& before = committed_[static_cast<std::size_t>(p)];
      const auto epoch = committed->position_epoch.value();
      EXPECT_TRUE(epoch > before.first || committed->offset.value() >= before.second) << "partition " << p << " went back";
      const auto& handled = handled_[static_cast<std::size_t>(p)];
      for (std::int64_t offset = before.second; offset < committed->offset.value(); ++offset) EXPECT_TRUE(handled.contains(offset)) << "skipped " << offset;
      before = {epoch, committed->offset.value()};
    }
  }

  // All is delivered, nothing breaks: everything is owned, answered and confirmed.
  void Rest() {
    if (processes_.empty()) Start();
    for (int round = 0; round < 60 && !::testing::Test::HasFailure(); ++round) {
      now_ms_ += 1'000;
      Timers();
      for (std::size_t i = 0; i < processes_.size(); ++i) {
        Process* process = processes_[i].get();
        Work(*process);
        for (int n = 0; n < 30 && process->stream != 0; ++n) Deliver(process->stream);
        const std::size_t count = processes_.size();
        for (int n = 0; n < 30 && processes_.size() == count && process->stream != 0; ++n) Hear(*process, false);
      }
      if (processes_.empty()) Start();
      Check();
    }
    std::multiset<std::int32_t> read;
    for (const auto& process : processes_) {
      for (const auto& [at, reading] : process->reading) read.insert(at.partition.value());
    }
    std::multiset<std::int32_t> all;
    for (int p = 0; p < kPartitions; ++p) all.insert(p);
    EXPECT_EQ(read, all);
    EXPECT_TRUE(core_->awaiting_positions().empty());
  }

  std::mt19937_64 random_;
  const TopicId topic_;
  std::int64_t now_ms_ = 1'000'000;
  std::shared_ptr<const broker::TopicView> topics_;
  std::unique_ptr<GroupCore> core_;
  std::vector<broker::GroupRecord> records_;
  std::map<std::pair<broker::GroupTimerKind, std::string>, std::int64_t> timers_;
  std::vector<std::unique_ptr<Process>> processes_;
  std::map<std::uint64_t, Stream> streams_;
  std::map<std::uint64_t, std::vector<TopicPartition>> owned_;  // by stream, as its last heartbeat said
  std::uint64_t streams_made_ = 0, committing_ = 0;
  int members_ = 0, instances_ = 0;
  std::set<std::pair<const Process*, std::uint64_t>> open_commits_;
  std::vector<std::set<std::int64_t>> handled_;                       // by partition
  std::vector<std::pair<std::uint32_t, std::int64_t>> committed_;     // by partition: position epoch, offset
};

TEST(MemberHistoriesTest, OneReaderCommitsThatNeverGoBackAndRestInTheEnd) {
  for (std::uint64_t seed = 1; seed <= 400 && !HasFailure(); ++seed) {
    SCOPED_TRACE("seed " + std::to_string(seed));
    History(seed).Run(20 + static_cast<int>(seed * 7919 % 400));
  }
}

}  // namespace
}  // namespace cordwood
