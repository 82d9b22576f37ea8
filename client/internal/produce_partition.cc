// SPDX-License-Identifier: Apache-2.0
// What is sent, what is tried again, and under which sequence.
#include "client/internal/produce_partition.h"

#include <algorithm>
#include <iterator>
#include <limits>
#include <string_view>
#include <utility>

#include "client/internal/rpc_error.h"
#include "storage/base/check.h"
#include "storage/base/coding.h"
#include "storage/base/crc32c.h"
#include "storage/record/record_batch.h"
#include "storage/record/record_reader.h"

namespace cordwood::client {
namespace {

constexpr std::size_t kCrcAt = 17;
constexpr std::size_t kProducerIdAt = 43;
constexpr std::size_t kProducerEpochAt = 51;
constexpr std::size_t kBaseSequenceAt = 53;

void WriteStamp(ProduceBatch* batch, const ProducerStamp& stamp) {
  if (!batch->bytes.unique()) batch->bytes = SharedBytes::CopyOf(batch->bytes.view());
  char* at = batch->bytes.mutable_data();
  StoreBigEndian(at + kProducerIdAt, stamp.id.value());
  StoreBigEndian(at + kProducerEpochAt, stamp.epoch.value());
  StoreBigEndian(at + kBaseSequenceAt, stamp.base_sequence.value());
  StoreBigEndian(at + kCrcAt, Crc32c(batch->bytes.view().substr(kBatchCrcStart)));
}

// A disk gets space back by retention, a broken shard's broker is restarted or another one leads: as in Kafka, both are worth waiting
// for. For a reader a storage error is final, so this is the producer's rule alone.
bool IsWorthRepeating(const Status& refusal) {
  const Reason reason = ReasonOf(refusal);
  return IsRetriable(refusal) || reason == Reason::kDiskFull || reason == Reason::kStorageError || reason == Reason::kPoisoned;
}

// `reason` would tell that nothing was appended, but an earlier attempt may have been.
bool Misleads(const ProduceBatch& batch, Reason reason) { return batch.maybe_appended && CertaintyOf(reason) == Certainty::kDefinite; }

// For people, who see one reason only.
std::string InWords(const Status& refusal) {
  const std::string reason(ReasonName(ReasonOf(refusal)));
  return MessageOf(refusal).empty() ? reason : reason + ": " + MessageOf(refusal);
}

// What is true of a batch for which `time` ran out: whether it may be in the log, and why it is not known to be.
Status WhyUnfinished(const ProduceBatch& batch, bool in_flight, const std::string& time) {
  if (!batch.sent) return NeverSent(Error(Reason::kRequestTimedOut, "could not be sent within " + time));
  const bool maybe_appended = batch.maybe_appended || in_flight;
  if (!batch.refusal.ok() && !in_flight && !Misleads(batch, ReasonOf(batch.refusal))) return Annotate(batch.refusal, "again and again within " + time);
  const std::string last = batch.refusal.ok() ? "" : "; the last answer was " + InWords(batch.refusal);
  return Error(Reason::kRequestTimedOut, (maybe_appended ? "no acknowledgement within " + time + "; it may have been appended" : "was not appended within " + time) + last);
}

}  // namespace

Sequence ProduceBatch::base_sequence() const { return Sequence(LoadBigEndian<std::int32_t>(bytes.view().data() + kBaseSequenceAt)); }

void StampProducer(ProduceBatch* batch, const ProducerStamp& stamp) {
  WriteStamp(batch, stamp);
  batch->sequenced = true;
}

void ClearStamp(ProduceBatch* batch) {
  if (batch->sequenced) WriteStamp(batch, {});
  batch->sequenced = false;
}

StatusOr<std::pair<ProduceBatch, ProduceBatch>> SplitBatch(ProduceBatch* batch) {
  CORDWOOD_CHECK(batch->acks.size() >= 2);
  CORDWOOD_ASSIGN_OR_RETURN(const RecordBatchView view, RecordBatchView::Parse(batch->bytes.view()));
  RecordReader reader(view);
  CORDWOOD_RETURN_IF_ERROR(reader.Open());
  const std::size_t first_count = batch->acks.size() / 2;
  RecordBatchBuilder builders[2];
  RecordView record;
  for (std::size_t i = 0; i < batch->acks.size(); ++i) {
    CORDWOOD_ASSIGN_OR_RETURN(const bool more, reader.Next(&record));
    CORDWOOD_CHECK(more);  // one callback per record
    builders[i < first_count ? 0 : 1].Add(record);
  }
  std::pair<ProduceBatch, ProduceBatch> halves;
  CORDWOOD_ASSIGN_OR_RETURN(halves.first.bytes, builders[0].Build(view.codec(), {}));
  CORDWOOD_ASSIGN_OR_RETURN(halves.second.bytes, builders[1].Build(view.codec(), {}));
  const auto middle = batch->acks.begin() + static_cast<std::ptrdiff_t>(first_count);
  halves.first.acks.assign(std::make_move_iterator(batch->acks.begin()), std::make_move_iterator(middle));
  halves.second.acks.assign(std::make_move_iterator(middle), std::make_move_iterator(batch->acks.end()));
  halves.first.memory_bytes = batch->memory_bytes / 2;
  halves.second.memory_bytes = batch->memory_bytes - halves.first.memory_bytes;
  halves.first.created = halves.second.created = batch->created;
  return halves;
}

bool ProducePartition::CanSend(absl::Duration now) const {
  return !draining_ && !pending_.empty() && in_flight_.size() < in_flight_max_ && !needs_identity() && retry_at_ <= now;
}

void ProducePartition::SetIdentity(ProducerId id, ProducerEpoch epoch) { identity_ = {id, epoch, Sequence{0}}; }

ProducePartition::Sent ProducePartition::Send() {
  ProduceBatch batch = std::move(pending_.front());
  pending_.pop_front();
  if (idempotent_ && !batch.sequenced) {
    StampProducer(&batch, identity_);
    identity_.base_sequence = NextSequence(identity_.base_sequence, batch.count());
  }
  batch.sent = true;
  if (alone_left_ > 0) --alone_left_;
  const Sent sent{first_serial_ + in_flight_.size(), batch.bytes};
  in_flight_.push_back(InFlight{std::move(batch), Fate::kWaiting, Offset{-1}, absl::OkStatus(), false});
  return sent;
}

ProducePartition::InFlight* ProducePartition::Find(std::uint64_t serial) {
  if (serial < first_serial_ || serial - first_serial_ >= in_flight_.size()) return nullptr;
  return &in_flight_[serial - first_serial_];
}

void ProducePartition::Accepted(std::uint64_t serial, Offset base_offset) {
  InFlight* sent = Find(serial);
  if (sent == nullptr || sent->fate != Fate::kWaiting) return;
  sent->fate = Fate::kAccepted;
  // No log reaches as far as that its last record would have no offset: the broker errs.
  const bool possible = base_offset.value() <= std::numeric_limits<std::int64_t>::max() - sent->batch.count();
  sent->base_offset = possible ? base_offset : Offset{-1};
}

void ProducePartition::Refused(std::uint64_t serial, const Status& status, bool shared) {
  InFlight* sent = Find(serial);
  if (sent == nullptr || sent->fate != Fate::kWaiting) return;
  if (ReasonOf(status) == Reason::kDuplicateSequence) return Accepted(serial, Offset{-1});  // in the log, too long ago to say where
  sent->fate = Fate::kRefused;
  sent->refusal = status;
  sent->shared = shared;
  draining_ = true;
}

void ProducePartition::Abandon() {
  for (InFlight& sent : in_flight_) {
    if (sent.fate != Fate::kWaiting) continue;
    sent.fate = Fate::kAbandoned;
    draining_ = true;
  }
}

bool ProducePartition::Decided() const {
  return std::none_of(in_flight_.begin(), in_flight_.end(), [](const InFlight& sent) { return sent.fate == Fate::kWaiting; });
}

// Collected while walking the batches in flight from the oldest to the newest.
struct ProducePartition::Settlement {
  std::vector<Completion>* completions;
  std::deque<ProduceBatch> retained;  // goes back to the head of pending_
  std::optional<Sequence> renumber;   // what follows takes new sequences from here on
  bool lost_state = false;            // the broker no longer knows the producer, or not enough of it
  bool wait = false;                  // before the next attempt
  absl::Duration advice;              // how long, if the broker said

