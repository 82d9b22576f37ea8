// SPDX-License-Identifier: Apache-2.0
// Members, played by the test, and calls that wait for their answers.
#pragma once

#include <functional>
#include <future>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "broker/groups/coordinator/group_broker_fixture.h"

namespace cordwood::broker {

class CoordinatorFixture : public GroupBrokerFixture {
 protected:
  // Members. A stream's messages are sent as they come.
  JoinGroup JoinAs(const std::string& member, std::vector<std::string> topics = {"t"}) {
    JoinGroup join;
    join.member = member;
    join.client = "client of " + member;
    join.subscription.topics = std::move(topics);
    join.rebalance_timeout_ms = 60'000;
    return join;
  }
  StreamId Join(const std::string& group, JoinGroup join) {
    const StreamId stream = port_.Stream(++last_stream_);
    join.stream = stream;
    auto input = std::make_unique<GroupInput>();
    input->group = group;
    input->address = "ipv4:127.0.0.1:1";
    input->stream = stream;
    input->event = std::move(join);
    EXPECT_EQ(driver_->Send(input), absl::OkStatus());
    return stream;
  }
  StreamId Join(const std::string& group, const std::string& member) { return Join(group, JoinAs(member)); }
  template <class Event>
  void Say(StreamId stream, Event event, std::vector<std::pair<TopicPartition, MemberProgress>> progress = {}) {
    auto input = std::make_unique<GroupInput>();
    input->stream = event.stream = stream;
    input->event = std::move(event);
    input->progress = std::move(progress);
    EXPECT_EQ(driver_->Send(input), absl::OkStatus());
  }
  // Under the epoch of its last target.
  void Beat(StreamId stream, std::vector<TopicPartition> owned) { Say(stream, MemberHeartbeat{stream, MemberEpoch(epochs_[stream]), std::move(owned)}); }
  CommitOffsets CommitOf(int epoch, const TopicPartition& at, std::int64_t offset, std::uint64_t seq = 1) {
    CommitOffsets commit;
    commit.request = seq;
    commit.epoch = MemberEpoch(epoch);
    commit.entries.push_back({at, Offset(offset), kNoLeaderEpoch, PositionEpoch(0), {}, std::nullopt});
    return commit;
  }
  // Waits for the next thing that the stream is told. The epoch of a target is noted and left out: how many changes go together is a matter of turns.
  std::string Next(StreamId stream) {
    std::vector<std::string>& heard = ear_.heard[stream];
    if (!network_.RunUntil([&] { return !heard.empty(); })) return "(nothing)";
    std::string first = heard.front();
    heard.erase(heard.begin());
    if (first.starts_with("target ")) {
      epochs_[stream] = std::stoi(first.substr(7));
      first = "target" + first.substr(first.find(':'));
    }
    return first;
  }
  // Whether the stream is told this before it ends.
  bool Hears(StreamId stream, const std::string& what) {
    std::string heard;
    do heard = Next(stream);
    while (heard != what && heard != "(nothing)" && !heard.starts_with("end"));
    return heard == what;
  }
  // Nothing more was said to it by what was sent so far.
  bool Silent(StreamId stream) {
    (void)Look("no-such-group", [](const GroupView&) { return std::string(); });
    network_.outbox.Drain();
    return ear_.heard[stream].empty();
  }

  // Calls, waiting for their answers.
  template <class Result>
  Result Wait(const std::function<void(std::function<void(Result)>)>& call) {
    auto done = std::make_shared<std::promise<Result>>();
    call([done](Result result) { done->set_value(std::move(result)); });
    return done->get_future().get();
  }
  StatusOr<std::vector<Status>> Commit(const std::string& group, CommitOffsets commit) {
    return Wait<StatusOr<std::vector<Status>>>([&](auto done) { driver_->Commit(group, std::move(commit), std::move(done)); });
  }
  StatusOr<FetchedOffsets> Fetch(const std::string& group, AskedOffsets asked = {}) {
    return Wait<StatusOr<FetchedOffsets>>([&](auto done) { driver_->Fetch(group, std::move(asked), std::move(done)); });
  }
  std::string Offsets(const std::string& group, AskedOffsets asked = {}) {
    const StatusOr<FetchedOffsets> fetched = Fetch(group, std::move(asked));
    if (!fetched.ok()) return std::string(ReasonName(ReasonOf(fetched.status())));
    std::string text;
    for (const FetchedOffset& offset : *fetched) absl::StrAppend(&text, offset.committed.topic, "-", offset.at.partition.value(), "@", offset.committed.offset.value(), " ");
    return text;
  }
  std::string Look(const std::string& group, const std::function<std::string(const GroupView&)>& look) {
    return Wait<std::string>([&](auto done) {
      driver_->Look(group, [&look, done](StatusOr<GroupView> view) { done(view.ok() ? look(*view) : std::string(ReasonName(ReasonOf(view.status())))); });
    });
  }
  std::map<std::string, std::string> Snapshot(const std::string& group) {
    std::map<std::string, std::string> snapshot;
    Look(group, [&](const GroupView& view) {
      EXPECT_EQ(view.core.Invariants(), absl::OkStatus());
      snapshot = view.core.state().Snapshot();
      return std::string();
    });
    return snapshot;
  }
  // Until the groups of all partitions are there, or cannot be.
  void AwaitLoaded() {
    auto outcome = [&] { return Wait<Status>([&](auto done) { driver_->LookAtAll([](const GroupView&) {}, std::move(done)); }); };
    while (ReasonOf(outcome()) == Reason::kCoordinatorLoadInProgress) std::this_thread::yield();
  }
  void Advance(absl::Duration by) {
    clock_.Advance(by);
    (void)Look("no-such-group", [](const GroupView&) { return std::string(); });
  }

 private:
  std::uint64_t last_stream_ = 0;
  std::map<StreamId, int> epochs_;
};

}  // namespace cordwood::broker
