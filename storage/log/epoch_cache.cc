// SPDX-License-Identifier: Apache-2.0
// Keeps the starts of leader epochs and answers where an epoch ended.
#include "storage/log/epoch_cache.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "storage/base/coding.h"

namespace cordwood {
namespace {

constexpr std::size_t kEntryBytes = 12;
constexpr Offset kNoOffset{-1};

Status InvariantError(const std::vector<EpochStart>& entries, std::size_t i, const char* what) {
  return Error(Reason::kStorageError,
               absl::StrCat("epoch cache entry ", i, " {epoch ", entries[i].epoch.value(), ", start ", entries[i].start.value(), "} ",
                            what));
}

}  // namespace

bool EpochCache::Assign(LeaderEpoch epoch, Offset start) {
  if (epoch < LeaderEpoch(0) || start < Offset(0)) return false;
  if (!entries_.empty() && epoch <= entries_.back().epoch) return false;
  // An epoch that began here wrote nothing. One that began beyond was lost from the log without TruncateTo(); it goes too.
  while (!entries_.empty() && entries_.back().start >= start) entries_.pop_back();
  entries_.push_back({epoch, start});
  return true;
}

std::optional<EpochStart> EpochCache::latest() const {
  if (entries_.empty()) return std::nullopt;
  return entries_.back();
}

EpochEnd EpochCache::EndOf(LeaderEpoch epoch, Offset log_end) const {
  const auto above = std::upper_bound(entries_.begin(), entries_.end(), epoch,
                                      [](LeaderEpoch asked, const EpochStart& entry) { return asked < entry.epoch; });
  if (above == entries_.begin()) return {kNoLeaderEpoch, kNoOffset};
  return {(above - 1)->epoch, above == entries_.end() ? log_end : above->start};
}

LeaderEpoch EpochCache::EpochAt(Offset offset) const {
  const auto above = std::upper_bound(entries_.begin(), entries_.end(), offset,
                                      [](Offset asked, const EpochStart& entry) { return asked < entry.start; });
  return above == entries_.begin() ? kNoLeaderEpoch : (above - 1)->epoch;
}

bool EpochCache::TruncateTo(Offset log_end) {
  const std::size_t before = entries_.size();
  while (!entries_.empty() && entries_.back().start >= log_end) entries_.pop_back();
  return entries_.size() != before;
}

bool EpochCache::TruncateFrom(Offset log_start) {
  if (entries_.empty() || entries_.front().start >= log_start) return false;
  const auto above = std::upper_bound(entries_.begin(), entries_.end(), log_start,
                                      [](Offset asked, const EpochStart& entry) { return asked < entry.start; });
  entries_.erase(entries_.begin(), above - 1);  // each of them ends where the next starts, at or below log_start
  entries_.front().start = log_start;
  return true;
}

std::string EpochCache::Encode() const {
  std::string value;
  value.reserve(entries_.size() * kEntryBytes);
  for (const EpochStart& entry : entries_) {
    AppendBigEndian(&value, entry.epoch.value());
    AppendBigEndian(&value, entry.start.value());
  }
  return value;
}

StatusOr<EpochCache> EpochCache::Decode(std::string_view value) {
  if (value.size() % kEntryBytes != 0) {
    return Error(Reason::kStorageError, absl::StrCat("epoch cache of ", value.size(), " bytes is no multiple of ", kEntryBytes));
  }
  EpochCache cache;
  cache.entries_.reserve(value.size() / kEntryBytes);
  ByteReader reader(value);
  while (!reader.done()) {
    const LeaderEpoch epoch(reader.Read<std::int32_t>());
    const Offset start(reader.Read<std::int64_t>());
    cache.entries_.push_back({epoch, start});
  }
  CORDWOOD_RETURN_IF_ERROR(cache.Invariants());
  return cache;
}

Status EpochCache::Invariants() const {
  for (std::size_t i = 0; i < entries_.size(); ++i) {
    if (entries_[i].epoch < LeaderEpoch(0) || entries_[i].start < Offset(0)) return InvariantError(entries_, i, "is negative");
    if (i == 0) continue;
    if (entries_[i].epoch <= entries_[i - 1].epoch) return InvariantError(entries_, i, "does not raise the epoch");
    if (entries_[i].start <= entries_[i - 1].start) return InvariantError(entries_, i, "does not raise the start");
  }
  return absl::OkStatus();
}

}  // namespace cordwood
