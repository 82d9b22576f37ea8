// SPDX-License-Identifier: Apache-2.0
// Into the group, out of it, and what a member commits: what was handled, what the user says, and when.
#include <algorithm>
#include <utility>

#include "client/group/consumer_group.h"
#include "client/consumer_offsets.h"
#include "client/failure.h"
#include "client/fork.h"
#include "storage/base/clock.h"
#include "storage/base/names.h"

namespace cordwood {

using client::ToFailure;
using client::ToRefusal;

namespace {

constexpr absl::Duration kProgressInterval = absl::Seconds(1);

absl::Duration Now() { return Clock::System().Monotonic(); }

// The first failure, with the partition's name.
Result<void> FirstFailure(const std::vector<Status>& entries, const std::vector<TopicPartition>& names) {
  for (std::size_t i = 0; i < entries.size(); ++i) {
    if (entries[i].ok()) continue;
    const std::string name = client::NameOf(names[i]);
    return client::ToFailure(MessageOf(entries[i]).find(name) != std::string::npos ? entries[i] : Annotate(entries[i], name));
  }
  return {};
}

Future<void> Answered(Result<void> answer) {
  Promise<void> promise;
  Future<void> future = promise.future();
  promise.Set(std::move(answer));
  return future;
}

}  // namespace

Offset Consumer::State::Group::PositionOf(const TopicPartition& partition, const Place& place) const {
  const Offset position = place.early.empty() ? state_.ahead.position(state_.assignment.at(partition).slot) : Offset(place.early.front().offset());
  return place.place.end.has_value() ? std::min(position, *place.place.end) : position;
}

std::optional<Offset> Consumer::State::Group::CommittableOf(const TopicPartition& partition, const Place& place) const {
  if (!place.placed) return std::nullopt;
  const Offset offset = place.unhandled.value_or(PositionOf(partition, place));
  return place.committed == offset ? std::nullopt : std::optional(offset);
}

client::MemberCommitEntry Consumer::State::Group::EntryOf(const TopicPartition& partition, Place* place, Offset offset, const CommitMade& made,
                                                          LeaderEpoch leader_epoch) const {
  place->committed = offset;
  place->made = made;
  if (leader_epoch == kNoLeaderEpoch && offset == place->unhandled) {
    leader_epoch = place->handled_epoch;
  } else if (leader_epoch == kNoLeaderEpoch && offset == PositionOf(partition, *place)) {
    leader_epoch = place->read_epoch;
  }
  return {place->place.at, place->place.tenure, offset, leader_epoch, place->place.position_epoch, ""};
}

bool Consumer::State::Group::anything_to_commit() const {
  return std::any_of(places_.begin(), places_.end(), [this](const auto& entry) { return CommittableOf(entry.first, entry.second).has_value(); });
}

void Consumer::State::Group::Mark(const ConsumerRecord& record) {
  const auto found = places_.find(record.topic_partition());
  if (found == places_.end() || !found->second.unhandled.has_value()) return;
  const Offset position = PositionOf(found->first, found->second);
  // Behind the last that was given there may be a gap, which ends at the position.
  const Offset next = record.offset() >= found->second.last ? position : std::min(Offset(record.offset() + 1), position);
  if (next <= *found->second.unhandled) return;
  found->second.unhandled = next;
  found->second.handled_epoch = LeaderEpoch(record.leader_epoch());
}

Future<void> Consumer::State::Group::Commit() {
  std::vector<client::MemberCommitEntry> entries;
  Partitions names;
  const auto made = std::make_shared<std::atomic<bool>>(false);
  for (auto& [partition, place] : places_) {
    place.unhandled.reset();
    if (place.made != nullptr && !*place.made) place.committed.reset();  // not answered yet, or refused: only this one's answer says that it is done
    const auto offset = CommittableOf(partition, place);
    if (!offset.has_value()) continue;
    entries.push_back(EntryOf(partition, &place, *offset, made));
    names.push_back(partition);
  }
  unhandled_.clear();
  return Send(std::move(entries), std::move(names), made);
}

Future<void> Consumer::State::Group::Commit(const std::map<TopicPartition, CommittedOffset>& offsets) {
  std::vector<client::MemberCommitEntry> entries;
  Partitions names;
  const auto made = std::make_shared<std::atomic<bool>>(false);
  for (const auto& [partition, offset] : offsets) {
    const auto found = places_.find(partition);
    // Without a tenure it is refused as one that is gone.
    entries.push_back(found == places_.end() ? client::MemberCommitEntry{} : EntryOf(partition, &found->second, Offset(offset.offset), made, LeaderEpoch(offset.leader_epoch)));
    entries.back().metadata = offset.metadata;
    names.push_back(partition);
  }
  return Send(std::move(entries), std::move(names), made);
}

Future<void> Consumer::State::Group::Send(std::vector<client::MemberCommitEntry> entries, Partitions names, CommitMade made) {
  const auto promise = std::make_shared<Promise<void>>(thread_);
  Future<void> future = promise->future();
  if (entries.empty()) {
    promise->Set(Result<void>());
    return future;
  }
  member_.Commit(std::move(entries), [promise, names = std::move(names), made = std::move(made), automatic = automatic_](const std::vector<Status>& statuses) {
    const Result<void> result = FirstFailure(statuses, names);
    (result ? *made : automatic->failed) = true;
    promise->Set(result);
  });
  return future;
}

// At most one is under way, but for what must precede a partition's going.
void Consumer::State::Group::CommitAutomatically(const Partitions* only) {
  if (only == nullptr) {
    if (automatic_->under_way) return;
    last_commit_ = Now();
  }
  const bool again = automatic_->failed.exchange(false);
  const auto made = std::make_shared<std::atomic<bool>>(false);
  std::vector<client::MemberCommitEntry> entries;
  for (auto& [partition, place] : places_) {
    if (again) place.committed.reset();  // which of them failed is not known
    if (only != nullptr && !std::binary_search(only->begin(), only->end(), partition)) continue;
    if (const auto offset = CommittableOf(partition, place)) entries.push_back(EntryOf(partition, &place, *offset, made));
  }
  if (entries.empty()) return;
  automatic_->under_way = true;
  member_.Commit(std::move(entries), [made, automatic = automatic_](const std::vector<Status>& statuses) {
    const bool failed = std::any_of(statuses.begin(), statuses.end(), [](const Status& status) { return !status.ok(); });
    (failed ? automatic->failed : *made) = true;
    automatic->under_way = false;
  });
}

void Consumer::State::Group::TellProgress() {
  if (Now() - last_progress_ < kProgressInterval) return;
  last_progress_ = Now();
  std::vector<client::MemberProgressEntry> progress;
  for (auto& [partition, place] : places_) {
    if (!place.placed) continue;
    const std::pair stand(PositionOf(partition, place), state_.ahead.paused(state_.assignment.at(partition).slot));
    if (place.told == stand) continue;
    place.told = stand;
    progress.push_back({place.place.at, stand.first, stand.second});
  }
  if (!progress.empty()) member_.Progressed(std::move(progress));
}

Result<void> Consumer::State::CheckGroup() const {
  if (const auto ended = Ended()) return *ended;
  if (!options.group.id.empty()) return {};
  return ToRefusal(Error(Reason::kInvalidConfig, "this consumer has no group: set GroupOptions::id in NewConsumer()"));
}

Result<void> Consumer::State::Subscribe(const std::vector<std::string>& topics, std::string_view pattern) {
  if (const auto fits = CheckCall("Subscribe()"); !fits) return fits.error();
  if (const auto fits = CheckGroup(); !fits) return fits.error();
  if (topics.empty() && pattern.empty()) return ToRefusal(Error(Reason::kInvalidRequest, "Subscribe() without a topic; to leave the group: Unsubscribe()"));
  if (!IsUtf8(pattern) || !std::all_of(topics.begin(), topics.end(), IsUtf8)) return ToRefusal(Error(Reason::kInvalidRequest, "Subscribe(): names and patterns are UTF-8"));
  if (group == nullptr && !assignment.empty()) {
    return ToRefusal(Error(Reason::kInvalidRequest, "partitions are assigned by hand to this consumer; Unassign() them first, or use another one"));
  }
  v1::Subscription subscription;
  for (const std::string& topic : topics) subscription.add_topics(topic);
  subscription.set_pattern(std::string(pattern));
  if (group != nullptr && !group->failure().ok()) group.reset();  // what was refused is tried anew
  if (group != nullptr) {
    group->Subscribe(subscription);
  } else {
    group = std::make_unique<Group>(*this, subscription);
  }
  return {};
}

Result<void> Consumer::State::Unsubscribe(Consumer& self, std::chrono::milliseconds timeout) {
  if (const auto fits = CheckCall("Unsubscribe()"); !fits) return fits.error();
  if (group == nullptr) return {};
  const absl::Duration deadline = Now() + absl::FromChrono(timeout);
  const bool told = group->Leave(self, deadline);
  group.reset();
  if (told) return {};
  return ToFailure(Error(Reason::kRequestTimedOut, "group " + options.group.id + " did not answer within the timeout: it will notice by its session timeout that this member is "
                                                                                 "gone, and what was committed last may be missing"));
}

Result<void> Consumer::State::Close(Consumer& self, std::chrono::milliseconds timeout) {
  if (closed) return {};
  const Result<void> left = Unsubscribe(self, timeout);
  if (!left && left.error().code() == Errc::kInvalidRequest) return left;  // in a callback
  Stop();
  return left;
}

Result<void> Consumer::State::Await(Future<void> commit) const {
  const absl::Duration longest = std::min(connection->broker.options().request_timeout, call_deadline - Now());
  if (!commit.wait_for(absl::ToChronoMilliseconds(std::max(longest, absl::ZeroDuration())))) {
    return Failure(Errc::kRequestTimedOut, "group " + options.group.id + " did not answer the commit in time; it may have been done", /*definite=*/false, /*retriable=*/true);
  }
  return commit.get();
}

Result<void> Consumer::Subscribe(const std::vector<std::string>& topics) { return state_->Subscribe(topics, ""); }
Result<void> Consumer::SubscribePattern(std::string_view pattern) { return state_->Subscribe({}, pattern); }
Result<void> Consumer::Unsubscribe(std::chrono::milliseconds timeout) { return state_->Unsubscribe(*this, timeout); }

GroupMembership Consumer::State::Group::membership() {
  const client::MemberIdentity identity = member_.identity();
  const auto unplaced = std::count_if(waiting_.begin(), waiting_.end(), [this](const client::MemberPlace& place) { return !places_.contains(NameOf(place)); });
  return {identity.member_id, identity.epoch, identity.reason, places_.size() + static_cast<std::size_t>(unplaced)};
}

GroupMembership Consumer::membership() const {
  return client::InForkedChild() || state_->group == nullptr ? GroupMembership{} : state_->group->membership();
}

ReplayState Consumer::replay() const { return state_->group == nullptr ? ReplayState::kNone : state_->group->replay(); }

void Consumer::Mark(const ConsumerRecord& record) {
  if (!client::InForkedChild() && state_->group != nullptr) state_->group->Mark(record);
}

Future<void> Consumer::CommitAsync() {
  if (const auto fits = state_->CheckGroup(); !fits) return Answered(fits);
  if (state_->group == nullptr) return Answered(ToRefusal(Error(Reason::kInvalidRequest, "CommitAsync() is for a consumer that subscribed; use Commit()")));
  return state_->group->Commit();
}

Future<void> Consumer::CommitAsync(const std::map<TopicPartition, CommittedOffset>& offsets) {
  if (const auto fits = state_->CheckGroup(); !fits) return Answered(fits);
  if (state_->group == nullptr) return Answered(ToRefusal(Error(Reason::kInvalidRequest, "CommitAsync() is for a consumer that subscribed; use Commit()")));
  return state_->group->Commit(offsets);
}

Result<void> Consumer::Commit() {
  if (state_->group != nullptr) return state_->Await(CommitAsync());
  std::map<TopicPartition, CommittedOffset> offsets;
  for (const auto& [partition, assigned] : state_->assignment) offsets[partition] = {state_->ahead.position(assigned.slot).value(), ""};
  return Commit(offsets);
}

Result<void> Consumer::Commit(const std::map<TopicPartition, CommittedOffset>& offsets) {
  if (state_->group != nullptr) return state_->Await(CommitAsync(offsets));
  if (const auto fits = state_->CheckGroup(); !fits) return fits;
  return client::ToResult(state_->group_offsets.Commit(offsets));
}

Result<std::vector<std::optional<CommittedOffset>>> Consumer::Committed(const std::vector<TopicPartition>& partitions) const {
  if (const auto fits = state_->CheckGroup(); !fits) return fits.error();
  auto offsets = state_->group_offsets.Fetch(partitions);
  if (!offsets.ok()) return ToFailure(offsets.status());
  return *std::move(offsets);
}

}  // namespace cordwood
