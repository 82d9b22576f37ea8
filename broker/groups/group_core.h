// SPDX-License-Identifier: Apache-2.0
// Decides, for one group, who its members are, which partitions each may have, and which commits count: pure. Source: KIP-848, KIP-1251.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <memory>
#include <set>
#include <string>
#include <vector>

#include "broker/groups/group_events.h"
#include "broker/groups/group_state.h"

namespace cordwood::broker {

struct GroupCoreOptions {
  std::int64_t session_timeout_ms = 15'000;
  std::size_t members_max = 10'000;
  std::int64_t offsets_retention_ms = 7LL * 24 * 3600 * 1000;  // of a group without members; negative: for ever
};

// A member that was put out: it was silent too long, did not give up a partition in time, or another took its place while it lived.
struct FencedMemberRecord {
  std::string member;
  std::string instance_id;
  std::string client;
  std::string why;
  std::int64_t monotonic_ms = 0;
};
inline constexpr std::size_t kFencedRememberedMax = 8;

// Life of a partition: free -> held by a member (told that it has it) -> revoking (told to give it up) -> free, when the member's heartbeat says so under
// the epoch of that target, or when the member is fenced. Only a free one is given to the next.
//
// Every change of what a member is told has a member epoch of its own. So a heartbeat says by its epoch which target it answers (what an older one
// omits is not given up), and a commit is good for a partition if its epoch is not below the one since which the member holds it: commits that were under
// way when other partitions moved are not lost, those of an earlier tenure are.
//
// Durability: the state moves at once; whoever is told of it waits for the records (GroupTell::durable). A coordinator that loses records rebuilds from those
// that are left, and nobody was told of the others.
// Threading: owned by its GroupDriver. No clock: every step says what time it is.
// Errors: in the actions; of Apply, as of GroupState.
class GroupCore {
 public:
  GroupCore(std::string group, const GroupCoreOptions& options) : options_(options), state_(std::move(group)) {}

  // Replays one record; before ActivateGroup.
  Status Apply(const GroupRecordKey& key, const std::optional<std::string_view>& value) { return state_.Apply(key, value); }
  // After the last record, before ActivateGroup.
  Status FinishReplay() { return state_.FinishReplay(); }

  GroupActions Step(const GroupEvent& event, const GroupNow& now);

  // Something changed that may change the target: ComputeTarget is due, once for all changes that wait.
  bool wants_target() const { return wants_target_; }
  // Nothing is left of the group: it may be dropped when the records of the last step are durable.
  bool gone() const { return state_.gone(); }
  const GroupState& state() const { return state_; }
  const std::shared_ptr<const TopicView>& view() const { return topics_; }  // as it was last told; null before ActivateGroup
  const TopicView& topics() const { return *topics_; }
  // All members', to be resolved for ActivateGroup and ChangeTopics.
  std::set<std::string> patterns() const;
  // Reset partitions whose owner has not yet confirmed the new position.
  const std::map<TopicPartition, PositionEpoch>& awaiting_positions() const { return awaiting_positions_; }
  bool attached(const std::string& member) const;
  // Whether there is any topic that it subscribes to, by name or by pattern.
  bool HasTopics(const std::string& member) const;
  // Of a replay job that was not cancelled: the partitions whose committed offset is below their end.
  const std::set<TopicPartition>& unfinished() const { return unfinished_; }
  // The last few, the latest at the end; since the group was activated.
  const std::deque<FencedMemberRecord>& fenced() const { return fenced_; }
  Status Invariants() const;

 private:
  // What of a member is not in the records: it is as after the loss of its stream when the group is activated.
  struct Session {
    StreamId stream;
    std::int64_t deadline_ms = 0;
    std::map<TopicPartition, std::int64_t> revocations;  // deadlines
    std::optional<std::int64_t> revocation_timer_ms;     // as armed
    bool left = false;                                   // its process ended in order, and keeps its slot
    bool untold = false;                                 // is to be told a target, even one that holds nothing new
    PatternMatches pattern_topics;
  };
  using Names = std::set<std::string>;

