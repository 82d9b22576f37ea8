// SPDX-License-Identifier: Apache-2.0
// Messages, the broker's window, and the way of answers to partitions.
#include "client/internal/produce_core.h"

#include <algorithm>

#include "client/internal/rpc_error.h"
#include "cordwood/v1/log.pb.h"
#include "storage/base/check.h"

namespace cordwood::client {
namespace {

constexpr std::size_t kRecentEntriesMax = 10'000;

}  // namespace

std::uint32_t ProduceCore::AddPartition() {
  partitions_.emplace_back(options_.idempotent && options_.acks != Acks::kNone, options_.in_flight_batches_max);
  in_ready_.push_back(false);
  retired_.push_back(false);
  bound_.push_back(false);
  return static_cast<std::uint32_t>(partitions_.size() - 1);
}

bool ProduceCore::WantsIdentity(std::uint32_t slot) const { return partitions_[slot].has_pending() && partitions_[slot].needs_identity(); }

void ProduceCore::MakeReady(std::uint32_t slot) {
  ProducePartition& partition = partitions_[slot];
  if (!partition.has_pending()) return;
  if (partition.needs_identity()) {
    if (!id_.has_value() || retired_[slot]) {
      wants_id_ = true;
    } else {
      partition.SetIdentity(id_->first, id_->second);
    }
  }
  if (in_ready_[slot]) return;
  in_ready_[slot] = true;
  ready_.push_back(slot);
}

void ProduceCore::Enqueue(std::uint32_t slot, ProduceBatch batch) {
  partitions_[slot].Enqueue(std::move(batch));
  ++unfinished_;
  MakeReady(slot);
}

void ProduceCore::Retire(std::uint32_t slot) {
  retired_[slot] = true;
  if (id_.has_value() && id_->first == partitions_[slot].identity().id) id_.reset();
}

bool ProduceCore::Release(std::uint32_t slot) {
  CORDWOOD_CHECK(retired_[slot]);
  ProducePartition& partition = partitions_[slot];
  if (!partition.idle()) return false;
  partition.Forget();
  retired_[slot] = bound_[slot] = false;
  return true;
}

void ProduceCore::StreamOpened() {
  recent_.clear();
  recent_entries_ = 0;
  open_ = true;
  writing_ = false;
  bound_.assign(bound_.size(), false);
  window_bytes_ = kFirstWindowBytes;
}

void ProduceCore::Completed(std::size_t completions_before, std::uint32_t slot) {
  for (std::size_t i = completions_before; i < completions_.size(); ++i) completions_[i].slot = slot;
  unfinished_ -= completions_.size() - completions_before;
}

void ProduceCore::SettleSlot(std::uint32_t slot, absl::Duration now, absl::Duration backoff) {
  ProducePartition& partition = partitions_[slot];
  const std::size_t completions_before = completions_.size();
  const std::size_t held_before = partition.held();
  const ProducerStamp identity = partition.identity();
  if (partition.Settle(now, backoff, &completions_) && id_.has_value() && id_->first == identity.id) {
    id_.reset();  // the one at hand is the one that was lost
  }
  const std::size_t completed = completions_.size() - completions_before;
  unfinished_ += partition.held() + completed - held_before;  // a split makes two of one
  Completed(completions_before, slot);
  if (partition.has_pending() && partition.retry_at() > now) retries_.insert({partition.retry_at(), slot});
  MakeReady(slot);
}

// Nothing can be sent again, but what comes next is not to meet the same refusal for ever.
void ProduceCore::ApplyLateRefusals(const v1::Done& done) {
  const auto found = recent_.find(done.seq());
  if (found == recent_.end()) return;
  for (const v1::EntryError& error : done.errors()) {
    if (error.entry() >= found->second.size()) continue;
    const std::uint32_t slot = found->second[error.entry()];
    bound_[slot] = false;
    if (error.reason() == v1::UNKNOWN_TOPIC_ID || error.reason() == v1::UNKNOWN_TOPIC_OR_PARTITION) denied_.push_back(slot);
  }
}

void ProduceCore::Remember(const ProduceMessage& message) {
  std::vector<std::uint32_t>& slots = recent_[message.seq];
  for (const ProduceMessage::Entry& entry : message.entries) slots.push_back(entry.slot);
  recent_entries_ += slots.size();
  while (recent_entries_ > kRecentEntriesMax && recent_.size() > 1) {
    recent_entries_ -= recent_.begin()->second.size();
    recent_.erase(recent_.begin());
  }
}

void ProduceCore::ApplyDone(const v1::Done& done, absl::Duration now, absl::Duration backoff) {
  if (options_.acks == Acks::kNone) return ApplyLateRefusals(done);
  const auto found = sent_.find(done.seq());
  if (found == sent_.end()) return;
  const ProduceMessage message = std::move(found->second);
  sent_.erase(found);
  unanswered_bytes_ -= message.bytes;

  std::vector<const v1::EntryError*> refused(message.entries.size(), nullptr);
  for (const v1::EntryError& error : done.errors()) {
    if (error.entry() < refused.size()) refused[error.entry()] = &error;
  }
  int next_base = 0;
  for (std::size_t i = 0; i < message.entries.size(); ++i) {
    const ProduceMessage::Entry& entry = message.entries[i];
    if (refused[i] != nullptr) bound_[entry.slot] = false;  // a broker may refuse before it binds, or forget what was deleted
    for (const std::uint64_t serial : entry.serials) {
      const int base = next_base++;
      if (refused[i] != nullptr) {
        partitions_[entry.slot].Refused(serial, FromEntryError(*refused[i]), entry.serials.size() > 1);
      } else if (base < done.base_offset_size()) {
        partitions_[entry.slot].Accepted(serial, Offset(done.base_offset(base)));
      } else {
        partitions_[entry.slot].Refused(serial, Error(Reason::kUnknownServerError, "the broker's answer says nothing of this batch"), false);
      }
    }
    SettleSlot(entry.slot, now, backoff);
  }
}

void ProduceCore::Answered(const v1::ProduceResponse& response, absl::Duration now, absl::Duration backoff) {
  if (response.window_bytes() > 0) window_bytes_ = response.window_bytes();
  for (const v1::Done& done : response.done()) ApplyDone(done, now, backoff);
}

void ProduceCore::Written() {
  writing_ = false;
  if (options_.acks != Acks::kNone) return;
  for (const auto& [slot, serial] : std::exchange(unacknowledged_, {})) {
    partitions_[slot].Accepted(serial, Offset{-1});
    SettleSlot(slot, absl::ZeroDuration(), absl::ZeroDuration());
  }
}

// The broker's transport limit ends the whole stream, so the guilty message is found by sending one batch at a time.
bool ProduceCore::TransportRefused(const Status& why, absl::Duration now, absl::Duration backoff) {
  // The transport's own refusal has no reason; one of the broker's with the same code (too many calls) is about the call.
  const bool too_large = ReasonOf(why) == Reason::kMessageTooLarge || (ReasonOf(why) == Reason::kUnknownServerError && why.code() == absl::StatusCode::kResourceExhausted);
  if (!too_large || sent_.empty()) return false;
  std::size_t batches = 0;
  for (const auto& [seq, message] : sent_) {
    for (const ProduceMessage::Entry& entry : message.entries) batches += entry.serials.size();
  }
  if (batches > 1) {
    single_left_ = std::max(single_left_, batches);
    return false;
  }
  const ProduceMessage::Entry entry = sent_.begin()->second.entries.front();
  sent_.clear();
  unanswered_bytes_ = 0;
  partitions_[entry.slot].Refused(entry.serials.front(), Error(Reason::kMessageTooLarge, MessageOf(why)), false);
  SettleSlot(entry.slot, now, backoff);
  return true;
}

void ProduceCore::StreamBroken(const Status& why, absl::Duration now, absl::Duration backoff) {
  open_ = writing_ = false;
  TransportRefused(why, now, backoff);
  std::set<std::uint32_t> slots;
  for (const auto& [seq, message] : std::exchange(sent_, {})) {
    for (const ProduceMessage::Entry& entry : message.entries) slots.insert(entry.slot);
  }
  for (const auto& [slot, serial] : std::exchange(unacknowledged_, {})) slots.insert(slot);
  unanswered_bytes_ = 0;
  for (const std::uint32_t slot : slots) {
    partitions_[slot].Abandon();
    SettleSlot(slot, now, backoff);
  }
}

void ProduceCore::ProducerIdArrived(ProducerId id, ProducerEpoch epoch) {
  wants_id_ = false;
  std::optional<std::uint32_t> retired;  // gets it for itself alone, unless one that is not retired waits, too
  bool shared = false;
  for (std::uint32_t slot = 0; slot < partitions_.size(); ++slot) {
    if (!WantsIdentity(slot)) continue;
    shared |= !retired_[slot];
    if (retired_[slot]) retired = slot;
  }
  if (retired.has_value() && !shared) {
    partitions_[*retired].SetIdentity(id, epoch);
  } else {
    id_.emplace(id, epoch);
  }
  for (std::uint32_t slot = 0; slot < partitions_.size(); ++slot) MakeReady(slot);
}

void ProduceCore::Tick(absl::Duration now) {
  while (!retries_.empty() && retries_.begin()->first <= now) {
    const std::uint32_t slot = retries_.begin()->second;
    retries_.erase(retries_.begin());
    MakeReady(slot);
  }
  for (std::uint32_t slot = 0; slot < partitions_.size(); ++slot) Expire(slot, now);
}

void ProduceCore::Expire(std::uint32_t slot, absl::Duration now) {
  const std::size_t completions_before = completions_.size();
  partitions_[slot].Expire(now - options_.delivery_timeout, &completions_);
  Completed(completions_before, slot);
}

void ProduceCore::FailAll(const std::optional<Status>& status) {
  for (std::uint32_t slot = 0; slot < partitions_.size(); ++slot) {
    const std::size_t completions_before = completions_.size();
    partitions_[slot].FailAll(status, &completions_);
    Completed(completions_before, slot);
  }
  sent_.clear();
  retries_.clear();
  unacknowledged_.clear();
  unanswered_bytes_ = 0;
}

// Moves batches of one partition into the message. True if the partition may have more.
bool ProduceCore::FillEntry(std::uint32_t slot, absl::Duration now, std::size_t room, ProduceMessage* message) {
  Expire(slot, now);  // a batch may have lingered until its time was over
  ProducePartition& partition = partitions_[slot];
  // Too old, but something before it is in flight: it fails in its turn.
  if (partition.has_pending() && partition.next().created <= now - options_.delivery_timeout) return false;
  ProduceMessage::Entry entry{slot, {}, {}, !bound_[slot]};
  bool more = false;
  while (partition.CanSend(now)) {
    const std::size_t size = partition.next().bytes.size();
    const bool alone = partition.alone();
    more = message->bytes + size > room && message->bytes > 0;
    if (more || (alone && !entry.serials.empty())) {
      more = true;
      break;
    }
    ProducePartition::Sent sent = partition.Send();
    message->bytes += size;
    entry.serials.push_back(sent.serial);
    entry.batches.push_back(std::move(sent.bytes));
    if (single_left_ > 0 || alone) {
      more = partition.CanSend(now);
      break;
    }
  }
  if (!entry.serials.empty()) {
    bound_[slot] = true;
    message->entries.push_back(std::move(entry));
  }
  return more;
}

std::optional<ProduceMessage> ProduceCore::NextMessage(absl::Duration now) {
  if (!open_ || writing_ || ready_.empty()) return std::nullopt;
  const bool counts = options_.acks != Acks::kNone;
  if (counts && unanswered_bytes_ > 0 && (unanswered_bytes_ >= window_bytes_ || single_left_ > 0)) return std::nullopt;
  std::size_t room = options_.message_bytes_max;
  if (counts) room = std::min(room, window_bytes_ - std::min(window_bytes_, unanswered_bytes_));

  ProduceMessage message;
  message.sent_at = now;
  for (std::size_t left = ready_.size(); left > 0 && message.bytes < room && message.entries.size() < options_.message_entries_max; --left) {
    const std::uint32_t slot = ready_.front();
    ready_.pop_front();
    in_ready_[slot] = false;
    if (FillEntry(slot, now, room, &message)) MakeReady(slot);
    if (single_left_ > 0 && !message.entries.empty()) break;
  }
  if (message.entries.empty()) return std::nullopt;
  if (single_left_ > 0) --single_left_;
  message.seq = next_seq_++;
  writing_ = true;
  writing_since_ = now;
  if (!counts) {
    for (const ProduceMessage::Entry& entry : message.entries) {
      for (const std::uint64_t serial : entry.serials) unacknowledged_.emplace_back(entry.slot, serial);
    }
    Remember(message);
    return message;
  }
  unanswered_bytes_ += message.bytes;
  ProduceMessage kept = message;
  for (ProduceMessage::Entry& entry : kept.entries) entry.batches.clear();
  sent_.emplace(message.seq, std::move(kept));
  return message;
}

bool ProduceCore::wants_stream() const { return unfinished_ > 0; }

bool ProduceCore::overdue(absl::Duration now) const {
  if (writing_ && writing_since_ + options_.answer_timeout <= now) return true;
  return !sent_.empty() && sent_.begin()->second.sent_at + options_.answer_timeout <= now;
}

absl::Duration ProduceCore::NextWake() const {
  if (unfinished_ == 0) return absl::InfiniteDuration();
  return retries_.empty() ? absl::InfiniteDuration() : retries_.begin()->first;
}

bool ProduceCore::Invariants() const {
  std::size_t held = 0;
  for (std::uint32_t slot = 0; slot < partitions_.size(); ++slot) {
    const ProducePartition& partition = partitions_[slot];
    if (!partition.Invariants()) return false;
    if (retired_[slot] && id_.has_value() && id_->first == partition.identity().id) return false;
    held += partition.held();
  }
  std::size_t unanswered = 0;
  for (const auto& [seq, message] : sent_) unanswered += message.bytes;
  return held == unfinished_ && unanswered == unanswered_bytes_;
}

}  // namespace cordwood::client
