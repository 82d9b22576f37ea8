// SPDX-License-Identifier: Apache-2.0
// From the records of a partition of the offsets topic to its groups, a slice a turn; and back to nothing where its log fails.
#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "broker/groups/coordinator/group_loop.h"
#include "broker/replication/shard_driver.h"
#include "broker/replication/shard_turn.h"
#include "storage/record/record_reader.h"
#include "storage/shard/log_reader.h"

namespace cordwood::broker {
namespace {

constexpr std::size_t kSliceBytes = 256 * 1024;  // a few milliseconds
constexpr absl::Duration kRetryPause = absl::Seconds(1);
constexpr absl::Duration kHighWatermarkPause = absl::Milliseconds(10);

bool IsDamage(const Status& status) { return ReasonOf(status) == Reason::kCorruptMessage || ReasonOf(status) == Reason::kFormatTooNew; }

// What the clients of its groups hear.
Status NotAvailable(const Status& why) { return Error(Reason::kCoordinatorNotAvailable, MessageOf(why)); }

}  // namespace

std::string GroupLoop::NameOf(const OffsetsPartition& home) const { return absl::StrCat(kOffsetsTopic, "-", home.index.value()); }

void GroupLoop::BeginLoad(OffsetsPartition& home) {
  home.replica = table_.Find(offsets_topic_->id, home.index);
  if (home.replica == nullptr) return Fail(home, Error(Reason::kNotLeaderOrFollower, "the partition is not here"), /*retry=*/true);
  if (const Status poison = home.replica->driver.store().poison_status(); !poison.ok()) return Fail(home, poison, /*retry=*/true);
  EnterPhase(home, Phase::kOpening);
  home.load_began = clock_.Monotonic();
  ++abroad_;
  home.replica->driver.Look([replica = home.replica](ShardTurn& turn) { return turn.Open(replica).status(); },
                            [this, &home, load = ++home.load](const Status& opened) {
                              PostOwn([this, &home, load, opened] {
                                --abroad_;
                                OnOpened(home, load, opened);
                              });
                            });
}

void GroupLoop::OnOpened(OffsetsPartition& home, std::uint64_t load, const Status& opened) {
  if (load != home.load || home.phase != Phase::kOpening) return;
  if (!opened.ok()) return Fail(home, opened, /*retry=*/true);
  const ReplicaSnapshot snapshot = home.replica->snapshot();
  home.next = snapshot.log_start;
  home.load_end = snapshot.log_end;
  home.patterns.reset();
  home.retry_at = now_;
  EnterPhase(home, Phase::kLoading);
}

// Of the first partition that can go on. True: there is more to load at once.
bool GroupLoop::LoadSlice() {
  std::size_t bytes = 0;
  for (const auto& [index, home] : partitions_) {
    while (home->phase == Phase::kLoading && home->retry_at <= now_) {
      if (bytes >= kSliceBytes) return true;
      StatusOr<std::size_t> read = LoadBatches(*home);
      if (!read.ok()) Fail(*home, read.status(), /*retry=*/!IsDamage(read.status()));
      bytes += read.value_or(0);
    }
  }
  return false;
}

StatusOr<std::size_t> GroupLoop::LoadBatches(OffsetsPartition& home) {
  if (home.next >= home.load_end) {
    if (PatternsKnown(home)) Activate(home);
    return std::size_t{0};
  }
  const Offset end = std::min(home.replica->snapshot().high_watermark, home.load_end);
  if (home.next >= end) {  // what is written is not yet below the high watermark
    home.retry_at = now_ + kHighWatermarkPause;
    CORDWOOD_RETURN_IF_ERROR(home.replica->driver.store().poison_status());
    return std::size_t{0};
  }
  CORDWOOD_ASSIGN_OR_RETURN(const ReadResult read, LogReader(home.replica->driver.store()).Read(home.replica->id, {home.next, end, kSliceBytes}));
  if (read.next <= home.next) return Error(Reason::kCorruptMessage, absl::StrCat("no batch ends between ", home.next.value(), " and ", end.value()));
  std::string_view batches = read.batches.view();
  while (!batches.empty()) {
    CORDWOOD_ASSIGN_OR_RETURN(const RecordBatchView batch, RecordBatchView::TakeFirst(&batches));
    CORDWOOD_RETURN_IF_ERROR(ApplyBatch(home, batch));
  }
  home.next = read.next;
  return read.batches.view().size();
}

// Its members' share depends on what their patterns match.
bool GroupLoop::PatternsKnown(OffsetsPartition& home) {
  EnsureTopics();
  if (!home.patterns.has_value()) {
    home.patterns.emplace();
    for (const auto& [id, group] : home.groups) {
      if (group->damage.ok()) home.patterns->merge(group->core.patterns());
    }
  }
  if (!patterns_.Resolve(*home.patterns)) {
    home.retry_at = patterns_.next_slice();
    return false;
  }
  home.patterns.reset();
  return true;
}

// An error of a record's value is its group's, one of its key the partition's.
Status GroupLoop::ApplyBatch(OffsetsPartition& home, const RecordBatchView& batch) {
  CORDWOOD_RETURN_IF_ERROR(batch.CheckCrc());
  RecordReader reader(batch);
  CORDWOOD_RETURN_IF_ERROR(reader.Open());
  RecordView record;
  while (true) {
    CORDWOOD_ASSIGN_OR_RETURN(const bool more, reader.Next(&record));
    if (!more) return absl::OkStatus();
    const std::string where = absl::StrCat("offset ", record.offset.value());
    if (!record.key.has_value()) return Error(Reason::kCorruptMessage, absl::StrCat(where, ": a record without a key"));
    StatusOr<GroupRecordKey> key = DecodeGroupRecordKey(*record.key);
    if (!key.ok()) return Error(Reason::kCorruptMessage, absl::StrCat(where, ": ", MessageOf(key.status())));
    std::unique_ptr<LedGroup>& group = home.groups[key->group];
    if (group == nullptr) {
      group = std::make_unique<LedGroup>(key->group, options_.groups, home);
      measures_.groups.Add(1);
    }
    if (!group->damage.ok()) continue;
    if (const Status applied = group->core.Apply(*key, record.value); !applied.ok()) Damage(*group, Annotate(applied, where));
  }
}

void GroupLoop::Damage(LedGroup& group, const Status& why) {
  group.damage = NotAvailable(Annotate(why, absl::StrCat("group ", group.id(), " cannot be served: ", NameOf(group.home))));
  options_.warn(MessageOf(group.damage));
}

void GroupLoop::Activate(OffsetsPartition& home) {
  EnterPhase(home, Phase::kServed);
  home.why = absl::OkStatus();
  std::vector<LedGroup*> groups;
  for (const auto& [id, group] : home.groups) groups.push_back(group.get());
  for (LedGroup* group : groups) {
    if (!group->damage.ok()) continue;
    if (const Status whole = group->core.FinishReplay(); !whole.ok()) {
      Damage(*group, whole);
      continue;
    }
    group->activated = true;
    CountState(*group, +1);
    Step(*group, ActivateGroup{topics_, patterns_.MatchAll(group->core.patterns())});
  }
  measures_.loads.Add();
  measures_.load.Record(clock_.Monotonic() - home.load_began);
}

// The partition's groups are as unavailable as its log.
void GroupLoop::Fail(OffsetsPartition& home, const Status& why, bool retry) {
  const Status told = NotAvailable(Annotate(why, absl::StrCat("the groups of ", NameOf(home), " cannot be served")));
  if (told != home.why) options_.warn(MessageOf(told));
  Unload(home, told);
  EnterPhase(home, Phase::kFailed);
  home.why = told;
  home.retry = retry;
  home.retry_at = now_ + kRetryPause;
}

void GroupLoop::Unload(OffsetsPartition& home, const Status& why) {
  EnterPhase(home, Phase::kAway);
  home.why = why;
  std::vector<StreamId> ended;
  for (const auto& [stream, known] : streams_) {
    if (&known.group->home == &home) ended.push_back(stream);
  }
  for (const StreamId stream : ended) {
    ForgetStream(stream);
    EndNow(stream, why);
  }
  std::erase_if(touched_, [&](const LedGroup* group) { return &group->home == &home; });
  std::erase_if(leaving_, [&](const LedGroup* group) { return &group->home == &home; });
  for (const auto& [id, group] : home.groups) {
    while (!group->resets.empty()) FinishReset(*group, group->resets.begin());
    if (group->activated) CountState(*group, -1);
    timers_.ForgetGroup(id);
  }
  measures_.groups.Add(-static_cast<std::int64_t>(home.groups.size()));
  home.groups.clear();
  home.gathered = TransitionBatches();
  ReleaseAll(std::exchange(home.later, {}), why);
}

void GroupLoop::CountState(const LedGroup& group, std::int64_t sign) {
  measures_.members.Add(sign * static_cast<std::int64_t>(group.core.state().members().size()));
  measures_.offsets.Add(sign * static_cast<std::int64_t>(group.core.state().offsets().size()));
}

void GroupLoop::EnterPhase(OffsetsPartition& home, Phase phase) {
  auto is_loading = [](Phase of) { return of == Phase::kOpening || of == Phase::kLoading; };
  measures_.loading.Add(is_loading(phase) - is_loading(home.phase));
  measures_.unavailable.Add((phase == Phase::kFailed) - (home.phase == Phase::kFailed));
  home.phase = phase;
}

void GroupLoop::RetryFailed() {
  for (const auto& [index, home] : partitions_) {
    if (home->phase == Phase::kFailed && home->retry && home->retry_at <= now_ && !home->flying && offsets_topic_ != nullptr) BeginLoad(*home);
  }
}

}  // namespace cordwood::broker
