// SPDX-License-Identifier: Apache-2.0
// A member's life: streams come and go, it is welcomed, fenced, parked; what it says and when.
#include "client/internal/group/member_core.h"

#include <algorithm>
#include <utility>

#include "client/internal/rpc_error.h"

namespace cordwood::client {
namespace {

constexpr double kSlowPoll = 0.8;  // of max_poll_interval

// The member is one no more, but may join anew.
bool IsFenced(const Status& status) {
  switch (ReasonOf(status)) {
    case Reason::kFencedMemberEpoch:
    case Reason::kUnknownMemberId:
    case Reason::kStaleMemberEpoch: return true;
    default: return false;
  }
}

std::int64_t ToMs(absl::Duration duration) { return absl::ToInt64Milliseconds(duration); }

}  // namespace

MemberCore::MemberCore(MemberCoreOptions options, absl::Duration now)
    : options_(std::move(options)), subscription_(options_.subscription), last_contact_(now), polled_(now) {
  Begin();
}

// A new incarnation, which has nothing.
void MemberCore::Begin() {
  phase_ = Phase::kMember;
  member_id_ = options_.new_member_id();
  epoch_ = 0;
  known_ = false;
  in_doubt_ = false;
  rejoin_ = false;
}

void MemberCore::Subscribe(const v1::Subscription& subscription) {
  subscription_ = subscription;
  subscribe_due_ = joined_;
}

void MemberCore::Polled(absl::Duration at) {
  if (at <= polled_) return;
  polled_ = at;
  warned_ = false;
  if (phase_ == Phase::kParking) rejoin_ = true;
  if (phase_ != Phase::kParked) return;
  last_contact_ = at;
  Begin();
}

void MemberCore::Progressed(const GroupPartition& at, Offset position, bool paused) {
  const auto held = held_.find(at);
  if (held == held_.end()) return;
  held->second.progress.emplace(position, paused);
  progress_[at] = {position, paused};
}

void MemberCore::Leave() {
  if (phase_ == Phase::kParked || (phase_ == Phase::kMember && !known_)) phase_ = Phase::kLeft;
  if (phase_ == Phase::kMember) phase_ = Phase::kLeaving;
  if (phase_ == Phase::kParking) rejoin_ = false;
  if (phase_ == Phase::kLeft) FailCommits(Error(Reason::kUnknownMemberId, "left the group"));
}

void MemberCore::StreamOpened(absl::Duration now) {
  StreamGone();
  open_ = true;
  opened_ = now;
}

void MemberCore::StreamGone() {
  open_ = joined_ = welcomed_ = leave_sent_ = subscribe_due_ = heartbeat_due_ = owned_changed_ = false;
  // A commit that is sent again must not set back what a later one has done.
  std::map<Tenure, MemberCommitEntry> latest;
  for (auto commit = commits_.rbegin(); commit != commits_.rend(); ++commit) {
    for (const std::size_t index : commit->asked) {
      const MemberCommitEntry& entry = commit->entries[index];
      const auto [later, first] = latest.try_emplace(entry.tenure, entry);
      if (!first) commit->entries[index] = later->second;
    }
    commit->sent = false;
  }
}

void MemberCore::StreamEnded(const Status& status, absl::Duration now) {
  const bool leave_sent = leave_sent_;
  if (welcomed_) last_contact_ = std::max(last_contact_, last_heartbeat_);  // nothing is answered to a heartbeat
  StreamGone();
  switch (phase_) {
    case Phase::kMember: break;
    case Phase::kLeaving:
      if (status.ok() ? !leave_sent : IsRetriable(status)) return;  // joins again, to leave
      FailCommits(status.ok() ? Error(Reason::kUnknownMemberId, "left the group") : status);
      while (!held_.empty()) Lose(held_.begin());
      phase_ = Phase::kLeft;
      return;
    case Phase::kParking:
      phase_ = Phase::kParked;
      if (rejoin_) {
        last_contact_ = now;
        Begin();
      }
      return;
    case Phase::kParked:
    case Phase::kLeft:
    case Phase::kFailed: return;
  }
  if (!status.ok() && !IsTransportError(status)) reason_ = MessageOf(status);
  if (status.ok() || IsRetriable(status)) return;  // goes on where it was
  Drop(status);
  reason_ = MessageOf(status);
  if (IsFenced(status)) {
    last_contact_ = now;
    return Begin();
  }
  failure_ = status;
  phase_ = Phase::kFailed;
}

void MemberCore::Drop(const Status& why) {
  FailCommits(why);
  while (!held_.empty()) Lose(held_.begin());
  confirm_.clear();
  progress_.clear();
}

// The application has spent too long without a poll.
void MemberCore::Park() {
  Drop(Error(Reason::kFencedMemberEpoch, "no poll within " + absl::FormatDuration(options_.max_poll_interval) + ": the member left the group"));
  reason_ = "no poll within " + absl::FormatDuration(options_.max_poll_interval);
  phase_ = welcomed_ ? Phase::kParking : Phase::kParked;
}

void MemberCore::Tick(absl::Duration now) {
  in_doubt_ = phase_ == Phase::kMember && epoch_ > 0 && !welcomed_ && now - last_contact_ >= session_timeout_;
  if (phase_ != Phase::kMember) return;
  const absl::Duration silent = now - polled_;
  if (!warned_ && silent >= options_.max_poll_interval * kSlowPoll) {
    warned_ = true;
    slow_poll_ = silent;
  }
  if (silent >= options_.max_poll_interval) Park();
}

bool MemberCore::overdue(absl::Duration now) const {
  if (!open_) return false;
  if (!welcomed_ || phase_ == Phase::kParking) return now - std::max(opened_, last_heartbeat_) >= options_.answer_timeout;
  return !commits_.empty() && commits_.front().sent && now - commits_.front().since >= options_.answer_timeout;
}

absl::Duration MemberCore::next_wake() const {
  absl::Duration wake = absl::InfiniteDuration();
  const auto at = [&](absl::Duration time) { wake = std::min(wake, time); };
  if (open_ && (!welcomed_ || phase_ == Phase::kParking)) at(std::max(opened_, last_heartbeat_) + options_.answer_timeout);
  if (welcomed_) at(last_heartbeat_ + heartbeat_interval_);
  if (welcomed_ && !commits_.empty() && commits_.front().sent) at(commits_.front().since + options_.answer_timeout);
  if (phase_ != Phase::kMember) return wake;
  if (epoch_ > 0 && !welcomed_ && !in_doubt_) at(last_contact_ + session_timeout_);
  at(polled_ + options_.max_poll_interval * (warned_ ? 1.0 : kSlowPoll));
  return wake;
}

Status MemberCore::Received(const v1::CoordinatorMessage& message, absl::Duration now) {
  last_contact_ = now;
  switch (message.what_case()) {
    case v1::CoordinatorMessage::kWelcome: {
      CORDWOOD_RETURN_IF_ERROR(Welcome(message.welcome()));
      last_heartbeat_ = now;  // the Join was one
      Tick(now);
      return absl::OkStatus();
    }
    case v1::CoordinatorMessage::kTarget: return TakeTarget(message.target(), now);
    case v1::CoordinatorMessage::kPositions: return TakePositions(message.positions());
    case v1::CoordinatorMessage::kCommitDone: CommitDone(message.commit_done()); return absl::OkStatus();
    case v1::CoordinatorMessage::kReplay: TakeReplay(message.replay(), now); return absl::OkStatus();
    case v1::CoordinatorMessage::kMoved: moved_to_ = message.moved().leader(); return absl::OkStatus();
    case v1::CoordinatorMessage::WHAT_NOT_SET: break;
  }
  return absl::OkStatus();  // of a newer broker
}

Status MemberCore::Welcome(const v1::Welcome& welcome) {
  if (welcome.heartbeat_interval_ms() <= 0 || welcome.session_timeout_ms() <= 0 || welcome.member_epoch() <= 0) {
    return Error(Reason::kMalformedRequest, "a Welcome without epoch or times");
  }
  heartbeat_interval_ = absl::Milliseconds(welcome.heartbeat_interval_ms());
  session_timeout_ = absl::Milliseconds(welcome.session_timeout_ms());
  if (epoch_ == 0) epoch_ = welcome.member_epoch();  // else only a target moves it
  welcomed_ = true;
  for (const auto& [at, held] : held_) {
    if (held.state == State::kTaken && !held.moved && held.place.position_epoch > 0) confirm_[at] = held.place.position_epoch;
    if (held.progress.has_value()) progress_[at] = *held.progress;  // a coordinator that was started again knows of none
  }
  return absl::OkStatus();
}

std::optional<v1::MemberMessage> MemberCore::NextMessage(absl::Duration now) {
  if (!open_ || leave_sent_) return std::nullopt;
  if (!joined_) {
    joined_ = known_ = true;
    last_heartbeat_ = now;
    return JoinMessage();
  }
  if (!welcomed_) return std::nullopt;
  if (auto commit = CommitMessage(now)) return commit;
  v1::MemberMessage message;
  if (!confirm_.empty()) {
    for (const auto& [at, position_epoch] : std::exchange(confirm_, {})) {
      auto* position = message.mutable_positions_taken()->add_positions();
      position->set_topic_id(std::string(at.topic.raw()));
      position->set_partition(at.partition.value());
      position->set_position_epoch(position_epoch);
    }
    return message;
  }
  if (std::exchange(subscribe_due_, false)) {
    *message.mutable_subscribe() = subscription_;
    return message;
  }
  if (phase_ == Phase::kParking || (phase_ == Phase::kLeaving && commits_.empty())) {
    leave_sent_ = true;
    last_heartbeat_ = now;
    message.mutable_leave()->set_keep_slot(!options_.instance_id.empty());
    return message;
  }
  if (heartbeat_due_ || now - last_heartbeat_ >= heartbeat_interval_) return HeartbeatMessage(now);
  return std::nullopt;
}

v1::MemberMessage MemberCore::JoinMessage() const {
  v1::MemberMessage message;
  auto* join = message.mutable_join();
  join->set_group(options_.group);
  join->set_member_id(member_id_);
  join->set_instance_id(options_.instance_id);
  join->set_client(options_.client);
  *join->mutable_subscription() = subscription_;
  join->set_assignor(options_.assignor);
  join->set_rebalance_timeout_ms(ToMs(options_.max_poll_interval));
  join->set_member_epoch(epoch_);
  if (epoch_ > 0) AddOwned(join->mutable_owned());
  return message;
}

std::optional<v1::MemberMessage> MemberCore::CommitMessage(absl::Duration now) {
  const auto next = std::find_if(commits_.begin(), commits_.end(), [](const PendingCommit& commit) { return !commit.sent; });
  if (next == commits_.end()) return std::nullopt;
  next->sent = next->ever_sent = true;
  next->since = now;
  v1::MemberMessage message;
  auto* commit = message.mutable_commit();
  commit->set_seq(next->seq);
  commit->set_member_epoch(epoch_);
  for (const std::size_t index : next->asked) {
    const MemberCommitEntry& from = next->entries[index];
    auto* entry = commit->add_entries();
    entry->set_topic_id(std::string(from.at.topic.raw()));
    entry->set_partition(from.at.partition.value());
    entry->set_offset(from.offset.value());
    if (from.leader_epoch != kNoLeaderEpoch) entry->set_leader_epoch(from.leader_epoch.value());
    entry->set_position_epoch(from.position_epoch);
    entry->set_metadata(from.metadata);
  }
  return message;
}

v1::MemberMessage MemberCore::HeartbeatMessage(absl::Duration now) {
  heartbeat_due_ = false;
  last_heartbeat_ = now;
  v1::MemberMessage message;
  auto* heartbeat = message.mutable_heartbeat();
  heartbeat->set_member_epoch(epoch_);
  if (std::exchange(owned_changed_, false)) AddOwned(heartbeat->mutable_owned());
  for (const auto& [at, where] : std::exchange(progress_, {})) {
    auto* progress = heartbeat->add_progress();
    progress->set_topic_id(std::string(at.topic.raw()));
    progress->set_partition(at.partition.value());
    progress->set_position(where.first.value());
    progress->set_paused(where.second);
  }
  return message;
}

void MemberCore::AddOwned(v1::TopicPartitionList* list) const {
  v1::TopicPartitions* topic = nullptr;
  for (const auto& [at, held] : held_) {
    if (topic == nullptr || topic->topic_id() != at.topic.raw()) {
      topic = list->add_topics();
      topic->set_topic_id(std::string(at.topic.raw()));
    }
    topic->add_partitions(at.partition.value());
  }
}

}  // namespace cordwood::client
