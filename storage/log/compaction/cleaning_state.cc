// SPDX-License-Identifier: Apache-2.0
#include "storage/log/compaction/cleaning_state.h"

#include <algorithm>

#include "storage/base/coding.h"

namespace cordwood {
namespace {

constexpr std::uint8_t kCleaningFormat = 1;
constexpr std::int64_t kMarksPerRetention = 16;

bool IsCount(std::uint64_t count) { return count <= static_cast<std::uint64_t>(INT64_MAX); }

Status Damaged(std::string_view what) { return Error(Reason::kStorageError, "cleaning state: " + std::string(what)); }

// Whether `at_ms` is at least `ms` ago. A clock that was set back makes nothing older.
bool IsPast(std::int64_t at_ms, std::int64_t ms, std::int64_t now_ms) { return at_ms <= now_ms && now_ms - at_ms >= ms; }

Status CheckSense(const CleaningState& state) {
  if (state.clean_end < Offset(0) || state.gaps_end < Offset(0) || state.tombstones_gone_to < Offset(0)) return Damaged("an offset below 0");
  if (state.tombstones_gone_to > state.clean_end) return Damaged("more without tombstones than clean");
  for (const std::uint64_t count : {state.bytes_before_clean_end, state.clean_bytes, state.tombstones, state.runs, state.last_run.read_bytes,
                                    state.last_run.removed_bytes, state.last_run.removed_records}) {
    if (!IsCount(count)) return Damaged("a count beyond 2^63");
  }
  if (state.last_run.ended_ms < -1 || state.last_run.took_ms < 0) return Damaged("a time below 0");
  for (std::size_t i = 0; i < state.marks.size(); ++i) {
    const CleaningState::Mark& mark = state.marks[i];
    if (mark.end < Offset(0) || mark.end > state.clean_end || mark.at_ms < 0) return Damaged("a mark out of range");
    if (i > 0 && (mark.end < state.marks[i - 1].end || mark.at_ms < state.marks[i - 1].at_ms)) return Damaged("marks out of order");
  }
  return absl::OkStatus();
}

}  // namespace

Offset CleaningState::TombstonesFrom(std::int64_t now_ms, std::int64_t retention_ms) const {
  Offset from = tombstones_gone_to;
  for (const Mark& mark : marks) {
    if (IsPast(mark.at_ms, retention_ms, now_ms)) from = std::max(from, mark.end);
  }
  return from;
}

void CleaningState::AddMark(Offset end, std::int64_t now_ms, std::int64_t retention_ms, Offset gone_to) {
  tombstones_gone_to = std::max(tombstones_gone_to, gone_to);
  std::erase_if(marks, [&](const Mark& mark) { return mark.end <= tombstones_gone_to; });
  if (end <= (marks.empty() ? tombstones_gone_to : marks.back().end)) return;  // clean since then already
  const Mark mark{end, marks.empty() ? std::max<std::int64_t>(now_ms, 0) : std::max(now_ms, marks.back().at_ms)};
  if (marks.size() >= 2 && mark.at_ms - marks[marks.size() - 2].at_ms < retention_ms / kMarksPerRetention) {
    marks.back() = mark;
  } else {
    marks.push_back(mark);
  }
  if (marks.size() > kCleanMarksMax) {  // the retention was made longer: the two that are nearest become one
    std::size_t nearest = 1;
    for (std::size_t i = 2; i < marks.size(); ++i) {
      if (marks[i].at_ms - marks[i - 1].at_ms < marks[nearest].at_ms - marks[nearest - 1].at_ms) nearest = i;
    }
    marks.erase(marks.begin() + static_cast<std::ptrdiff_t>(nearest) - 1);
  }
}

std::string Encode(const CleaningState& state) {
  std::string value;
  AppendBigEndian(&value, kCleaningFormat);
  for (const Offset offset : {state.clean_end, state.gaps_end, state.tombstones_gone_to}) AppendBigEndian(&value, offset.value());
  for (const std::uint64_t count : {state.bytes_before_clean_end, state.clean_bytes, state.tombstones, state.runs}) AppendBigEndian(&value, count);
  AppendBigEndian(&value, state.last_run.ended_ms);
  AppendBigEndian(&value, state.last_run.took_ms);
  for (const std::uint64_t count : {state.last_run.read_bytes, state.last_run.removed_bytes, state.last_run.removed_records}) AppendBigEndian(&value, count);
  AppendBigEndian(&value, static_cast<std::uint8_t>(state.marks.size()));
  for (const CleaningState::Mark& mark : state.marks) {
    AppendBigEndian(&value, mark.end.value());
    AppendBigEndian(&value, mark.at_ms);
  }
  return value;
}

StatusOr<CleaningState> DecodeCleaningState(std::string_view value) {
  ByteReader reader(value);
  if (const auto format = reader.Read<std::uint8_t>(); reader.ok() && format != kCleaningFormat) return Damaged("unknown format " + std::to_string(format));
  CleaningState state;
  for (Offset* offset : {&state.clean_end, &state.gaps_end, &state.tombstones_gone_to}) *offset = Offset(reader.Read<std::int64_t>());
  for (std::uint64_t* count : {&state.bytes_before_clean_end, &state.clean_bytes, &state.tombstones, &state.runs}) *count = reader.Read<std::uint64_t>();
  state.last_run.ended_ms = reader.Read<std::int64_t>();
  state.last_run.took_ms = reader.Read<std::int64_t>();
  for (std::uint64_t* count : {&state.last_run.read_bytes, &state.last_run.removed_bytes, &state.last_run.removed_records}) *count = reader.Read<std::uint64_t>();
  const std::size_t marks = reader.Read<std::uint8_t>();
  if (marks > kCleanMarksMax) return Damaged("too many marks");
  for (std::size_t i = 0; i < marks && reader.ok(); ++i) {
    const Offset end(reader.Read<std::int64_t>());
    state.marks.push_back({end, reader.Read<std::int64_t>()});
  }
  if (!reader.done()) return Damaged("wrong length");
  CORDWOOD_RETURN_IF_ERROR(CheckSense(state));
  return state;
}

// Whatever the log start has passed is gone, clean or not.
std::uint64_t DirtyBytes(const CleaningState& state, const CleaningFacts& facts) {
  if (facts.log_start >= state.clean_end) return facts.size_bytes;
  return facts.total_bytes - std::min(facts.total_bytes, state.bytes_before_clean_end);
}

std::uint64_t BytesLeft(const CleaningState& state, const CleaningFacts& facts) {
  return DirtyBytes(state, facts) + (facts.log_start >= state.clean_end ? 0 : state.clean_bytes);
}

double DirtyRatio(const CleaningState& state, const CleaningFacts& facts) {
  const std::uint64_t dirty = DirtyBytes(state, facts);
  return dirty == 0 ? 0 : static_cast<double>(dirty) / static_cast<double>(BytesLeft(state, facts));
}

std::optional<double> CleaningUrgency(const CleaningState& state, const CleaningFacts& facts, const CompactionLimits& limits, std::int64_t now_ms) {
  const double ratio = DirtyRatio(state, facts);
  const bool any_dirty = DirtyBytes(state, facts) > 0;
  if (any_dirty && facts.first_dirty_append_ms >= 0 && IsPast(facts.first_dirty_append_ms, limits.max_lag_ms, now_ms)) return 1 + ratio;
  if (any_dirty && ratio >= limits.min_dirty_ratio) return ratio;
  if (state.tombstones > 0 && state.TombstonesFrom(now_ms, limits.delete_retention_ms) > state.tombstones_gone_to) return ratio;
  return std::nullopt;
}

}  // namespace cordwood
