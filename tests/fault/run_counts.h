// SPDX-License-Identifier: Apache-2.0
// What a campaign has done and found, kept in a file so that it can be resumed.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>

#include "storage/base/reason.h"
#include "tests/fault/simulated_disk.h"

namespace cordwood::testing {

struct RunCounts {
  std::uint64_t episodes = 0;
  std::uint64_t power_losses = 0;
  std::uint64_t losses_while_opening = 0;  // of those
  // Of those, by PowerLossCase.
  std::uint64_t all_kept = 0;
  std::uint64_t all_lost = 0;
  std::uint64_t tails_lost = 0;
  std::uint64_t torn_pages = 0;
  std::uint64_t zero_pages = 0;
  std::uint64_t stale_pages = 0;
  std::uint64_t older_tail_missing = 0;
  std::uint64_t record_holes = 0;
  std::uint64_t mixed = 0;
  std::uint64_t process_kills = 0;
  std::uint64_t clean_stops = 0;
  std::uint64_t errors_injected = 0;
  std::uint64_t poisoned = 0;
  std::uint64_t damages = 0;
  std::uint64_t damages_refused = 0;
  std::uint64_t commits = 0;
  std::uint64_t syncs = 0;
  std::uint64_t tails_cut = 0;       // recoveries that ended at a hole
  std::uint64_t groups_lost = 0;     // committed, not synced, gone after a power loss: as promised
  std::uint64_t acknowledged = 0;    // batches: after Sync() for `fsync`, after Commit() for `os` if only the process died
  std::uint64_t found = 0;           // of those, at the next recovery
  std::uint64_t removed = 0;         // of those, by a later delete or truncation that was found
  std::uint64_t lost = 0;
  std::uint64_t reordered = 0;
  std::uint64_t doubled = 0;
  std::uint64_t altered = 0;         // found, but never written so

  std::uint64_t& OfCase(PowerLossCase power_loss);
  void Add(const RunCounts& other);
  std::string ToText() const;  // "name = value" lines
  static StatusOr<RunCounts> FromText(std::string_view text);
};

struct CountField {
  const char* name;
  std::uint64_t RunCounts::*member;
};
std::span<const CountField> CountFields();

}  // namespace cordwood::testing
