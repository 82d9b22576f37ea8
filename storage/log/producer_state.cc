// SPDX-License-Identifier: Apache-2.0
// Judges the sequences of idempotent producers and remembers their last batches.
#include "storage/log/producer_state.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"

namespace cordwood {
namespace {

constexpr std::size_t kWindow = 5;  // Kafka's max.in.flight.requests.per.connection of an idempotent producer
constexpr Sequence kFirstSequence{0};
constexpr std::uint32_t kSequenceMask = 0x7FFF'FFFF;
constexpr std::uint32_t kHalfRing = std::uint32_t{1} << 30;

bool IsIdempotent(const RecordBatchView& batch) {
  return batch.producer_id() >= ProducerId(0) && batch.producer_epoch() >= ProducerEpoch(0) && batch.base_sequence() >= kFirstSequence;
}

// Whether `sequence` is `last` or lies less than half the ring before it.
bool IsAtOrBehind(Sequence sequence, Sequence last) {
  const std::uint32_t distance =
      (static_cast<std::uint32_t>(last.value()) - static_cast<std::uint32_t>(sequence.value())) & kSequenceMask;
  return distance < kHalfRing;
}

// The base offset of a batch that is still being checked says where in its entry it stands: -1 is the first, -2 the second.
Offset PlaceInEntry(std::size_t i) { return Offset(-1 - static_cast<std::int64_t>(i)); }

AppendVerdict DuplicateOf(Offset base_offset) {
  if (base_offset >= Offset(0)) return {true, base_offset, -1};
  return {true, Offset(-1), static_cast<int>(-1 - base_offset.value())};
}

Status Refuse(Reason reason, const RecordBatchView& batch, const std::string& why) {
  return Error(reason, absl::StrCat("producer ", batch.producer_id().value(), " epoch ", batch.producer_epoch().value(), ", sequences ",
                                    batch.base_sequence().value(), "-", batch.last_sequence().value(), ": ", why));
}

}  // namespace

StatusOr<AppendVerdict> ProducerState::CheckKnown(const Producer& known, const RecordBatchView& batch) {
  if (batch.producer_epoch() < known.epoch) {
    return Refuse(Reason::kInvalidProducerEpoch, batch, absl::StrCat("epoch ", known.epoch.value(), " has appended here"));
  }
  if (batch.producer_epoch() > known.epoch) {
    if (batch.base_sequence() == kFirstSequence) return AppendVerdict{};
    return Refuse(Reason::kOutOfOrderSequence, batch, "a new epoch must start at sequence 0");
  }
  for (auto range = known.batches.rbegin(); range != known.batches.rend(); ++range) {
    if (range->first == batch.base_sequence() && range->last == batch.last_sequence()) return DuplicateOf(range->base_offset);
  }
  const Sequence last = known.batches.back().last;
  const Sequence next = NextSequence(last, 1);
  if (batch.base_sequence() == next) return AppendVerdict{};
  if (IsAtOrBehind(batch.base_sequence(), last) && IsAtOrBehind(batch.last_sequence(), last)) {
    return Refuse(Reason::kDuplicateSequence, batch, absl::StrCat("already appended, the next one is ", next.value()));
  }
  return Refuse(Reason::kOutOfOrderSequence, batch, absl::StrCat("the next one is ", next.value()));
}

bool ProducerState::ExpiredAt(std::int64_t clock_ms, std::int64_t last_append_ms) const {
  if (clock_ms <= last_append_ms) return false;
  const std::uint64_t age_ms = static_cast<std::uint64_t>(clock_ms) - static_cast<std::uint64_t>(last_append_ms);
  return age_ms > static_cast<std::uint64_t>(limits_.expiration_ms);
}

bool ProducerState::HasRoomFor(int new_producers, std::int64_t append_ms) const {
  int to_expire = size() + new_producers - limits_.producers_max;
  if (to_expire <= 0) return true;
  if (expiry_checks_.empty() || !ExpiredAt(append_ms, expiry_checks_.front().not_after_ms)) return false;
  for (const ExpiryCheck& check : expiry_checks_) {
    if (!ExpiredAt(append_ms, check.not_after_ms)) continue;
    if (ExpiredAt(append_ms, producers_.find(check.id)->second.last_append_ms) && --to_expire == 0) return true;
  }
  return false;
}

Status ProducerState::CheckNew(const RecordBatchView& batch, int new_in_entry, std::int64_t append_ms) const {
  if (batch.producer_epoch() < ProducerEpoch(0)) return Refuse(Reason::kInvalidProducerEpoch, batch, "a producer's epoch is not negative");
  if (batch.base_sequence() != kFirstSequence) {
    return Refuse(Reason::kUnknownProducerId, batch, "this partition does not know the producer, which must start again at sequence 0");
  }
  if (HasRoomFor(new_in_entry + 1, append_ms)) return absl::OkStatus();
  return Refuse(Reason::kLimitExceeded, batch, absl::StrCat("the partition already remembers ", size(), " producers (producers.max)"));
}

StatusOr<ProducerState::Verdicts> ProducerState::Check(std::span<const RecordBatchView> batches, std::int64_t append_ms) const {
  append_ms = std::max(append_ms, log_append_ms_);
  StatusOr<Verdicts> verdicts(absl::in_place);
  absl::flat_hash_map<ProducerId, Producer> ahead;  // producers as they will be; allocates only where batches follow
  int new_in_entry = 0;
  for (std::size_t i = 0; i < batches.size(); ++i) {
    const RecordBatchView& batch = batches[i];
    AppendVerdict verdict;
    if (batch.producer_id() >= ProducerId(0)) {
      const auto in_entry = ahead.find(batch.producer_id());
      const auto in_log = producers_.find(batch.producer_id());
      const Producer* known = in_entry != ahead.end() ? &in_entry->second : in_log != producers_.end() ? &in_log->second : nullptr;
      if (known == nullptr) {
        CORDWOOD_RETURN_IF_ERROR(CheckNew(batch, new_in_entry++, append_ms));
      } else {
        CORDWOOD_ASSIGN_OR_RETURN(verdict, CheckKnown(*known, batch));
      }
      if (!verdict.duplicate && i + 1 < batches.size()) {
        Producer copy = known == nullptr ? Producer{} : *known;
        ApplyTo(copy, batch, PlaceInEntry(i), append_ms);
        ahead.insert_or_assign(batch.producer_id(), std::move(copy));
      }
    }
    verdicts->push_back(verdict);
  }
  return verdicts;
}

void ProducerState::ApplyTo(Producer& producer, const RecordBatchView& batch, Offset base_offset, std::int64_t append_ms) {
  if (producer.epoch != batch.producer_epoch()) producer.batches.clear();
  producer.epoch = batch.producer_epoch();
  producer.last_append_ms = append_ms;
  if (producer.batches.size() == kWindow) producer.batches.erase(producer.batches.begin());
  producer.batches.push_back({batch.base_sequence(), batch.last_sequence(), base_offset});
}

void ProducerState::Apply(const RecordBatchView& batch, std::int64_t append_ms) {
  log_append_ms_ = std::max(log_append_ms_, append_ms);
  if (!IsIdempotent(batch)) return ForgetExpired();
  const auto known = producers_.find(batch.producer_id());
  if (known != producers_.end()) {
    // Before the others are looked at: Check() judged the batch by the clock before it, and so must a replay.
    ApplyTo(known->second, batch, batch.base_offset(), log_append_ms_);
    return ForgetExpired();
  }
  ForgetExpired();
  Producer producer;
  ApplyTo(producer, batch, batch.base_offset(), log_append_ms_);
  Insert(batch.producer_id(), std::move(producer));
}

void ProducerState::Insert(ProducerId id, Producer producer) {
  expiry_checks_.push_back({producer.last_append_ms, id});
  std::push_heap(expiry_checks_.begin(), expiry_checks_.end(), IsLater);
  producers_.insert_or_assign(id, std::move(producer));
}

// Each producer is looked at about once per expiration_ms, however much it appends.
void ProducerState::ForgetExpired() {
  while (!expiry_checks_.empty() && ExpiredAt(log_append_ms_, expiry_checks_.front().not_after_ms)) {
    std::pop_heap(expiry_checks_.begin(), expiry_checks_.end(), IsLater);
    const auto producer = producers_.find(expiry_checks_.back().id);
    if (ExpiredAt(log_append_ms_, producer->second.last_append_ms)) {
      producers_.erase(producer);
      expiry_checks_.pop_back();
    } else {
      expiry_checks_.back().not_after_ms = producer->second.last_append_ms;
      std::push_heap(expiry_checks_.begin(), expiry_checks_.end(), IsLater);
    }
  }
}

void ProducerState::RebuildExpiryChecks() {
  expiry_checks_.clear();
  for (const auto& [id, producer] : producers_) expiry_checks_.push_back({producer.last_append_ms, id});
  std::make_heap(expiry_checks_.begin(), expiry_checks_.end(), IsLater);
}

void ProducerState::TruncateTo(Offset log_end) {
  log_append_ms_ = -1;
  for (auto entry = producers_.begin(); entry != producers_.end();) {
    Producer& producer = entry->second;
    while (!producer.batches.empty() && producer.batches.back().base_offset >= log_end) producer.batches.pop_back();
    if (producer.batches.empty()) {
      producers_.erase(entry++);
      continue;
    }
    log_append_ms_ = std::max(log_append_ms_, producer.last_append_ms);
    ++entry;
  }
  RebuildExpiryChecks();
}

}  // namespace cordwood
