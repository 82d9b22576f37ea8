// SPDX-License-Identifier: Apache-2.0
// What the group driver's thread does, turn by turn.
#pragma once

#include <atomic>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "broker/groups/coordinator/group_driver.h"
#include "broker/groups/coordinator/group_timers.h"
#include "broker/groups/coordinator/offsets_partition.h"
#include "broker/groups/coordinator/topic_patterns.h"
#include "storage/base/mutex.h"
#include "storage/base/threads/gate.h"

namespace cordwood::broker {

// Threading: what is said to be any thread's; the rest is the loop's own.
class GroupLoop {
 public:
  GroupLoop(const GroupDriverOptions& options, const PartitionTable& table, OffsetsTopicMaker make_offsets_topic, Clock& clock);
  ~GroupLoop();

  std::size_t AddListener(Outbox* outbox, GroupListener* listener);
  void Start();
  void Stop();
  const GroupMeasures& measures() const { return measures_; }

  // Any thread. `input` stays the caller's if it is refused.
  Status Push(std::unique_ptr<GroupInput>& input);
  // Any thread: runs on the loop's, in order with everything else; THROTTLED or SHUTTING_DOWN, and then `task` is still the caller's.
  Status Post(std::function<void()>& task);

  void PostImage(ClusterImagePtr image);  // any thread

  // group_loop_calls.cc: what is asked without a stream.
  void Commit(const std::string& group, CommitOffsets event, std::function<void(StatusOr<std::vector<Status>>)> done);
  void Fetch(const std::string& group, const AskedOffsets& asked, std::function<void(StatusOr<FetchedOffsets>)> done);
  void Reset(const std::string& group, std::vector<ResetEntry> entries, absl::Duration confirm_within, std::function<void(StatusOr<ResetOutcome>)> done);
  void Delete(const std::string& group, std::function<void(Status)> done);
  void StartReplay(const std::string& group, ReplayJob job, std::function<void(Status)> done);
  void ChangeReplay(const std::string& group, ReplayChange change, std::function<void(Status)> done);
  void Look(const std::string& group, const std::function<void(StatusOr<GroupView>)>& look);
  void LookAtAll(const std::function<void(const GroupView&)>& each, const std::function<void(Status)>& done);
  void Take(std::unique_ptr<GroupInput> input);  // group_loop_streams.cc
  void OnImage(ClusterImagePtr image);           // group_loop_image.cc

 private:
  struct Port {
    Outbox* outbox;
    GroupListener* listener;
    std::vector<StreamTell> tells;  // of this turn
  };
  struct Stream {
    LedGroup* group;
    std::string member;
    bool joined = false;  // the member is attached to this one
  };
  struct Parked {
    StreamId stream;  // 0: of a call
    std::function<void(const Status&)> run;  // not OK: the offsets topic could not be made
  };
  static constexpr std::uint64_t kCommitOnStream = 0;  // in place of a request
  using Phase = OffsetsPartition::Phase;
  using Answer = std::function<void(const Status& logged, GroupTell& tell)>;

  // group_loop.cc: the thread and its turns.
  Status Admit(std::size_t bytes);
  void Discharge(std::size_t bytes);
  void PostOwn(std::function<void()> task);  // any thread: what the loop itself has asked for
  void Loop();
  void Wait();
  void AwaitInput(std::optional<std::int64_t> due_ms);
  bool Turn();
  void FireTimers();
  void FireTimer(const GroupTimerKey& key);
  void ComputeTargets();
  void DropGoneGroups();
  void Finish();
  GroupNow Now() const;
  std::int64_t NowMs() const { return absl::ToInt64Milliseconds(now_); }

  // Steps the group and takes all its actions.
  void Step(LedGroup& group, const GroupEvent& event);
  void Touch(LedGroup& group);
  void NoteMember(LedGroup& group, const GroupTimer& session);
  void AwaitOwners(LedGroup& group, PendingReset reset, absl::Duration confirm_within);
  void SettleResets(LedGroup& group);
  void FinishReset(LedGroup& group, std::vector<PendingReset>::iterator reset);

  // group_loop_calls.cc
  std::uint64_t NextRequest(Answer answer);
  Status CheckGroupId(const std::string& group) const;
  OffsetsPartition* HomeOf(const std::string& group);  // nullptr: the topic is not there
  Status CheckServed(const OffsetsPartition* home) const;
  LedGroup* Find(OffsetsPartition& home, const std::string& group);
  StatusOr<LedGroup*> FindOrMake(OffsetsPartition& home, const std::string& group);
  // True if it was parked: the offsets topic is being made.
  bool ParkUntilMade(StreamId stream, std::function<void(const Status&)> run);
  void RunParkedIfMade();
  void RunParked(const Status& made);
  StatusOr<LedGroup*> FindServedOrMake(const std::string& id);
  StatusOr<LedGroup*> FindServed(const std::string& id);  // GROUP_ID_NOT_FOUND
  Status NoSuchGroup(const std::string& id) const;
  GroupView ViewOf(const LedGroup& group) const { return {group.core, group.members, *topics_, now_}; }

