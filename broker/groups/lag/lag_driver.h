// SPDX-License-Identifier: Apache-2.0
// Looks at the groups led here every few seconds, so that there is an answer to how fast, and to for how long.
#pragma once

#include <cstddef>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "broker/groups/coordinator/group_driver.h"
#include "broker/groups/lag/group_round.h"
#include "broker/groups/lag/progress_core.h"
#include "broker/replication/partition_table.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace cordwood::broker {

struct LagDriverOptions {
  absl::Duration interval = absl::Seconds(10);
  std::size_t partitions_max = 50'000;       // watched, over all groups
  std::size_t round_reads_max = 2'000;       // batches read in a round for their time; one that was read is not read again while the offset stands
  std::size_t look_reads_max = 20'000;       // the same, in one Look()
};

// The groups' driver is asked for one group at a time, so that its members' messages come in between.
// Threading: Start and Stop from the owner; the rest from any thread that may block on the disk and the groups' driver: never a network or shard thread.
class LagDriver {
 public:
  LagDriver(GroupDriver& groups, const PartitionTable& table, const LagDriverOptions& options, Clock& clock)
      : groups_(groups), table_(table), options_(options), clock_(clock), progress_(options.partitions_max) {}
  ~LagDriver() { Stop(); }

  void Start();
  void Stop();

  // The group as it is now, whole. GROUP_ID_NOT_FOUND, or as GroupDriver's.
  StatusOr<GroupSnapshot> Look(const std::string& group);
  // All that are served, in order of id. An error if some could not be seen.
  StatusOr<std::vector<GroupSummary>> List();
  // Of the last look around; empty before the first. Never null.
  std::shared_ptr<const GroupRound> round() const;
  // What the thread does every interval.
  void LookAround();

 private:
  StatusOr<GroupSnapshot> Take(const std::string& group, std::size_t* reads, bool note);
  std::vector<GroupSummary> Summaries(Status* seen);
  bool WaitUnlessStopped();

  GroupDriver& groups_;
  const PartitionTable& table_;
  const LagDriverOptions options_;
  Clock& clock_;
  std::thread thread_;

  mutable Mutex mu_;  // held for copies and maps, never for a read or a wait
  ProgressCore progress_ ABSL_GUARDED_BY(mu_);
  std::shared_ptr<const GroupRound> round_ ABSL_GUARDED_BY(mu_) = std::make_shared<GroupRound>();
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  CondVar stopped_;
};

}  // namespace cordwood::broker
