// SPDX-License-Identifier: Apache-2.0
// The coordinator of consumer groups on this broker: one thread that owns every group led here. See docs/explanation/consumer-groups.md.
#pragma once

#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "broker/groups/coordinator/group_input.h"
#include "broker/groups/coordinator/group_view.h"
#include "broker/groups/group_core.h"
#include "broker/metadata/cluster_image.h"
#include "broker/metadata/internal_topics.h"
#include "broker/replication/outbox.h"
#include "broker/replication/partition_table.h"
#include "storage/base/clock.h"

namespace cordwood::broker {

class GroupLoop;

struct GroupDriverOptions {
  GroupCoreOptions groups;
  std::size_t inputs_max = 256 * 1024;                 // in the inbox
  std::size_t input_bytes_max = 64 * 1024 * 1024;      // the same, in bytes
  std::size_t groups_max = 100'000;
  std::function<void(std::string_view)> warn = [](std::string_view) {};
};

// Makes the offsets topic; `done` comes once, on any thread, after the image that shows it has come to OnImage(). Must not block.
using OffsetsTopicMaker = std::function<void(std::function<void(Status)> done)>;

// Each turn: takes the whole inbox, steps the cores, computes targets once, puts the records of the turn in batches, one append a partition of the offsets topic at
// a time. What depends on records is told when their append is back, and all before it.
//
// Errors that any of the calls below may give, and all groups of a partition of the offsets topic get at once: COORDINATOR_LOAD_IN_PROGRESS (try again),
// COORDINATOR_NOT_AVAILABLE (its log cannot be read or written; try again), THROTTLED (the inbox is full, nothing was done), SHUTTING_DOWN. A change
// whose append failed without leaving anything ends with COORDINATOR_NOT_AVAILABLE, one that may have been done or not with REQUEST_TIMED_OUT.
//
// Callbacks (`done`, `look`) come exactly once, on the driver's thread or, where nothing could be handed to it, on the caller's before the call returns: they must not
// block, and hand over what takes long.
// Threading: AddListener before Start(); Start and Stop from the owner; everything else from any thread, and none of it blocks.
class GroupDriver {
 public:
  GroupDriver(const GroupDriverOptions& options, const PartitionTable& table, OffsetsTopicMaker make_offsets_topic, Clock& clock);
  ~GroupDriver();

  // A network thread. Its number goes into its stream ids: see GroupPort.
  GroupPort AddListener(Outbox* outbox, GroupListener* listener);
  void Start();
  // Ends every stream with SHUTTING_DOWN, waits for appends that are under way, joins. Before the shards stop. Members stay members.
  void Stop();

  // A MetadataStrand::ImageListener's: after the partitions of the image are in the table.
  void OnImage(ClusterImagePtr image);

  // Membership streams. Each stream's inputs are taken in order; what comes of them goes to the listener of its port. `input` stays the caller's if it is
  // refused (THROTTLED, SHUTTING_DOWN).
  Status Send(std::unique_ptr<GroupInput>& input);

  // Offsets without a stream. `event.request` is the driver's to set. One status for each entry; or why none of them counts (INVALID_GROUP_ID, and as above).
  void Commit(std::string group, CommitOffsets event, std::function<void(StatusOr<std::vector<Status>>)> done);
  // Committed offsets that are durable, as far as there are any. A group that does not exist has none.
  void Fetch(std::string group, AskedOffsets asked, std::function<void(StatusOr<FetchedOffsets>)> done);

  // Moves the committed offsets, all or none, of a group with or without members. `done` comes when each owner reads from there, or at `confirm_within` after the change
  // was durable (at once if 0 or less), with those that are missing. The group is made if there is none.
  // Errors: as GroupCore; UNKNOWN_TOPIC_OR_PARTITION, OFFSET_OUT_OF_RANGE, INVALID_REQUEST (a partition twice).
  void Reset(std::string group, std::vector<ResetEntry> entries, absl::Duration confirm_within, std::function<void(StatusOr<ResetOutcome>)> done);
  // NON_EMPTY_GROUP, GROUP_ID_NOT_FOUND.
  void Delete(std::string group, std::function<void(Status)> done);

  // Makes the group a replay job, whose ranges and clock are given; of which offsets are committed at their beginnings. NON_EMPTY_GROUP: it has members;
  // INVALID_REQUEST: it has offsets of its own, or a job that is not done, or the ranges hold no record.
  void StartReplay(std::string group, ReplayJob job, std::function<void(Status)> done);
  // INVALID_REQUEST: the job has ended; GROUP_ID_NOT_FOUND: there is none.
  void ChangeReplay(std::string group, ReplayChange change, std::function<void(Status)> done);

  // Runs `look` over the group as it is now (changes that are not yet durable included), or with why it cannot be seen: GROUP_ID_NOT_FOUND, or as above.
  void Look(std::string group, std::function<void(StatusOr<GroupView>)> look);
  // Over every group that is served, in order of id, and then `done` with what could not be seen: OK, or the first of COORDINATOR_LOAD_IN_PROGRESS,
  // COORDINATOR_NOT_AVAILABLE. In one turn: `each` is to be quick.
  void LookAtAll(std::function<void(const GroupView&)> each, std::function<void(Status)> done);

  const GroupMeasures& measures() const;

 private:
  const std::unique_ptr<GroupLoop> loop_;
};

}  // namespace cordwood::broker
