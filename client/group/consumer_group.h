// SPDX-License-Identifier: Apache-2.0
// The part of a Consumer that is a member of a group: what Poll() does before it takes records, and commits.
#pragma once

#include <atomic>
#include <chrono>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "client/consumer_state.h"
#include "client/group/replay_pace.h"
#include "client/internal/group/member_client.h"
#include "client/internal/group/offset_query.h"
#include "cordwood/callback_thread.h"

namespace cordwood {

// Threading: as Consumer, but for what its member does on the loop.
class Consumer::State::Group {
 public:
  Group(State& state, const v1::Subscription& subscription);

  void Subscribe(const v1::Subscription& subscription) { member_.Subscribe(subscription); }
  void PollBegan();
  void PollEnded(const std::vector<ConsumerRecord>& records);
  // What the group wants is done, callbacks included; automatic commits that are due are under way.
  Result<void> Turn(Consumer& self);
  // When Turn() has something to do next without being woken.
  absl::Duration next_turn() const;
  bool has_news() const { return member_.has_news(); }
  bool in_doubt() const { return member_.in_doubt(); }
  const Status& failure() const { return failure_; }
  GroupMembership membership();
  bool in_callback() const { return in_callback_; }

  // Where `partition`, whose position was not in the log, goes on. False: nowhere, the policy is to fail.
  bool Reset(const TopicPartition& partition, const client::ReadAhead::Failed& failure);
  Status Advise(const Status& why) const;  // with what to choose
  // The user went elsewhere.
  void Sought(const TopicPartition& partition);

  // consumer_replay.cc: of a group that is a replay job.
  ReplayState replay() const;
  // Once, when the job has ended.
  bool TakeReplayEnd() { return std::exchange(replay_ended_, false); }
  bool holds() const;  // nothing may be handed out now
  std::size_t records_max(std::size_t most) const { return pace_.records_max(most); }
  // What was set aside and is due now, as long as there are fewer than `most`.
  void TakeEarly(std::size_t most, std::vector<ConsumerRecord>* records);
  // Leaves of those from `first` on what lies in the range of the job and is due.
  void TakeInRange(std::size_t first, std::vector<ConsumerRecord>* records);
  std::size_t early_bytes() const;  // of what was set aside
  Offset PositionOf(const TopicPartition& partition) const { return PositionOf(partition, places_.at(partition)); }

  void Mark(const ConsumerRecord& record);
  Future<void> Commit();
  Future<void> Commit(const std::map<TopicPartition, CommittedOffset>& offsets);
  // Commits, gives up and leaves by then. False: the group does not know.
  bool Leave(Consumer& self, absl::Duration deadline);

 private:
  using Partitions = std::vector<TopicPartition>;
  using CommitMade = std::shared_ptr<std::atomic<bool>>;  // of one commit; true: it was answered, and nothing of it refused
  struct Place {
    client::MemberPlace place;
    std::optional<Offset> unhandled;  // the first that the last Poll() gave and nobody marked; nullopt: the position is next
    std::optional<Offset> committed;  // asked for, not always answered
    CommitMade made = nullptr;        // the commit that asked for it; null: it came from the coordinator
    LeaderEpoch handled_epoch = kNoLeaderEpoch;  // of the record before `unhandled`
    LeaderEpoch read_epoch = kNoLeaderEpoch;     // of the one before the position
    std::optional<std::pair<Offset, bool>> told = std::nullopt;  // the position that the coordinator knows, and whether it knows of a pause
    bool announced = false;           // on_assigned was called
    bool placed = true;               // false: where it begins is not known, its position means nothing
    bool ended = false;               // of a replay job: all of it was read
    std::deque<ConsumerRecord> early = {};  // of a replay job: read, and not due yet; copies
    std::size_t early_bytes = 0;            // of memory
    std::int64_t last = -1;           // offset of the last record that the last Poll() gave
  };
  using Places = std::map<TopicPartition, Place>;
  // How the last automatic commit went; outlives the group.
  struct Automatic {
    std::atomic<bool> under_way{false};
    std::atomic<bool> failed{false};
  };

  static TopicPartition NameOf(const client::MemberPlace& place) { return {place.topic, place.at.partition.value()}; }
  void TakeLost(Consumer& self, const std::vector<client::MemberPlace>& lost);
  void TakeRevoked(Consumer& self, const std::vector<client::MemberPlace>& revoked);
  void TakeMoved(const std::vector<client::MemberPlace>& moved);
  // What of these the application knows, ascending.
  Partitions Known(const std::vector<client::MemberPlace>& places) const;
  void Forget(const std::vector<client::MemberPlace>& gone);
  void Remove(const Partitions& partitions);
  void Call(Consumer& self, const RebalanceCallback& callback, const Partitions& partitions);

  // Where partitions begin.
  Result<void> PlaceAll(Consumer& self);
  Result<void> Assign(const std::vector<std::pair<client::MemberPlace, Offset>>& placed);
  void AskOffsets();
  using OffsetAnswer = v1::ListOffsetsResponse::Answer;
  void TakeOffsets(const v1::ListOffsetsResponse& response);
  bool TakeOffset(const client::MemberPlace& place, const OffsetAnswer& answer);
  void Fail(const client::MemberPlace& place, const Status& why);

  // consumer_replay.cc.
  void TakeReplay(const std::optional<client::MemberReplay>& told);
  void Silence(const std::vector<std::size_t>& slots);
  void HoldEarly(std::size_t first, std::vector<ConsumerRecord>* records);
  void GaveAtPace(const std::vector<ConsumerRecord>& records);
  absl::Duration next_due() const;
  void GoOnInRange(Assignment::iterator assigned, Offset end, const client::ReadAhead::Failed& failure);

  // consumer_subscription.cc.
  Offset PositionOf(const TopicPartition& partition, const Place& place) const;
  // What automatic commits would say; nullopt: nothing new.
  std::optional<Offset> CommittableOf(const TopicPartition& partition, const Place& place) const;
  // `leader_epoch` as the user says; kNoLeaderEpoch: as it was read, where that is known.
  client::MemberCommitEntry EntryOf(const TopicPartition& partition, Place* place, Offset offset, const CommitMade& made, LeaderEpoch leader_epoch = kNoLeaderEpoch) const;
  Future<void> Send(std::vector<client::MemberCommitEntry> entries, Partitions names, CommitMade made);
  void CommitAutomatically(const Partitions* only);  // `only` ascending; nullptr: all
  bool anything_to_commit() const;
  void TellProgress();

  State& state_;
  const GroupOptions& options_;
  const std::shared_ptr<CallbackThread> thread_;  // of commit callbacks
  CallbackThread callbacks_;                      // of rebalance callbacks
  Status failure_;
  client::ReplayPace pace_;
  bool replay_ended_ = false;
  Places places_;                                 // what the application has
  Partitions unhandled_;                          // of the last Poll()
  std::vector<client::MemberPlace> waiting_;      // of which the broker is to say where they begin; told to the application only then
  std::vector<client::MemberPlace> asked_;        // in the question under way
  std::vector<std::pair<client::MemberPlace, Offset>> placed_;
  std::vector<std::pair<client::MemberPlace, Status>> unplaceable_;
  bool asking_ = false;
  client::Backoff ask_backoff_;
  absl::Duration ask_after_;
  std::shared_ptr<Automatic> automatic_ = std::make_shared<Automatic>();
  absl::Duration last_commit_;
  absl::Duration last_progress_;
  bool polling_ = false;
  bool in_callback_ = false;
  client::OffsetQuery query_;
  client::MemberClient member_;  // the last: its events use the others
};

}  // namespace cordwood