  void Retain(ProduceBatch batch) {
    if (renumber.has_value()) ClearStamp(&batch);
    retained.push_back(std::move(batch));
  }
  void RenumberFrom(const ProduceBatch& batch) {
    if (batch.sequenced && !renumber.has_value()) renumber = batch.base_sequence();
  }
};

void ProducePartition::SettleRefused(InFlight& sent, Settlement* s) {
  const Reason reason = ReasonOf(sent.refusal);
  const bool first = s->retained.empty() && !s->renumber.has_value();
  if (idempotent_ && (reason == Reason::kOutOfOrderSequence || reason == Reason::kUnknownProducerId || reason == Reason::kInvalidProducerEpoch)) {
    // Behind another refusal that is what had to come. At the head the broker has lost what it knew of us.
    if (first) s->lost_state = s->wait = true;
    return s->Retain(std::move(sent.batch));
  }
  if (CertaintyOf(reason) == Certainty::kIndefinite) sent.batch.maybe_appended = true;
  if (IsWorthRepeating(sent.refusal)) {
    sent.batch.refusal = sent.refusal;
    s->wait = true;
    s->advice = std::max(s->advice, RetryAfter(sent.refusal));
    return s->Retain(std::move(sent.batch));
  }
  if (!s->retained.empty()) return s->Retain(std::move(sent.batch));  // judged again once what is before it has gone through
  if (sent.shared) {
    alone_left_ = in_flight_.size();
    return s->Retain(std::move(sent.batch));
  }
  if (Misleads(sent.batch, reason) && reason != Reason::kMessageTooLarge) {
    // Refused now (a batch too large now was too large before), but an earlier attempt of it may be in the log: its sequences are taken as far as we know, so what follows keeps its own.
    s->completions->push_back({std::move(sent.batch), Error(Reason::kRequestTimedOut, "an earlier attempt may have been appended; the last one met " +
                                                                                          InWords(sent.refusal)), Offset{-1}});
    return;
  }
  if (reason == Reason::kMessageTooLarge && sent.batch.count() > 1) {
    s->RenumberFrom(sent.batch);
    auto halves = SplitBatch(&sent.batch);
    if (halves.ok()) {
      s->retained.push_back(std::move(halves->first));
      s->retained.push_back(std::move(halves->second));
      alone_left_ = std::max(alone_left_, in_flight_.size() + 1);
      return;
    }
  }
  // A definite failure leaves its sequences free for what follows. After an indefinite one they may be taken: what follows keeps
  // its own, and if the broker then misses some it says so and we begin anew.
  if (CertaintyOf(reason) == Certainty::kDefinite) s->RenumberFrom(sent.batch);
  s->completions->push_back({std::move(sent.batch), sent.refusal, Offset{-1}});
}

bool ProducePartition::Settle(absl::Duration now, absl::Duration backoff, std::vector<Completion>* completions) {
  while (!in_flight_.empty() && in_flight_.front().fate == Fate::kAccepted) {
    InFlight& sent = in_flight_.front();
    completions->push_back({std::move(sent.batch), absl::OkStatus(), sent.base_offset});
    in_flight_.pop_front();
    ++first_serial_;
    refusals_ = 0;
  }
  if (!draining_ || !Decided()) return false;

  Settlement settlement{completions, {}, std::nullopt, false, false, absl::ZeroDuration()};
  for (InFlight& sent : in_flight_) {
    switch (sent.fate) {
      case Fate::kAccepted: completions->push_back({std::move(sent.batch), absl::OkStatus(), sent.base_offset}); break;
      case Fate::kRefused: SettleRefused(sent, &settlement); break;
      case Fate::kAbandoned:
        sent.batch.maybe_appended = true;
        settlement.Retain(std::move(sent.batch));
        break;
      case Fate::kWaiting: CORDWOOD_CHECK(false);
    }
  }
  first_serial_ += in_flight_.size();
  in_flight_.clear();
  draining_ = false;
  if (settlement.renumber.has_value()) {
    for (ProduceBatch& batch : pending_) ClearStamp(&batch);
    identity_.base_sequence = *settlement.renumber;
  }
  pending_.insert(pending_.begin(), std::make_move_iterator(settlement.retained.begin()), std::make_move_iterator(settlement.retained.end()));
  if (settlement.lost_state) {
    for (ProduceBatch& batch : pending_) ClearStamp(&batch);
    identity_ = {kNoProducerId, ProducerEpoch{-1}, Sequence{0}};
  }
  if (settlement.wait) {
    const absl::Duration grown = std::min(backoff * (1 << std::min(refusals_++, 10)), std::max(backoff, kBackoffMax));
    retry_at_ = now + std::max(grown, settlement.advice);
  }
  return settlement.lost_state;
}

void ProducePartition::Expire(absl::Duration created_max, std::vector<Completion>* completions) {
  if (!in_flight_.empty()) return;  // the older ones are under way; they will be answered or abandoned
  while (!pending_.empty() && pending_.front().created <= created_max) {
    const Status why = WhyUnfinished(pending_.front(), false, "the delivery timeout");
    completions->push_back({std::move(pending_.front()), why, Offset{-1}});
    pending_.pop_front();
  }
}

void ProducePartition::FailAll(const std::optional<Status>& status, std::vector<Completion>* completions) {
  const auto why = [&status](const ProduceBatch& batch, bool in_flight) {
    if (!status.has_value()) return WhyUnfinished(batch, in_flight, "the time left to the producer");
    return batch.sent ? *status : NeverSent(*status);
  };
  for (InFlight& sent : in_flight_) {
    const Status outcome = sent.fate == Fate::kAccepted ? absl::OkStatus() : why(sent.batch, true);
    completions->push_back({std::move(sent.batch), outcome, sent.base_offset});
  }
  for (ProduceBatch& batch : pending_) {
    const Status outcome = why(batch, false);
    completions->push_back({std::move(batch), outcome, Offset{-1}});
  }
  first_serial_ += in_flight_.size();
  in_flight_.clear();
  pending_.clear();
  draining_ = false;
  refusals_ = 0;
  retry_at_ = -absl::InfiniteDuration();  // nobody would wake what comes next
}

void ProducePartition::Forget() {
  identity_ = {kNoProducerId, ProducerEpoch{-1}, Sequence{0}};
  draining_ = false;
  alone_left_ = 0;
  refusals_ = 0;
  retry_at_ = -absl::InfiniteDuration();
}

bool ProducePartition::Invariants() const {
  if (in_flight_.size() > in_flight_max_) return false;
  // What has no sequence yet stands behind what has one.
  bool unsequenced_seen = false;
  for (const ProduceBatch& batch : pending_) {
    if (batch.sequenced && unsequenced_seen) return false;
    unsequenced_seen = unsequenced_seen || !batch.sequenced;
  }
  return std::all_of(in_flight_.begin(), in_flight_.end(), [this](const InFlight& sent) { return sent.batch.sequenced == idempotent_; });
}

}  // namespace cordwood::client
