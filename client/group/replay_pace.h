// SPDX-License-Identifier: Apache-2.0
// How fast a member of a replay job hands out records. Pure: it is told what time it is.
#pragma once

#include <cstddef>
#include <cstdint>
#include <optional>

#include "absl/time/time.h"
#include "client/internal/group/member_types.h"

namespace cordwood::client {

// A rate is kept by pauses: what was handed out is a debt, and nothing is due until it is paid. Of idle time at most kReplayStep is made up for.
// Original pace: what is due goes by the job's clock, as it was told and as this machine's steady clock has gone on since.
// Threading: none of its own.
class ReplayPace {
 public:
  static constexpr absl::Duration kReplayStep = absl::Milliseconds(100);

  // What the coordinator said; nullopt: the group is no replay job.
  void Take(const std::optional<MemberReplay>& told, absl::Duration now);
  const std::optional<MemberReplay>& told() const { return told_; }

  // Nothing may be handed out now: the job is paused or has ended, or the rate is used up.
  bool holds(absl::Duration now) const;
  // When holds() ends by itself; InfiniteDuration: it does not.
  absl::Duration holds_until(absl::Duration now) const;
  // Of one step, so that a rate is no row of bursts; 1 to `most`.
  std::size_t records_max(std::size_t most) const;
  void Gave(std::size_t records, std::uint64_t bytes, absl::Duration now);

  // Records up to this timestamp are due; nullopt: all.
  std::optional<std::int64_t> due_ms(absl::Duration now) const;
  // When a record of that time is.
  absl::Duration due_at(std::int64_t timestamp_ms) const;

 private:
  double BalanceAt(absl::Duration now) const;  // bytes; negative: a debt

  std::optional<MemberReplay> told_;
  double balance_ = 0;
  absl::Duration balance_at_;
  std::uint64_t records_ = 0;  // handed out at a rate
  std::uint64_t bytes_ = 0;
};

}  // namespace cordwood::client
