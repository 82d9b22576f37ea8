// SPDX-License-Identifier: Apache-2.0
// Partitions come and go on the thread that polls, and begin where the group was, or as GroupOptions::reset says.
#include "client/group/consumer_group.h"

#include <algorithm>
#include <chrono>
#include <map>
#include <set>
#include <string>
#include <utility>

#include "client/consumer_offsets.h"
#include "client/failure.h"
#include "storage/base/clock.h"

namespace cordwood {

using client::MemberPlace;
using Kind = GroupReset::Kind;

namespace {

constexpr absl::Duration kCommitPause = absl::Milliseconds(10);  // between automatic commits while one Poll() waits

absl::Duration Now() { return Clock::System().Monotonic(); }

client::MemberCoreOptions MemberOptionsOf(const GroupOptions& options, const v1::Subscription& subscription) {
  client::MemberCoreOptions member;
  member.group = options.id;
  member.instance_id = options.instance_id;
  member.client = options.client;
  member.assignor = options.assignor;
  member.subscription = subscription;
  member.max_poll_interval = absl::FromChrono(options.max_poll_interval);
  member.new_member_id = [] { return Uuid::Random().ToString(); };
  return member;
}

}  // namespace

Consumer::State::Group::Group(State& state, const v1::Subscription& subscription)
    : state_(state), options_(state.options.group), thread_(state.callback_thread), callbacks_({}, state.connection->on_exception), last_commit_(Now()), last_progress_(Now()),
      query_(state.loop, state.connection->broker, [&state] { state.fetch.Wakeup(); }),
      member_(state.loop, state.connection->broker, MemberOptionsOf(options_, subscription),
              {[&state] { state.fetch.Wakeup(); },
               [hook = options_.on_slow_poll, thread = state.callback_thread](absl::Duration since) {
                 if (hook) thread->Run([&] { hook(absl::ToChronoMilliseconds(since)); });
               }}) {}

void Consumer::State::Group::PollBegan() {
  polling_ = true;
  member_.PollBegan();
  for (const TopicPartition& partition : std::exchange(unhandled_, {})) {
    if (const auto found = places_.find(partition); found != places_.end()) found->second.unhandled.reset();
  }
}

void Consumer::State::Group::PollEnded(const std::vector<ConsumerRecord>& records) {
  polling_ = false;
  const TopicPartition* last = nullptr;  // records of a batch share one
  Place* place = nullptr;
  for (const ConsumerRecord& record : records) {
    if (&record.topic_partition() != last) {
      last = &record.topic_partition();
      const auto found = places_.find(*last);
      place = found == places_.end() ? nullptr : &found->second;
    }
    if (place == nullptr) continue;
    if (!place->unhandled.has_value()) {
      place->unhandled = Offset(record.offset());
      place->handled_epoch = place->read_epoch;
      unhandled_.push_back(*last);
    }
    place->read_epoch = LeaderEpoch(record.leader_epoch());
    place->last = record.offset();
  }
  GaveAtPace(records);
  member_.PollEnded();
}

Result<void> Consumer::State::Group::Turn(Consumer& self) {
  if (member_.has_news()) {
    const client::MemberNews news = member_.TakeNews();
    failure_ = news.failure;
    if (news.replay_changed) TakeReplay(news.replay);
    TakeLost(self, news.changes.lost);
    TakeRevoked(self, news.changes.revoked);
    TakeMoved(news.changes.moved);
    waiting_.insert(waiting_.end(), news.changes.assigned.begin(), news.changes.assigned.end());
  }
  if (const auto placed = PlaceAll(self); !placed) return placed.error();
  if (options_.auto_commit && Now() - last_commit_ >= absl::FromChrono(options_.auto_commit_interval)) CommitAutomatically(nullptr);
  TellProgress();
  return {};
}

absl::Duration Consumer::State::Group::next_turn() const {
  absl::Duration next = next_due();
  if (!waiting_.empty() && !asking_) next = ask_after_;
  absl::Duration commit_at = last_commit_ + std::max(absl::FromChrono(options_.auto_commit_interval), kCommitPause);
  if (automatic_->under_way) commit_at = std::max(commit_at, Now() + kCommitPause);
  if (options_.auto_commit && commit_at < next && anything_to_commit()) next = commit_at;
  return next;
}

Consumer::State::Group::Partitions Consumer::State::Group::Known(const std::vector<MemberPlace>& places) const {
  Partitions known;
  for (const MemberPlace& place : places) {
    const auto found = places_.find(NameOf(place));
    if (found != places_.end() && found->second.place.tenure == place.tenure) known.push_back(found->first);
  }
  std::sort(known.begin(), known.end());  // they came in order of topic ids
  return known;
}

void Consumer::State::Group::Call(Consumer& self, const RebalanceCallback& callback, const Partitions& partitions) {
  if (!callback || partitions.empty()) return;
  in_callback_ = true;
  callbacks_.Run([&] { callback(self, partitions); });
  in_callback_ = false;
}

// Those that wait for a place of theirs.
void Consumer::State::Group::Forget(const std::vector<MemberPlace>& gone) {
  std::set<client::Tenure> tenures;
  for (const MemberPlace& place : gone) tenures.insert(place.tenure);
  const auto is_gone = [&](const MemberPlace& at) { return tenures.contains(at.tenure); };
  std::erase_if(waiting_, is_gone);
  std::erase_if(placed_, [&](const auto& placed) { return is_gone(placed.first); });
  std::erase_if(unplaceable_, [&](const auto& failed) { return is_gone(failed.first); });
}

void Consumer::State::Group::TakeLost(Consumer& self, const std::vector<MemberPlace>& lost) {
  if (lost.empty()) return;
  const Partitions known = Known(lost);
  Remove(known);
  Forget(lost);
  Call(self, options_.on_lost ? options_.on_lost : options_.on_revoked, known);
}

void Consumer::State::Group::TakeRevoked(Consumer& self, const std::vector<MemberPlace>& revoked) {
  if (revoked.empty()) return;
  const Partitions known = Known(revoked);
  if (options_.auto_commit && !known.empty()) CommitAutomatically(&known);
  Call(self, options_.on_revoked, known);
  Remove(known);
  Forget(revoked);
  member_.GaveUp(revoked);  // behind the commits
}

// The group was reset: what was not handed out is dropped, what was is not committed.
void Consumer::State::Group::TakeMoved(const std::vector<MemberPlace>& moved) {
  if (moved.empty()) return;
  std::map<client::Tenure, const MemberPlace*> by_tenure;
  for (const MemberPlace& place : moved) by_tenure[place.tenure] = &place;
  for (MemberPlace& waiting : waiting_) {
    if (const auto place = by_tenure.find(waiting.tenure); place != by_tenure.end()) waiting = *place->second;
  }
  std::vector<std::pair<Assignment::iterator, Offset>> sought;
  for (const MemberPlace& place : moved) {
    const auto found = places_.find(NameOf(place));
    if (found == places_.end() || found->second.place.tenure != place.tenure) continue;
    found->second = Place{.place = place, .unhandled = std::nullopt, .committed = place.offset, .read_epoch = place.leader_epoch, .announced = true, .placed = place.offset.has_value()};
    if (!place.offset.has_value()) {
      state_.fetch.Silence({state_.assignment.at(found->first).slot});
      waiting_.push_back(place);
    } else {
      sought.emplace_back(state_.assignment.find(found->first), *place.offset);
    }
  }
  state_.SeekTo(sought);
  member_.Taken(moved);
}

void Consumer::State::Group::Remove(const Partitions& partitions) {
  std::vector<std::size_t> slots;
  for (const TopicPartition& partition : partitions) {
    const auto assigned = state_.assignment.find(partition);
    slots.push_back(assigned->second.slot);
    state_.ahead.Stop(assigned->second.slot);
    if (assigned->second.failure.has_value()) --state_.failed;
    state_.assignment.erase(assigned);
    places_.erase(partition);
  }
  if (slots.empty()) return;
  state_.fetch.Remove(slots);
  state_.GiveBack();
}

bool Consumer::State::Group::Leave(Consumer& self, absl::Duration deadline) {
  state_.call_deadline = deadline;
  if (member_.has_news()) {
    const client::MemberNews news = member_.TakeNews();
    TakeLost(self, news.changes.lost);
    TakeRevoked(self, news.changes.revoked);
  }
  Partitions all;
  for (const auto& [partition, place] : places_) all.push_back(partition);
  if (options_.auto_commit) CommitAutomatically(&all);
  Call(self, options_.on_revoked, all);
  Remove(all);
  const bool told = member_.Leave(std::max(deadline - Now(), absl::ZeroDuration()));
  member_.Shutdown();
  query_.Shutdown();
  state_.call_deadline = absl::InfiniteDuration();
  return told;
}

// Where partitions begin: at the committed offset, else as GroupOptions::reset says.

Status Consumer::State::Group::Advise(const Status& why) const {
  return Error(Reason::kOffsetOutOfRange, MessageOf(why) + "; choose GroupOptions::reset: GroupReset::Earliest(), Latest() or ByDuration(age), or Seek() the partition");
}

Result<void> Consumer::State::Group::PlaceAll(Consumer& self) {
  if (asking_) {
    if (auto answer = query_.Take()) {
      asking_ = false;
      if (answer->ok()) {
        ask_backoff_.Reset();
        TakeOffsets(**answer);
      } else {
        ask_after_ = Now() + ask_backoff_.Next();  // of the question as a whole; what is asked for may be another by then
      }
    }
  }
  for (const MemberPlace& place : std::exchange(waiting_, {})) {
    if (place.offset.has_value()) {
      placed_.emplace_back(place, *place.offset);
    } else if (options_.reset.kind() == Kind::kError) {
      unplaceable_.emplace_back(place, Error(Reason::kOffsetOutOfRange, "group " + options_.id + " has no committed offset for " + client::NameOf(NameOf(place))));
    } else {
      waiting_.push_back(place);
    }
  }
  if (!placed_.empty() || !unplaceable_.empty()) {
    auto all = placed_;
    for (const auto& [place, why] : unplaceable_) all.emplace_back(place, Offset(0));
    if (const auto assigned = Assign(all); !assigned) return assigned.error();
    placed_.clear();
    for (const auto& [place, why] : std::exchange(unplaceable_, {})) Fail(place, why);
    Partitions names;
    for (const auto& [place, offset] : all) {
      if (!std::exchange(places_[NameOf(place)].announced, true)) names.push_back(NameOf(place));
    }
    Call(self, options_.on_assigned, names);
  }
  if (!waiting_.empty() && !asking_ && Now() >= ask_after_) AskOffsets();
  return {};
}

// Those that the application has already only go on elsewhere.
Result<void> Consumer::State::Group::Assign(const std::vector<std::pair<MemberPlace, Offset>>& placed) {
  std::vector<client::FetchFrom> fresh;
  std::vector<TopicPartition> names;
  std::vector<std::pair<Assignment::iterator, Offset>> sought;
  for (const auto& [place, offset] : placed) {
    const TopicPartition name = NameOf(place);
    if (const auto known = state_.assignment.find(name); known != state_.assignment.end()) {
      sought.emplace_back(known, offset);
    } else {
      fresh.push_back({place.at.topic, place.at.partition, offset});
      names.push_back(name);
    }
  }
  const auto slots = state_.fetch.Add(fresh);
  if (!slots.ok()) return client::ToFailure(slots.status());
  state_.SeekTo(sought);
  for (std::size_t i = 0; i < fresh.size(); ++i) {
    const std::size_t slot = (*slots)[i];
    const auto assigned = state_.assignment.emplace(names[i], Assigned{slot, std::nullopt}).first;
    if (slot >= state_.by_slot.size()) state_.by_slot.resize(slot + 1, state_.assignment.end());
    state_.by_slot[slot] = assigned;
    state_.ahead.Start(slot, names[i], fresh[i].offset);
  }
  for (const auto& [place, offset] : placed) {
    Place& at = places_[NameOf(place)];
    if (at.place.tenure != place.tenure) {
      at = Place{.place = place, .unhandled = std::nullopt, .committed = place.offset, .read_epoch = place.leader_epoch};
      // The earliest is found again; what was the latest is committed even before the first record, or a restart would skip what came meanwhile.
      if (!place.offset.has_value() && options_.reset.kind() == Kind::kEarliest) at.committed = offset;
    }
    at.placed = true;
  }
  return {};
}

void Consumer::State::Group::Fail(const MemberPlace& place, const Status& why) {
  const auto assigned = state_.assignment.find(NameOf(place));
  places_[assigned->first].placed = false;
  state_.fetch.Silence({assigned->second.slot});
  assigned->second.failure = client::ToFailure(ReasonOf(why) == Reason::kOffsetOutOfRange ? Advise(why) : why);
  ++state_.failed;
}

void Consumer::State::Group::AskOffsets() {
  v1::ListOffsetsRequest request;
  asked_ = waiting_;
  const auto now = std::chrono::time_point_cast<std::chrono::milliseconds>(std::chrono::system_clock::now());
  for (const MemberPlace& place : asked_) {
    auto* query = request.add_queries();
    query->mutable_partition()->set_topic_id(std::string(place.at.topic.raw()));
    query->mutable_partition()->set_partition(place.at.partition.value());
    if (options_.reset.kind() == Kind::kByDuration) {
      query->set_timestamp_ms((now - options_.reset.age()).time_since_epoch().count());
    } else {
      query->set_end(true);
    }
  }
  asking_ = true;
  query_.Ask(request);
}

// What a partition's own answer refuses is asked again later if that may help.
void Consumer::State::Group::TakeOffsets(const v1::ListOffsetsResponse& response) {
  bool again = response.answers_size() != static_cast<int>(asked_.size());
  std::map<client::Tenure, const OffsetAnswer*> answers;
  for (int i = 0; i < response.answers_size() && !again; ++i) answers[asked_[static_cast<std::size_t>(i)].tenure] = &response.answers(i);
  for (const MemberPlace& place : std::exchange(waiting_, {})) {
    const auto answer = answers.find(place.tenure);
    if (answer != answers.end() && !place.offset.has_value()) {
      if (TakeOffset(place, *answer->second)) continue;
      again = true;
    }
    waiting_.push_back(place);
  }
  if (again) ask_after_ = Now() + ask_backoff_.Next();
}

// False: to be asked again.
bool Consumer::State::Group::TakeOffset(const MemberPlace& place, const OffsetAnswer& answer) {
  const Status status = Annotate(client::FromEntryError(answer.error()), client::NameOf(NameOf(place)));
  if (client::IsRetriable(status) || client::IsUnknownTopic(status)) return false;  // what is gone the group takes away
  const PartitionOffsets log{answer.log_start(), answer.high_watermark()};
  const cordwood::Position position = options_.reset.kind() == Kind::kEarliest ? Position::Start()
                                      : options_.reset.kind() == Kind::kLatest ? Position::End()
                                                                               : Position::From(Timestamp());
  const StatusOr<Offset> offset = status.ok() ? client::OffsetOf(position, log, OffsetReset::kError, answer.offset()) : status;
  if (offset.ok()) {
    placed_.emplace_back(place, *offset);
  } else {
    unplaceable_.emplace_back(place, offset.status());
  }
  return true;
}

bool Consumer::State::Group::Reset(const TopicPartition& partition, const client::ReadAhead::Failed& failure) {
  const auto found = places_.find(partition);
  if (found == places_.end() || failure.log_start.value() < 0) return false;
  if (found->second.place.end.has_value()) {
    GoOnInRange(state_.assignment.find(partition), *found->second.place.end, failure);
    return true;
  }
  if (options_.reset.kind() == Kind::kError) return false;
  found->second.read_epoch = kNoLeaderEpoch;
  if (options_.reset.kind() != Kind::kByDuration) {
    state_.SeekTo({{state_.assignment.find(partition), options_.reset.kind() == Kind::kEarliest ? failure.log_start : failure.high_watermark}});
    return true;
  }
  state_.fetch.Silence({failure.slot});
  found->second.placed = false;
  MemberPlace place = found->second.place;
  place.offset.reset();
  waiting_.push_back(place);
  return true;
}

void Consumer::State::Group::Sought(const TopicPartition& partition) {
  const auto found = places_.find(partition);
  if (found == places_.end()) return;
  found->second.unhandled.reset();
  found->second.read_epoch = kNoLeaderEpoch;
  found->second.early.clear();
  found->second.early_bytes = 0;
  found->second.ended = false;
  found->second.placed = true;
  std::erase_if(waiting_, [&](const MemberPlace& at) { return at.tenure == found->second.place.tenure; });
}

}  // namespace cordwood
