// SPDX-License-Identifier: Apache-2.0
// Everything a member of a consumer group decides. Pure: no clock, no thread, no I/O. Its coordinator: docs/reference/wire.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "client/internal/group/member_types.h"
#include "cordwood/v1/groups.pb.h"
#include "storage/base/ids.h"
#include "storage/base/reason.h"

namespace cordwood::client {

struct MemberCoreOptions {
  std::string group;
  std::string instance_id;  // empty: dynamic
  std::string client;
  std::string assignor;
  v1::Subscription subscription;
  absl::Duration max_poll_interval = absl::Minutes(5);
  absl::Duration answer_timeout = absl::Seconds(30);  // of a Welcome or a CommitDone; then the stream is given up
  std::function<std::string()> new_member_id;         // of the next incarnation
};

inline constexpr std::size_t kCommitsPendingMax = 1'000;

// In order, each as much as one commit may have; at least one.
std::vector<std::vector<MemberCommitEntry>> InMessages(std::vector<MemberCommitEntry> entries);

// Drive it: feed events; after each, send NextMessage() until there is none, take what is there to take, and look again at next_wake().
//
// Life of a partition: new (given by a target) -> taken (by the application) -> revoking -> giving up (the application was told) -> draining (its
// commits are not answered yet) -> gone. It is in `owned` throughout: the next owner begins where our last commit is.
// Invariants: see Invariants(). Every commit has one answer. Epochs and position epochs only rise within an incarnation.
// Threading: none of its own.
class MemberCore {
 public:
  MemberCore(MemberCoreOptions options, absl::Duration now);

  // The application.
  void Subscribe(const v1::Subscription& subscription);
  void Polled(absl::Duration at);  // the last time it was seen in a poll
  MemberChanges TakeChanges();
  bool has_changes() const;
  const std::optional<MemberReplay>& replay() const { return replay_; }  // nullopt: the group is no replay job
  bool TakeReplayChanged() { return std::exchange(replay_changed_, false); }
  void GaveUp(const std::vector<MemberPlace>& revoked);
  void Taken(const std::vector<MemberPlace>& moved);
  void Progressed(const GroupPartition& at, Offset position, bool paused);
  // As much as a message may have: see InMessages(). Its answer comes in TakeAnswers(); an entry is refused that is not this member's (STALE_MEMBER_EPOCH) or says too
  // much (OFFSET_METADATA_TOO_LARGE). LIMIT_EXCEEDED: kCommitsPendingMax wait already.
  StatusOr<std::uint64_t> Commit(std::vector<MemberCommitEntry> entries, absl::Duration now);
  std::vector<MemberCommitAnswer> TakeAnswers() { return std::exchange(answers_, {}); }
  // When its commits are answered; a static member keeps its slot for the session timeout.
  void Leave();

  // The stream.
  bool wants_stream() const { return phase_ == Phase::kMember || phase_ == Phase::kLeaving || phase_ == Phase::kParking; }
  void StreamOpened(absl::Duration now);
  // MALFORMED_REQUEST: break the stream.
  Status Received(const v1::CoordinatorMessage& message, absl::Duration now);
  void StreamEnded(const Status& status, absl::Duration now);
  std::optional<v1::MemberMessage> NextMessage(absl::Duration now);
  std::optional<v1::Leader> TakeMoved() { return std::exchange(moved_to_, std::nullopt); }

  void Tick(absl::Duration now);
  // The coordinator owes an answer for too long: break the stream.
  bool overdue(absl::Duration now) const;
  absl::Duration next_wake() const;

  bool parked() const { return phase_ == Phase::kParking || phase_ == Phase::kParked; }  // until the next poll
  // Once, when the application has spent four fifths of max_poll_interval without a poll: how long it is.
  std::optional<absl::Duration> TakeSlowPoll() { return std::exchange(slow_poll_, std::nullopt); }
  bool left() const { return phase_ == Phase::kLeft || phase_ == Phase::kFailed; }
  const Status& failure() const { return failure_; }  // not OK: the group refused the member for good
  // Nothing was heard of the coordinator for so long that others may have the partitions: hand out nothing.
  bool in_doubt() const { return in_doubt_; }
  const std::string& member_id() const { return member_id_; }
  std::int32_t epoch() const { return epoch_; }
  const std::string& reason() const { return reason_; }  // for people: the coordinator's last
  Status Invariants() const;