  void On(const ActivateGroup& event);
  void On(const ChangeTopics& event);
  void On(const JoinGroup& event);
  void On(const ChangeSubscription& event);
  void On(const MemberHeartbeat& event);
  void On(const ConfirmPositions& event);
  void On(const LeaveGroup& event);
  void On(const LoseStream& event);
  void On(const CommitOffsets& event);
  void On(const ResetOffsets& event);
  void On(const DeleteGroup& event);
  void On(const StartReplay& event);
  void On(const ChangeReplay& event);
  void On(const GroupTimerFired& event);
  void On(const ComputeTarget& event);

  // group_core.cc: members come, change and go.
  Status CheckJoin(const JoinGroup& join) const;
  Status CheckResume(const JoinGroup& join, const GroupState::Member& known) const;
  void Add(const JoinGroup& join);
  void Resume(const JoinGroup& join);
  void Succeed(const JoinGroup& join, const std::string& predecessor);
  void Insert(const JoinGroup& join);
  bool TakeWish(const std::string& member, const GroupSubscription& subscription, AssignorKind assignor);
  void Remove(const std::string& member, const Status& why, const std::string& change);
  void Forget(const std::string& member, const Status& why);
  void RememberFenced(const std::string& member, const Status& why);
  void Attach(const std::string& member, StreamId stream);
  void Detach(const std::string& member, const Status& why);

  // group_reconciliation.cc: the target, and the way to it.
  void Change(const std::string& what);
  void Advance();
  std::string TakeChanges();
  AssignorKind Vote() const;
  bool Retarget();
  MemberTarget PresentOf(const std::string& member) const;
  void Reconcile(const std::string& member, const std::string& reason);
  void Acknowledge(const std::string& member, const std::vector<TopicPartition>& owned);
  void HandOver(const std::vector<TopicPartition>& freed, const std::string& reason);
  void Tell(const std::string& member, const std::string& reason);
  AssignedPartition PositionOf(const TopicPartition& at) const;
  void DropTopics(const std::map<TopicId, std::string>& deleted);
  Names SubscribedTopics(const std::string& member) const;
  void NoteTopics(const std::string& member, PatternMatches matches, const TopicChanges& changes, Names* what);

  // group_timeouts.cc.
  void ArmSession(const std::string& member);
  void ArmRevocation(const std::string& member);
  bool Expires() const;
  void ArmExpiry();
  void FireSession(const std::string& member);
  void FireRevocation(const std::string& member);
  void FireExpiry();
  std::int64_t RevocationDeadline(const GroupMember& member) const;
  std::optional<std::int64_t> ExpiryOf(const CommittedOffset& offset) const;

  // group_offsets.cc.
  Status CheckCommitter(const CommitOffsets& commit, std::string* member) const;
  Status CheckEntry(const CommitEntry& entry, const std::string& member, MemberEpoch epoch) const;
  Status CheckReset(const ResetOffsets& reset) const;

  // group_replay.cc.
  Status CheckStart(const StartReplay& start) const;
  Status CheckInRange(const TopicPartition& at, Offset offset) const;
  std::map<TopicId, std::vector<PartitionIndex>> OfferedByReplay() const;
  void CountSkipped(const CommitEntry& entry);
  void NoteReplay(const TopicPartition& at);
  void NoteReplays();
  void DropFromReplay(const std::map<TopicId, std::string>& deleted);
  void SettleReplay();
  ToldReplay ReplayFor(const std::string& member) const;

  // Words for people.
  Status Refusal(Reason reason, const std::string& why) const;  // "group G: why"
  std::string NameOf(const std::string& member) const;
  std::string NameOf(const TopicPartition& at) const;

  template <class What>
  void Say(What what, bool durable = true) { actions_.tells.push_back({std::move(what), durable}); }

  const GroupCoreOptions options_;
  GroupState state_;
  std::map<std::string, Session> sessions_;       // of every member
  std::map<StreamId, std::string> streams_;       // attached ones
  std::shared_ptr<const TopicView> topics_;       // null before ActivateGroup
  std::map<TopicPartition, PositionEpoch> awaiting_positions_;
  std::deque<FencedMemberRecord> fenced_;         // at most kFencedRememberedMax
  std::vector<std::string> changes_;              // that the next target answers
  bool wants_target_ = false;
  std::optional<std::int64_t> expiry_timer_ms_;   // as armed
  std::set<TopicPartition> unfinished_;           // of the replay job
  bool replay_changed_ = false;                   // its members are to be told
  // Of the step under way.
  GroupNow now_;
  GroupActions actions_;
};

}  // namespace cordwood::broker
