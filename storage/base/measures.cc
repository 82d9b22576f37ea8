// SPDX-License-Identifier: Apache-2.0
// Reasons are numbered with wide gaps: two short arrays in one hold them all.
#include "storage/base/measures.h"

#include "storage/base/check.h"

namespace cordwood {
namespace {

constexpr int kFirst = static_cast<int>(Reason::kUnknownServerError);
constexpr int kFirstOfOurs = 1000;

}  // namespace

std::size_t ReasonCounts::PlaceOf(Reason reason) {
  const int number = static_cast<int>(reason);
  const std::size_t place = number >= kFirstOfOurs ? kKafkas + static_cast<std::size_t>(number - kFirstOfOurs) : static_cast<std::size_t>(number - kFirst);
  CORDWOOD_CHECK(place < kKafkas + kOurs && (number >= kFirstOfOurs || place < kKafkas));
  return place;
}

void ReasonCounts::Count(Reason reason) { counts_[PlaceOf(reason)].fetch_add(1, std::memory_order_relaxed); }

std::uint64_t ReasonCounts::value(Reason reason) const { return counts_[PlaceOf(reason)].load(std::memory_order_relaxed); }

const std::vector<Reason>& ReasonCounts::All() {
  static const std::vector<Reason>* const all = [] {
    auto* reasons = new std::vector<Reason>;
    const auto add = [&](int first, std::size_t count) {
      for (int number = first; number < first + static_cast<int>(count); ++number) {
        if (const auto reason = ReasonFromNumber(number); reason.has_value() && *reason != Reason::kNone) reasons->push_back(*reason);
      }
    };
    add(kFirst, kKafkas);
    add(kFirstOfOurs, kOurs);
    return reasons;
  }();
  return *all;
}

}  // namespace cordwood
