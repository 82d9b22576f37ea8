// SPDX-License-Identifier: Apache-2.0
// What is asked without a stream: offsets, resets, deletions, looks.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/groups/coordinator/group_loop.h"
#include "storage/record/key_partition.h"

namespace cordwood::broker {
namespace {

constexpr std::size_t kParkedMax = 10'000;

// Of what is answered with a status alone.
template <class Done>
auto AnswerStatus(std::function<void(Status)> done) {
  return [done = std::move(done)](const Status& logged, GroupTell& tell) {
    const Status& status = std::get<Done>(tell.what).status;
    done(status.ok() ? logged : status);
  };
}

// Copies no other: a group may have very many.
FetchedOffsets OffsetsOf(const GroupState& state, const AskedOffsets& asked) {
  const std::map<TopicPartition, CommittedOffset>& offsets = state.offsets();
  FetchedOffsets found;
  if (asked.all) {
    for (const auto& [at, committed] : offsets) found.push_back({at, committed});
    return found;
  }
  for (const TopicId& topic : asked.topics) {
    for (auto it = offsets.lower_bound({topic, PartitionIndex(0)}); it != offsets.end() && it->first.topic == topic; ++it) found.push_back({it->first, it->second});
  }
  for (const TopicPartition& at : asked.partitions) {
    if (const CommittedOffset* committed = state.OffsetAt(at); committed != nullptr) found.push_back({at, *committed});
  }
  return found;
}

}  // namespace

Status GroupLoop::CheckGroupId(const std::string& group) const {
  if (!group.empty() && group.size() <= kGroupIdBytesMax) return absl::OkStatus();
  return Error(Reason::kInvalidGroupId, absl::StrCat("a group id has 1 to ", kGroupIdBytesMax, " bytes, this one ", group.size()));
}

OffsetsPartition* GroupLoop::HomeOf(const std::string& group) {
  if (offsets_topic_ == nullptr) return nullptr;
  const auto home = partitions_.find(PartitionOfKey(group, offsets_topic_->partition_count));
  return home == partitions_.end() ? nullptr : home->second.get();
}

Status GroupLoop::CheckServed(const OffsetsPartition* home) const {
  if (home == nullptr) return Error(Reason::kCoordinatorNotAvailable, absl::StrCat(kOffsetsTopic, " is not here"));
  switch (home->phase) {
    case Phase::kServed: return absl::OkStatus();
    case Phase::kFailed: return home->why;
    case Phase::kAway: return Error(Reason::kCoordinatorNotAvailable, absl::StrCat(kOffsetsTopic, "-", home->index.value(), " is not here"));
    case Phase::kOpening:
    case Phase::kLoading: break;
  }
  return Error(Reason::kCoordinatorLoadInProgress, absl::StrCat("the groups of ", kOffsetsTopic, "-", home->index.value(), " are being loaded; try again"));
}

LedGroup* GroupLoop::Find(OffsetsPartition& home, const std::string& group) {
  const auto found = home.groups.find(group);
  return found == home.groups.end() ? nullptr : found->second.get();
}

StatusOr<LedGroup*> GroupLoop::FindOrMake(OffsetsPartition& home, const std::string& id) {
  if (LedGroup* known = Find(home, id); known != nullptr) {
    if (!known->damage.ok()) return known->damage;
    return known;
  }
  if (measures_.groups.value() >= static_cast<std::int64_t>(options_.groups_max)) {
    return Error(Reason::kLimitExceeded, absl::StrCat("there are ", options_.groups_max, " groups already"));
  }
  EnsureTopics();
  auto made = std::make_unique<LedGroup>(id, options_.groups, home);
  LedGroup& group = *made;
  home.groups.emplace(id, std::move(made));
  measures_.groups.Add(1);
  group.activated = true;
  Step(group, ActivateGroup{topics_, {}});
  return &group;
}

// Starts making the topic if there is none.
bool GroupLoop::ParkUntilMade(StreamId stream, std::function<void(const Status&)> run) {
  if (offsets_topic_ != nullptr && parked_.empty()) return false;
  if (parked_.size() >= kParkedMax) {
    run(Error(Reason::kCoordinatorLoadInProgress, absl::StrCat(kOffsetsTopic, " is being made; try again")));
    return true;
  }
  parked_.push_back({stream, std::move(run)});
  if (offsets_topic_ != nullptr || std::exchange(making_topic_, true)) return true;
  ++abroad_;
  make_offsets_topic_([this](Status made) {
    PostOwn([this, made = std::move(made)] {
      --abroad_;
      making_topic_ = false;
      if (!made.ok()) RunParked(Annotate(made, absl::StrCat("creation of ", kOffsetsTopic)));
    });
  });
  return true;
}

// When the new topic's partitions, which are empty, are all loaded.
void GroupLoop::RunParkedIfMade() {
  if (parked_.empty() || offsets_topic_ == nullptr || measures_.loading.value() > 0) return;
  RunParked(absl::OkStatus());
}

void GroupLoop::RunParked(const Status& made) {
  for (Parked& parked : std::exchange(parked_, {})) parked.run(made);
}

std::uint64_t GroupLoop::NextRequest(Answer answer) {
  calls_.emplace(++last_request_, std::move(answer));
  return last_request_;
}

void GroupLoop::Commit(const std::string& id, CommitOffsets event, std::function<void(StatusOr<std::vector<Status>>)> done) {
  auto commit = [this, id, done, event = std::make_shared<CommitOffsets>(std::move(event))](const Status& made) {
    if (!made.ok()) return done(made);
    const StatusOr<LedGroup*> group = FindServedOrMake(id);
    if (!group.ok()) return done(group.status());
    CatchUp(**group, event->entries);
    AddLogEnds(event->entries);
    event->request = NextRequest([done](const Status& logged, GroupTell& tell) {
      if (!logged.ok()) return done(logged);
      done(std::move(std::get<CommitDone>(tell.what).entries));
    });
    Step(**group, *event);
  };
  if (const Status sound = CheckGroupId(id); !sound.ok()) return done(sound);
  if (!ParkUntilMade(StreamId(0), commit)) commit(absl::OkStatus());
}

void GroupLoop::Fetch(const std::string& id, const AskedOffsets& asked, std::function<void(StatusOr<FetchedOffsets>)> done) {
  if (const Status sound = CheckGroupId(id); !sound.ok()) return done(sound);
  if (offsets_topic_ == nullptr) return done(FetchedOffsets());  // no group has committed anything yet
  OffsetsPartition* home = HomeOf(id);
  if (const Status served = CheckServed(home); !served.ok()) return done(served);
  LedGroup* group = Find(*home, id);
  if (group == nullptr) return done(FetchedOffsets());
  if (!group->damage.ok()) return done(group->damage);
  Later(*home, [done = std::move(done), offsets = std::make_shared<FetchedOffsets>(OffsetsOf(group->core.state(), asked))](const Status& logged) {
    if (!logged.ok()) return done(logged);
    done(std::move(*offsets));
  });
}

void GroupLoop::Reset(const std::string& id, std::vector<ResetEntry> entries, absl::Duration confirm_within,
                      std::function<void(StatusOr<ResetOutcome>)> done) {
  auto reset = [this, id, done, confirm_within, entries = std::make_shared<std::vector<ResetEntry>>(std::move(entries))](const Status& made) {
    if (!made.ok()) return done(made);
    const StatusOr<LedGroup*> group = FindServedOrMake(id);
    if (!group.ok()) return done(group.status());
    CatchUp(**group, *entries);
    ResetOutcome places;
    for (const ResetEntry& entry : *entries) {
      const CommittedOffset* before = (*group)->core.state().OffsetAt(entry.at);
      places.push_back({entry.at, before == nullptr ? std::nullopt : std::optional(before->offset), entry.offset,
                        before == nullptr ? PositionEpoch(1) : before->position_epoch + 1, {}});
    }
    const auto pending = std::make_shared<PendingReset>(PendingReset{0, std::move(places), done});
    pending->request = NextRequest([this, id, pending, confirm_within](const Status& logged, GroupTell& tell) {
      const Status& status = std::get<ResetDone>(tell.what).status;
      if (!logged.ok() || !status.ok()) return pending->done(status.ok() ? logged : status);
      measures_.resets.Add(pending->places.size());
      OffsetsPartition* present = HomeOf(id);
      LedGroup* owner = present == nullptr ? nullptr : Find(*present, id);
      if (owner == nullptr) return pending->done(std::move(pending->places));  // unloaded meanwhile
      AwaitOwners(*owner, std::move(*pending), confirm_within);
    });
    Step(**group, ResetOffsets{pending->request, std::move(*entries)});
  };
  if (const Status sound = CheckGroupId(id); !sound.ok()) return done(sound);
  if (!ParkUntilMade(StreamId(0), reset)) reset(absl::OkStatus());
}

// From here on the reset is durable. The group is there: nothing goes while tells of its partition wait.
void GroupLoop::AwaitOwners(LedGroup& group, PendingReset reset, absl::Duration confirm_within) {
  const std::uint64_t request = reset.request;
  group.resets.push_back(std::move(reset));
  if (confirm_within <= absl::ZeroDuration()) return FinishReset(group, group.resets.end() - 1);
  timers_.Set({group.id(), GroupDeadline::kReset, {}, request}, absl::ToInt64Milliseconds(absl::Ceil(clock_.Monotonic() + confirm_within, absl::Milliseconds(1))));
  SettleResets(group);
}

// Those that no owner is missing of.
void GroupLoop::SettleResets(LedGroup& group) {
  const auto& awaited = group.core.awaiting_positions();
  for (std::size_t i = 0; i < group.resets.size();) {
    const ResetOutcome& places = group.resets[i].places;
    if (std::any_of(places.begin(), places.end(), [&](const ResetPlace& place) { return awaited.contains(place.at); })) {
      ++i;
    } else {
      FinishReset(group, group.resets.begin() + static_cast<std::ptrdiff_t>(i));
    }
  }
}

void GroupLoop::FinishReset(LedGroup& group, std::vector<PendingReset>::iterator reset) {
  PendingReset finished = std::move(*reset);
  group.resets.erase(reset);
  timers_.Set({group.id(), GroupDeadline::kReset, {}, finished.request}, std::nullopt);
  for (ResetPlace& place : finished.places) {
    if (group.core.awaiting_positions().contains(place.at)) place.unconfirmed_member = group.core.state().HolderOf(place.at);
  }
  finished.done(std::move(finished.places));
}

void GroupLoop::Delete(const std::string& id, std::function<void(Status)> done) {
  const StatusOr<LedGroup*> group = FindServed(id);
  if (!group.ok()) return done(group.status());
  Step(**group, DeleteGroup{NextRequest(AnswerStatus<DeleteDone>(done))});
}

void GroupLoop::StartReplay(const std::string& id, ReplayJob job, std::function<void(Status)> done) {
  auto start = [this, id, done, job = std::make_shared<ReplayJob>(std::move(job))](const Status& made) {
    if (!made.ok()) return done(made);
    const StatusOr<LedGroup*> group = FindServedOrMake(id);
    if (!group.ok()) return done(group.status());
    std::vector<ResetEntry> places;
    for (const auto& [at, range] : job->ranges) places.push_back({at, range.from});
    CatchUp(**group, places);
    Step(**group, broker::StartReplay{NextRequest(AnswerStatus<ReplayDone>(done)), std::move(*job)});
  };
  if (const Status sound = CheckGroupId(id); !sound.ok()) return done(sound);
  if (!ParkUntilMade(StreamId(0), start)) start(absl::OkStatus());
}

void GroupLoop::ChangeReplay(const std::string& id, ReplayChange change, std::function<void(Status)> done) {
  const StatusOr<LedGroup*> group = FindServed(id);
  if (!group.ok()) return done(group.status());
  Step(**group, broker::ChangeReplay{NextRequest(AnswerStatus<ReplayDone>(done)), change});
}

StatusOr<LedGroup*> GroupLoop::FindServedOrMake(const std::string& id) {
  OffsetsPartition* home = HomeOf(id);
  CORDWOOD_RETURN_IF_ERROR(CheckServed(home));
  return FindOrMake(*home, id);
}

StatusOr<LedGroup*> GroupLoop::FindServed(const std::string& id) {
  CORDWOOD_RETURN_IF_ERROR(CheckGroupId(id));
  OffsetsPartition* home = HomeOf(id);
  if (home != nullptr) CORDWOOD_RETURN_IF_ERROR(CheckServed(home));
  LedGroup* group = home == nullptr ? nullptr : Find(*home, id);
  if (group == nullptr || (group->damage.ok() && group->core.gone())) return NoSuchGroup(id);
  if (!group->damage.ok()) return group->damage;
  return group;
}

Status GroupLoop::NoSuchGroup(const std::string& id) const { return Error(Reason::kGroupIdNotFound, absl::StrCat("there is no group ", id)); }

void GroupLoop::Look(const std::string& id, const std::function<void(StatusOr<GroupView>)>& look) {
  if (const Status sound = CheckGroupId(id); !sound.ok()) return look(sound);
  OffsetsPartition* home = HomeOf(id);
  if (home == nullptr) return look(NoSuchGroup(id));
  if (const Status served = CheckServed(home); !served.ok()) return look(served);
  const LedGroup* group = Find(*home, id);
  if (group == nullptr || (group->damage.ok() && group->core.gone())) return look(NoSuchGroup(id));
  if (!group->damage.ok()) return look(group->damage);
  look(ViewOf(*group));
}

void GroupLoop::LookAtAll(const std::function<void(const GroupView&)>& each, const std::function<void(Status)>& done) {
  Status unseen;
  std::map<std::string_view, const LedGroup*> all;
  for (const auto& [index, home] : partitions_) {
    unseen.Update(CheckServed(home.get()));
    if (home->phase != Phase::kServed) continue;
    for (const auto& [id, group] : home->groups) {
      unseen.Update(group->damage);
      if (group->damage.ok() && !group->core.gone()) all[id] = group.get();
    }
  }
  for (const auto& [id, group] : all) each(ViewOf(*group));
  done(unseen);
}

}  // namespace cordwood::broker
