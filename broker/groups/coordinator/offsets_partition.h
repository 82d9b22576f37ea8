// SPDX-License-Identifier: Apache-2.0
// One partition of the offsets topic, the groups in it, and what waits for its log.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <optional>
#include <set>
#include <string>
#include <variant>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "broker/groups/coordinator/group_input.h"
#include "broker/groups/coordinator/group_view.h"
#include "broker/groups/coordinator/offsets_append.h"
#include "broker/groups/group_core.h"
#include "broker/replication/replica_handle.h"

namespace cordwood::broker {

struct OffsetsPartition;

// A reset that is durable and waits for its owners.
struct PendingReset {
  std::uint64_t request = 0;
  ResetOutcome places;
  std::function<void(StatusOr<ResetOutcome>)> done;
};

struct LedGroup {
  LedGroup(const std::string& id, const GroupCoreOptions& options, OffsetsPartition& home) : core(id, options), home(home) {}

  const std::string& id() const { return core.state().group(); }

  GroupCore core;
  OffsetsPartition& home;
  bool activated = false;                      // its records are replayed
  Status damage;                               // not OK: its records cannot be read, and it is not served
  std::map<std::string, MemberFacts> members;  // of every member
  std::vector<PendingReset> resets;
  absl::Duration target_from;                  // no target is computed before, so that a storm of joins does not take the thread
  bool touched = false;                        // in the list of the turn
  bool leaving = false;                        // in the list of groups that may be gone
};

// Something to be said when everything before it is in the log. A stream of a failed append is ended by the unloading; a call hears of it.
using LaterTell = std::variant<StreamTell, std::function<void(const Status&)>>;

struct OffsetsPartition {
  enum class Phase : std::uint8_t { kAway, kOpening, kLoading, kServed, kFailed };

  explicit OffsetsPartition(PartitionIndex index) : index(index) {}
  bool outstanding() const { return flying || !gathered.empty() || !later.empty(); }

  const PartitionIndex index;
  Phase phase = Phase::kAway;
  Status why;                // of kFailed
  bool retry = false;        // of kFailed: it is tried again
  absl::Duration retry_at;   // of kFailed and kLoading: not before
  std::uint64_t load = 0;    // which load this is: what an older one still says is ignored
  absl::Duration load_began;
  ReplicaHandlePtr replica;
  Offset next;               // while loading: the next to be read; while served: the log end
  Offset load_end;           // exclusive
  std::optional<std::set<std::string>> patterns;  // of its members, once it is read and they are being matched
  absl::flat_hash_map<std::string, std::unique_ptr<LedGroup>> groups;

  TransitionBatches gathered;            // since the append under way
  std::vector<LaterTell> later;          // for when they are in the log
  bool flying = false;
  OffsetsAppend append;                  // under way
  std::vector<LaterTell> after_append;   // for when it is back
  std::size_t append_records = 0;
  absl::Duration append_began;
};

}  // namespace cordwood::broker