 private:
  // Parked: the application does not poll; its next poll joins anew.
  enum class Phase { kMember, kLeaving, kParking, kParked, kLeft, kFailed };
  enum class State { kNew, kTaken, kRevoking, kGivingUp, kDraining };
  struct Held {
    MemberPlace place;
    State state = State::kNew;
    bool moved = false;  // `place` is newer than what the application has
    bool back = false;   // given again while the application gives it up
    std::optional<Offset> committed;  // by us, under place.position_epoch
    std::optional<std::pair<Offset, bool>> progress;  // as the application said last
  };
  using HeldMap = std::map<GroupPartition, Held>;
  struct PendingCommit {
    std::uint64_t seq = 0;
    std::vector<MemberCommitEntry> entries;
    std::vector<Status> refused;  // by entry; OK: the coordinator decides
    std::vector<std::size_t> asked;  // indices of those
    bool sent = false;            // on this stream
    bool ever_sent = false;
    absl::Duration since;         // sent, or given to Commit()
  };

  Status Welcome(const v1::Welcome& welcome);
  Status TakeTarget(const v1::Target& target, absl::Duration now);
  void TakeReplay(const v1::Replay& replay, absl::Duration now);
  Status TakePositions(const v1::Positions& positions);
  void CommitDone(const v1::CommitDone& done);
  void Give(const GroupPartition& at, const v1::AssignedPartition& assigned);
  void Place(Held* held, const v1::AssignedPartition& assigned);
  void Revoke(HeldMap::iterator held);
  void Lose(HeldMap::iterator held);
  void Release(HeldMap::iterator held);
  void ReleaseDrained();
  std::set<Tenure> WithCommits() const;
  // All that this incarnation had is lost.
  void Drop(const Status& why);
  void Begin();
  void FailCommits(const Status& why);
  void Answer(PendingCommit* commit, std::vector<Status> entries);
  void StreamGone();
  void Park();
  v1::MemberMessage JoinMessage() const;
  std::optional<v1::MemberMessage> CommitMessage(absl::Duration now);
  v1::MemberMessage HeartbeatMessage(absl::Duration now);
  void AddOwned(v1::TopicPartitionList* list) const;
  Held* Live(const GroupPartition& at, Tenure tenure);

  const MemberCoreOptions options_;
  v1::Subscription subscription_;
  Phase phase_ = Phase::kMember;
  Status failure_;
  std::string member_id_;
  std::int32_t epoch_ = 0;  // of the last target taken in, at first the Welcome's; 0: not welcomed yet
  bool known_ = false;       // a Join of this incarnation was sent: the coordinator may have it as a member
  std::string reason_;
  HeldMap held_;
  Tenure last_tenure_ = 0;
  std::vector<MemberPlace> lost_;  // the application does not know yet
  std::optional<MemberReplay> replay_;
  bool replay_changed_ = false;

  std::deque<PendingCommit> commits_;  // not answered; those sent on this stream come first
  std::uint64_t last_seq_ = 0;
  std::vector<MemberCommitAnswer> answers_;
  std::map<GroupPartition, std::uint32_t> confirm_;  // positions taken that are to be said
  std::map<GroupPartition, std::pair<Offset, bool>> progress_;
  std::optional<v1::Leader> moved_to_;

  // Of the stream.
  bool open_ = false;
  bool joined_ = false;    // Join was sent
  bool welcomed_ = false;  // and answered
  bool leave_sent_ = false;
  bool subscribe_due_ = false;
  bool heartbeat_due_ = false;  // at once
  bool owned_changed_ = false;  // since the last heartbeat that had it
  absl::Duration opened_;
  absl::Duration last_heartbeat_;

  absl::Duration heartbeat_interval_ = absl::Seconds(5);
  absl::Duration session_timeout_ = absl::Seconds(15);
  absl::Duration last_contact_;
  bool in_doubt_ = false;
  bool rejoin_ = false;  // a poll came while parking
  absl::Duration polled_;
  bool warned_ = false;
  std::optional<absl::Duration> slow_poll_;
};

}  // namespace cordwood::client