  // group_loop_streams.cc
  void Join(std::unique_ptr<GroupInput> input);
  void JoinServed(GroupInput& input, const Status& made);
  void EndNow(StreamId stream, const Status& status);
  void EndMember(LedGroup& group, StreamId stream, const Status& status);
  Status ResolvePattern(GroupSubscription& subscription);
  void ForgetUnusedPatterns();
  void DropProgress(LedGroup& group, const std::string& member, const std::vector<TopicPartition>& owned);
  void AddLogEnds(std::vector<CommitEntry>& entries) const;

  // group_loop_records.cc: the log.
  void TakeActions(LedGroup& group, GroupActions actions);
  void TakeTell(LedGroup& group, GroupTell tell);
  void CountCommits(const CommitDone& done);
  bool ForgetStream(StreamId stream);
  void Later(OffsetsPartition& home, LaterTell tell);
  void Release(LaterTell tell, const Status& logged);
  void ReleaseAll(std::vector<LaterTell> tells, const Status& logged);
  void TellStream(StreamTell tell);
  void StartAppends();
  void StartAppend(OffsetsPartition& home);
  void OnAppended(OffsetsPartition& home);
  void SendTells();

  // group_loop_loading.cc
  void BeginLoad(OffsetsPartition& home);
  void OnOpened(OffsetsPartition& home, std::uint64_t load, const Status& opened);
  bool LoadSlice();
  StatusOr<std::size_t> LoadBatches(OffsetsPartition& home);
  bool PatternsKnown(OffsetsPartition& home);
  Status ApplyBatch(OffsetsPartition& home, const RecordBatchView& batch);
  void Activate(OffsetsPartition& home);
  void Damage(LedGroup& group, const Status& why);
  void CountState(const LedGroup& group, std::int64_t sign);
  void EnterPhase(OffsetsPartition& home, Phase phase);
  std::string NameOf(const OffsetsPartition& home) const;
  void Fail(OffsetsPartition& home, const Status& why, bool retry);
  void Unload(OffsetsPartition& home, const Status& why);
  void RetryFailed();

  // group_loop_image.cc
  void EnsureTopics();
  template <class Entries>
  void CatchUp(LedGroup& group, const Entries& entries);
  bool TopicsWait() const { return (topics_stale_ || groups_behind_) && measures_.groups.value() > 0; }
  void TellTopics(LedGroup& group);
  void TakeTopics();
  void FollowOffsetsTopic();

  const GroupDriverOptions options_;
  const PartitionTable& table_;
  const OffsetsTopicMaker make_offsets_topic_;
  Clock& clock_;
  GroupMeasures measures_;

  std::vector<Port> ports_;
  std::map<PartitionIndex, std::unique_ptr<OffsetsPartition>> partitions_;  // of the offsets topic; never taken away: appends point into them
  ClusterImage::TopicPtr offsets_topic_;  // nullptr: not there
  ClusterImagePtr image_;
  std::shared_ptr<const TopicView> topics_ = std::make_shared<TopicView>();
  std::shared_ptr<const TopicChanges> topic_changes_;  // as the last group was told, while others may be
  bool topics_stale_ = true;              // image_ is newer
  bool groups_behind_ = false;            // topics_ is newer than what some group was told
  absl::Duration topics_from_;            // the groups are told of newer ones not before
  TopicPatterns patterns_;
  absl::Duration patterns_kept_until_;    // those that nobody uses are not looked for before
  GroupTimers timers_;
  absl::flat_hash_map<StreamId, Stream> streams_;
  absl::flat_hash_map<std::uint64_t, Answer> calls_;  // by request, until its tell is released
  std::vector<Parked> parked_;            // until the offsets topic is made
  bool making_topic_ = false;
  int abroad_ = 0;                        // what was asked of other threads, beside appends, and has not come back
  std::vector<LedGroup*> touched_;
  std::vector<LedGroup*> leaving_;
  absl::Duration now_;                    // of the turn
  std::uint64_t last_request_ = 0;
  std::pair<StreamId, std::uint64_t> stream_commit_;  // being stepped: its stream and the door's number

  Outbox outbox_;
  Gate gate_;  // to the outbox, for everyone but the loop itself
  std::atomic<std::int64_t> waiting_inputs_{0};
  std::atomic<std::int64_t> waiting_bytes_{0};
  Mutex mu_;
  CondVar wake_;
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace cordwood::broker
