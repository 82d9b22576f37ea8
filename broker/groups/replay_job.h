// SPDX-License-Identifier: Apache-2.0
// A replay job: a range that a group reads again, beside the group it was made for. See docs/explanation/consumer-groups.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>

#include "broker/groups/group_types.h"
#include "storage/base/ids.h"

namespace cordwood::broker {

enum class ReplayState : std::uint8_t {  // persisted: never renumber. That a job is done follows from the committed offsets
  kRunning = 0,
  kPaused = 1,
  kCancelled = 2,
};
inline constexpr std::uint8_t kReplayStateLast = 2;

struct ReplayRange {
  Offset from;               // of the first record
  Offset to;                 // exclusive; >= from
  std::int64_t skipped = 0;  // records deleted before the job had them; <= to - from
  friend bool operator==(const ReplayRange&, const ReplayRange&) = default;
};

// The clock of the original pace says which records are due: those up to its time. It runs while the job does and has members.
struct ReplayClock {
  std::int64_t first_ms = 0;    // its time at the beginning: of the earliest first record of a partition
  std::int64_t elapsed_ms = 0;  // that it ran before since_ms
  std::int64_t since_ms = -1;   // runs since this time of the coordinator's wall clock; -1: it stands
  friend bool operator==(const ReplayClock&, const ReplayClock&) = default;

  // A wall clock that was set back does not set it back below what it was when it was last started.
  std::int64_t At(std::int64_t wall_ms) const { return first_ms + elapsed_ms + (since_ms < 0 || wall_ms < since_ms ? 0 : wall_ms - since_ms); }
};

struct ReplayJob {
  std::string source;                  // the group beside which it runs
  ReplayState state = ReplayState::kRunning;
  std::int64_t bytes_per_second = 0;   // of all members together; 0: no limit
  std::optional<ReplayClock> clock;    // of the original pace; then there is no other limit
  std::int64_t created_ms = 0;
  std::map<TopicPartition, ReplayRange> ranges;  // none: the job was cancelled when its topics were deleted
  friend bool operator==(const ReplayJob&, const ReplayJob&) = default;

  const ReplayRange* RangeAt(const TopicPartition& at) const {
    const auto found = ranges.find(at);
    return found == ranges.end() ? nullptr : &found->second;
  }
};

// "running", "paused", "cancelled", "done"; `done`: every range is.
constexpr std::string_view ReplayStateName(ReplayState state, bool done) {
  if (state == ReplayState::kCancelled) return "cancelled";
  if (done) return "done";
  return state == ReplayState::kPaused ? "paused" : "running";
}

}  // namespace cordwood::broker
