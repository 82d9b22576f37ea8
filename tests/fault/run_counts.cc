// SPDX-License-Identifier: Apache-2.0
// Counts as text.
#include "tests/fault/run_counts.h"

#include <algorithm>
#include <charconv>

namespace cordwood::testing {

std::span<const CountField> CountFields() {
  static constexpr CountField kFields[] = {
      {"episodes", &RunCounts::episodes},
      {"power_losses", &RunCounts::power_losses},
      {"losses_while_opening", &RunCounts::losses_while_opening},
      {"all_kept", &RunCounts::all_kept},
      {"all_lost", &RunCounts::all_lost},
      {"tails_lost", &RunCounts::tails_lost},
      {"torn_pages", &RunCounts::torn_pages},
      {"zero_pages", &RunCounts::zero_pages},
      {"stale_pages", &RunCounts::stale_pages},
      {"older_tail_missing", &RunCounts::older_tail_missing},
      {"record_holes", &RunCounts::record_holes},
      {"mixed", &RunCounts::mixed},
      {"process_kills", &RunCounts::process_kills},
      {"clean_stops", &RunCounts::clean_stops},
      {"errors_injected", &RunCounts::errors_injected},
      {"poisoned", &RunCounts::poisoned},
      {"damages", &RunCounts::damages},
      {"damages_refused", &RunCounts::damages_refused},
      {"commits", &RunCounts::commits},
      {"syncs", &RunCounts::syncs},
      {"tails_cut", &RunCounts::tails_cut},
      {"groups_lost", &RunCounts::groups_lost},
      {"acknowledged", &RunCounts::acknowledged},
      {"found", &RunCounts::found},
      {"removed", &RunCounts::removed},
      {"lost", &RunCounts::lost},
      {"reordered", &RunCounts::reordered},
      {"doubled", &RunCounts::doubled},
      {"altered", &RunCounts::altered},
  };
  return kFields;
}

std::uint64_t& RunCounts::OfCase(PowerLossCase power_loss) {
  switch (power_loss) {
    case PowerLossCase::kAllKept: return all_kept;
    case PowerLossCase::kAllLost: return all_lost;
    case PowerLossCase::kTailsLost: return tails_lost;
    case PowerLossCase::kTornPages: return torn_pages;
    case PowerLossCase::kZeroPages: return zero_pages;
    case PowerLossCase::kStalePages: return stale_pages;
    case PowerLossCase::kOlderTailMissing: return older_tail_missing;
    case PowerLossCase::kRecordHoles: return record_holes;
    case PowerLossCase::kMixed: return mixed;
  }
  return mixed;
}

void RunCounts::Add(const RunCounts& other) {
  for (const CountField& field : CountFields()) this->*field.member += other.*field.member;
}

std::string RunCounts::ToText() const {
  std::string text;
  for (const CountField& field : CountFields()) text += std::string(field.name) + " = " + std::to_string(this->*field.member) + "\n";
  return text;
}

StatusOr<RunCounts> RunCounts::FromText(std::string_view text) {
  RunCounts counts;
  while (!text.empty()) {
    const std::size_t end = std::min(text.find('\n'), text.size());
    const std::string_view line = text.substr(0, end);
    text.remove_prefix(std::min(end + 1, text.size()));
    const std::size_t equals = line.find(" = ");
    if (equals == std::string_view::npos) continue;
    for (const CountField& field : CountFields()) {
      if (line.substr(0, equals) != field.name) continue;
      const std::string_view number = line.substr(equals + 3);
      const auto [rest, error] = std::from_chars(number.data(), number.data() + number.size(), counts.*field.member);
      if (error != std::errc() || rest != number.data() + number.size()) {
        return Error(Reason::kInvalidConfig, "not a number: " + std::string(line));
      }
    }
  }
  return counts;
}

}  // namespace cordwood::testing
