// SPDX-License-Identifier: Apache-2.0
// What a group core is told and what it asks for: events in, actions out, all of them values.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <variant>
#include <vector>

#include "broker/groups/group_records.h"
#include "broker/groups/group_types.h"
#include "storage/base/reason.h"

namespace cordwood::broker {

struct GroupNow {
  std::int64_t monotonic_ms = 0;  // timers
  std::int64_t wall_ms = 0;       // commit times and the expiry of offsets
};

// What a pattern matches at present: ascending names, shared by all that have the pattern. nullptr: nothing.
using PatternMatches = std::shared_ptr<const std::vector<std::string>>;
using PatternTopics = std::map<std::string, PatternMatches>;  // by pattern

// Events. Those with a stream come in the order in which the member sent them on it.

struct ActivateGroup {  // after the last replayed record: from here on the group is served
  std::shared_ptr<const TopicView> topics;
  PatternTopics patterns;  // of all members' patterns
};
// The view is whole; a topic id that was in the last view and is not in this one was deleted, and its offsets go.
struct ChangeTopics {
  std::shared_ptr<const TopicView> topics;
  PatternTopics patterns;  // of all members' patterns
  std::shared_ptr<const TopicChanges> changes = nullptr;  // to `topics`, if the caller has them: not looked for again
};
struct GroupSubscription {
  std::vector<std::string> topics;
  std::string pattern;                      // empty: none. The caller has compiled it
  PatternMatches pattern_topics;  // what it matches now
};
struct JoinGroup {
  StreamId stream;
  std::string member;       // made by the client, of this incarnation
  std::string instance_id;  // empty: dynamic
  std::string client;
  GroupSubscription subscription;
  std::string assignor;  // empty: uniform
  std::int64_t rebalance_timeout_ms = 0;
  MemberEpoch epoch;                  // 0: a new incarnation, which owns nothing; else it goes on after its stream was lost
  std::vector<TopicPartition> owned;  // of one that goes on
};
struct ChangeSubscription {
  StreamId stream;
  GroupSubscription subscription;
};
struct MemberHeartbeat {
  StreamId stream;
  MemberEpoch epoch;                  // of the last target that the member took in
  std::vector<TopicPartition> owned;  // what it has, after that target
};
struct ConfirmPositions {  // the member reads these from their new place; also for a position epoch learnt from a target
  StreamId stream;
  std::vector<std::pair<TopicPartition, PositionEpoch>> positions;
};
struct LeaveGroup {
  StreamId stream;
  bool keep_slot = false;  // a static member that will be back inside the session timeout
};
struct LoseStream {
  StreamId stream;
};
struct CommitEntry {
  TopicPartition at;
  Offset offset;  // of the next record to read
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  PositionEpoch position_epoch;
  std::string metadata;
  std::optional<Offset> log_end;    // exclusive, if the caller knows it
  std::optional<Offset> log_start = std::nullopt;  // likewise
};
struct CommitOffsets {
  std::uint64_t request = 0;
  StreamId stream;          // 0: unary; then `member`, or nobody for a manual commit
  std::string member;       // of a unary commit
  std::string instance_id;  // of a unary commit, if the caller gave it
  MemberEpoch epoch;
  std::vector<CommitEntry> entries;
};
struct ResetEntry {
  TopicPartition at;
  Offset offset;
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
};
struct ResetOffsets {
  std::uint64_t request = 0;
  std::vector<ResetEntry> entries;  // all or none
};
struct DeleteGroup {
  std::uint64_t request = 0;
};
struct StartReplay {  // the group becomes a replay job
  std::uint64_t request = 0;
  ReplayJob job;  // running, its clock, if any, stands (from -1: from the present on); when it was created is the core's to say
};
enum class ReplayChange : std::uint8_t { kPause, kResume, kCancel };
struct ChangeReplay {
  std::uint64_t request = 0;
  ReplayChange change = ReplayChange::kPause;
};
enum class GroupTimerKind : std::uint8_t { kSession, kRevocation, kExpiry };
struct GroupTimerFired {
  GroupTimerKind kind = GroupTimerKind::kSession;
  std::string member;  // empty for kExpiry
};
struct ComputeTarget {};  // when the caller has handed over all that waited, if wants_target()

using GroupEvent = std::variant<ActivateGroup, ChangeTopics, JoinGroup, ChangeSubscription, MemberHeartbeat, ConfirmPositions, LeaveGroup, LoseStream,
                                CommitOffsets, ResetOffsets, DeleteGroup, StartReplay, ChangeReplay, GroupTimerFired, ComputeTarget>;

// Actions.

struct AssignedPartition {
  TopicPartition at;
  std::optional<Offset> offset;  // committed; nullopt: none
  LeaderEpoch leader_epoch = kNoLeaderEpoch;
  PositionEpoch position_epoch;
  std::optional<Offset> end = std::nullopt;  // of a replay job: exclusive
};
struct ToldReplay {  // how a member of a replay job goes on
  ReplayState state = ReplayState::kRunning;
  bool done = false;
  std::int64_t bytes_per_second = 0;     // its share of the rate; 0: no limit
  std::optional<std::int64_t> clock_ms;  // original pace: records up to this time are due
  friend bool operator==(const ToldReplay&, const ToldReplay&) = default;
};
struct TellWelcome {
  StreamId stream;
  MemberEpoch epoch;
};
struct TellTarget {  // all that the member may have from now on, and what it is to give up
  StreamId stream;
  MemberEpoch epoch;
  std::vector<AssignedPartition> assigned;
  std::vector<TopicPartition> revoke;
  std::string reason;  // for people
  std::optional<ToldReplay> replay = std::nullopt;  // of a replay job
};
struct TellReplay {  // the job, or this member's share of it, is another
  StreamId stream;
  ToldReplay replay;
};
struct TellPositions {  // of partitions it owns: go on from here
  StreamId stream;
  std::vector<AssignedPartition> positions;
};
struct EndStream {  // OK: it left. Else the member is fenced or refused, and drops all it has
  StreamId stream;
  Status status;
};
struct CommitDone {
  std::uint64_t request = 0;
  std::vector<Status> entries;  // one for each entry of the commit
};
struct ResetDone {
  std::uint64_t request = 0;
  Status status;
  std::vector<std::pair<TopicPartition, std::string>> owners;  // those members have yet to confirm
};
struct DeleteDone {
  std::uint64_t request = 0;
  Status status;
};
struct ReplayDone {  // of a start or a change
  std::uint64_t request = 0;
  Status status;
};

struct GroupTell {
  std::variant<TellWelcome, TellTarget, TellPositions, TellReplay, EndStream, CommitDone, ResetDone, DeleteDone, ReplayDone> what;
  // Only after the records of this step and of all steps before it are below the high watermark; else at once.
  bool durable = true;
};
struct GroupTimer {
  GroupTimerKind kind = GroupTimerKind::kSession;
  std::string member;                       // empty for kExpiry
  std::optional<std::int64_t> deadline_ms;  // monotonic; nullopt: cancel. A new deadline replaces the last
};
struct GroupActions {
  std::vector<GroupRecord> records;  // one batch
  std::vector<GroupTell> tells;      // in order
  std::vector<GroupTimer> timers;
};

}  // namespace cordwood::broker
