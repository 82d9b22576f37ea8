// SPDX-License-Identifier: Apache-2.0
// One thread; whoever asks meanwhile looks for himself.
#include "broker/groups/lag/lag_driver.h"

#include <chrono>
#include <optional>
#include <utility>

#include "broker/groups/lag/group_snapshots.h"
#include "storage/base/thread_name.h"
#include "storage/base/threads/awaited.h"

namespace cordwood::broker {

void LagDriver::Start() {
  thread_ = std::thread([this] {
    SetThreadName("group-lag");
    do {
      LookAround();
    } while (WaitUnlessStopped());
  });
}

void LagDriver::Stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    stopped_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

bool LagDriver::WaitUnlessStopped() {
  const absl::Duration until = clock_.Monotonic() + options_.interval;
  MutexLock lock(mu_);
  while (!stopping_) {
    const absl::Duration left = until - clock_.Monotonic();
    if (left <= absl::ZeroDuration()) return true;
    stopped_.WaitFor(mu_, absl::ToChronoNanoseconds(left));
  }
  return false;
}

std::shared_ptr<const GroupRound> LagDriver::round() const {
  MutexLock lock(mu_);
  return round_;
}

StatusOr<GroupSnapshot> LagDriver::Take(const std::string& group, std::size_t* reads, bool note) {
  const Awaited<StatusOr<GroupSnapshot>> awaited;
  groups_.Look(group, [awaited, wall_ms = clock_.WallMs()](StatusOr<GroupView> view) {
    awaited.Set(view.ok() ? StatusOr<GroupSnapshot>(SnapshotOf(*view, wall_ms)) : view.status());
  });
  CORDWOOD_ASSIGN_OR_RETURN(GroupSnapshot snapshot, awaited.Wait());
  const std::int64_t now_ms = absl::ToInt64Milliseconds(clock_.Monotonic());
  FillEnds(snapshot, table_);
  {
    MutexLock lock(mu_);
    progress_.Fill(snapshot, now_ms);
  }
  *reads = FillFirstWaiting(snapshot, table_, *reads);
  if (note) {
    MutexLock lock(mu_);
    progress_.Note(snapshot, now_ms);
  }
  return snapshot;
}

StatusOr<GroupSnapshot> LagDriver::Look(const std::string& group) {
  std::size_t reads = options_.look_reads_max;
  bool known = false;
  {
    MutexLock lock(mu_);
    known = progress_.knows(group);
  }
  return Take(group, &reads, /*note=*/!known);  // who asks before the first look around need not wait for it to have rates
}

std::vector<GroupSummary> LagDriver::Summaries(Status* seen) {
  struct Seen {
    std::vector<GroupSummary> groups;
    Status status;
  };
  const Awaited<Seen> awaited;
  const auto gathered = std::make_shared<std::vector<GroupSummary>>();
  groups_.LookAtAll(
      [gathered](const GroupView& view) {
        const GroupState& state = view.core.state();
        gathered->push_back({state.group(), GroupStateName(state), state.members().size(), state.offsets().size(), state.replay().has_value()});
      },
      [awaited, gathered](Status status) { awaited.Set({std::move(*gathered), std::move(status)}); });
  Seen all = awaited.Wait();
  *seen = std::move(all.status);
  return std::move(all.groups);
}

StatusOr<std::vector<GroupSummary>> LagDriver::List() {
  Status seen;
  std::vector<GroupSummary> groups = Summaries(&seen);
  if (!seen.ok()) return seen;
  return groups;
}

void LagDriver::LookAround() {
  const std::int64_t began_ms = absl::ToInt64Milliseconds(clock_.Monotonic());
  Status seen;
  const std::vector<GroupSummary> groups = Summaries(&seen);
  auto round = std::make_shared<GroupRound>();
  std::size_t reads = options_.round_reads_max;
  for (const std::size_t i : ChooseMeasured(groups, options_.partitions_max)) {
    {
      MutexLock lock(mu_);
      if (stopping_) return;
    }
    const StatusOr<GroupSnapshot> snapshot = Take(groups[i].group, &reads, /*note=*/true);
    if (snapshot.ok()) round->Add(MeasureOf(*snapshot));
  }
  round->unmeasured = groups.size() - round->groups.size();
  MutexLock lock(mu_);
  progress_.ForgetOlderThan(began_ms);
  round_ = std::move(round);
}

}  // namespace cordwood::broker
