// SPDX-License-Identifier: Apache-2.0
// What a member does otherwise when its group is a replay job: it stops at the ends, keeps the pace, and sees that the job is over.
#include <algorithm>
#include <map>
#include <utility>

#include "client/consumer_record.h"
#include "client/group/consumer_group.h"
#include "storage/base/clock.h"

namespace cordwood {

using MemberState = client::MemberReplay::State;

namespace {

absl::Duration Now() { return Clock::System().Monotonic(); }

template <class Matches>
void EraseFrom(std::size_t first, std::vector<ConsumerRecord>* records, Matches matches) {
  records->erase(std::remove_if(records->begin() + static_cast<std::ptrdiff_t>(first), records->end(), matches), records->end());
}

std::uint64_t BytesOf(const ConsumerRecord& record) {
  std::uint64_t bytes = record.key().size() + record.value().size();
  for (const HeaderView& header : record.headers()) bytes += header.key.size() + header.value.value_or("").size();
  return bytes;
}

}  // namespace

ReplayState Consumer::State::Group::replay() const {
  if (!pace_.told().has_value()) return ReplayState::kNone;
  switch (pace_.told()->state) {
    case MemberState::kRunning: return ReplayState::kRunning;
    case MemberState::kPaused: return ReplayState::kPaused;
    case MemberState::kCancelled: return ReplayState::kCancelled;
    case MemberState::kDone: break;
  }
  return ReplayState::kDone;
}

void Consumer::State::Group::TakeReplay(const std::optional<client::MemberReplay>& told) {
  const ReplayState before = replay();
  pace_.Take(told, Now());
  const ReplayState now = replay();
  replay_ended_ = now != before && (now == ReplayState::kDone || now == ReplayState::kCancelled);
}

bool Consumer::State::Group::holds() const { return pace_.told().has_value() && pace_.holds(Now()); }

// Records of the job that are here and were not due when they came.
void Consumer::State::Group::TakeEarly(std::size_t most, std::vector<ConsumerRecord>* records) {
  const std::optional<std::int64_t> due_ms = pace_.due_ms(Now());
  for (auto& [partition, place] : places_) {
    if (records->size() >= most) return;
    if (place.early.empty()) continue;
    const std::size_t slot = state_.assignment.at(partition).slot;
    if (state_.ahead.paused(slot)) continue;
    while (records->size() < most && !place.early.empty() && (!due_ms.has_value() || place.early.front().timestamp().time_since_epoch().count() <= *due_ms)) {
      place.early_bytes -= client::HeldBytesOf(place.early.front());
      records->push_back(std::move(place.early.front()));
      place.early.pop_front();
    }
    if (place.early.empty() && !place.ended) state_.fetch.Seek({{slot, state_.ahead.position(slot)}});
  }
}

void Consumer::State::Group::TakeInRange(std::size_t first, std::vector<ConsumerRecord>* records) {
  if (!pace_.told().has_value()) return;
  EraseFrom(first, records, [&](const ConsumerRecord& record) {
    const auto found = places_.find(record.topic_partition());
    return found != places_.end() && found->second.place.end.has_value() && Offset(record.offset()) >= *found->second.place.end;
  });
  std::vector<std::size_t> ended;
  for (auto& [partition, place] : places_) {
    const std::size_t slot = state_.assignment.at(partition).slot;
    if (!place.place.end.has_value() || state_.ahead.position(slot) < *place.place.end) continue;
    if (!std::exchange(place.ended, true)) ended.push_back(slot);
  }
  Silence(ended);
  HoldEarly(first, records);
}

// Nothing more is fetched there, and what is here is dropped: its position stands.
void Consumer::State::Group::Silence(const std::vector<std::size_t>& slots) {
  if (slots.empty()) return;
  state_.fetch.Silence(slots);
  for (const std::size_t slot : slots) state_.ahead.Seek(slot, state_.ahead.position(slot));
}

// What is not due yet waits aside, as long as all of that is within half of the memory or its partition's within its share of that half; the partition is fetched
// again, from there on, when what waits of it is handed out.
void Consumer::State::Group::HoldEarly(std::size_t first, std::vector<ConsumerRecord>* records) {
  const std::optional<std::int64_t> due_ms = pace_.due_ms(Now());
  if (!due_ms.has_value() || records->size() == first) return;
  const std::size_t most = state_.options.memory_bytes_max / 2;
  std::size_t all = early_bytes();
  std::vector<std::size_t> silent;
  std::map<Place*, std::size_t> held;  // where those of now begin
  std::map<std::size_t, Offset> cut;   // by slot: the first for which there is no room
  EraseFrom(first, records, [&](const ConsumerRecord& record) {
    const auto found = places_.find(record.topic_partition());
    if (found == places_.end()) return false;
    Place& place = found->second;
    if (place.early.empty() && record.timestamp().time_since_epoch().count() <= *due_ms) return false;
    const std::size_t slot = state_.assignment.at(found->first).slot;  // also of one that the application let go on meanwhile
    if (silent.empty() || silent.back() != slot) silent.push_back(slot);
    if (cut.contains(slot)) return true;
    const std::size_t bytes = client::HeldBytesOf(record);
    if (!place.early.empty() && all + bytes > most && place.early_bytes + bytes > most / places_.size()) {
      cut.emplace(slot, record.offset());
      place.ended = false;
      return true;
    }
    held.try_emplace(&place, place.early.size());
    place.early.push_back(record);
    place.early_bytes += bytes;
    all += bytes;
    return true;
  });
  for (const auto& [place, begin] : held) client::CopyInPlace(begin, &place->early);
  Silence(silent);
  for (const auto& [slot, offset] : cut) state_.ahead.Seek(slot, offset);
}

std::size_t Consumer::State::Group::early_bytes() const {
  std::size_t bytes = 0;
  for (const auto& [partition, place] : places_) bytes += place.early_bytes;
  return bytes;
}

void Consumer::State::Group::GaveAtPace(const std::vector<ConsumerRecord>& records) {
  if (!pace_.told().has_value() || pace_.told()->bytes_per_second == 0) return;
  std::uint64_t bytes = 0;
  for (const ConsumerRecord& record : records) bytes += BytesOf(record);
  pace_.Gave(records.size(), bytes, Now());
}

absl::Duration Consumer::State::Group::next_due() const {
  if (!pace_.told().has_value()) return absl::InfiniteDuration();
  const absl::Duration now = Now();
  if (pace_.holds(now)) return pace_.holds_until(now);
  absl::Duration next = absl::InfiniteDuration();
  for (const auto& [partition, place] : places_) {
    if (place.early.empty() || state_.ahead.paused(state_.assignment.at(partition).slot)) continue;
    next = std::min(next, pace_.due_at(place.early.front().timestamp().time_since_epoch().count()));
  }
  return next;
}

// What retention deleted is passed over; where that was the rest of the range, or the log ends before, nothing is left to read.
void Consumer::State::Group::GoOnInRange(Assignment::iterator assigned, Offset end, const client::ReadAhead::Failed& failure) {
  const bool over = failure.log_start >= end || state_.ahead.position(failure.slot) > failure.high_watermark;
  state_.SeekTo({{assigned, over ? end : failure.log_start}});
}

}  // namespace cordwood
