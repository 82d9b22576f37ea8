// SPDX-License-Identifier: Apache-2.0
// One partition's look at its log: from the ring, by a reader, or not yet.
#include <algorithm>
#include <string>
#include <utility>

#include "broker/handlers/fetch_session.h"
#include "broker/replication/shard_driver.h"
#include "broker/replication/shard_turn.h"
#include "storage/log/side_header.h"

namespace cordwood::broker {
namespace {

constexpr std::size_t kReadBytesMin = 64 * 1024;  // a fair share is never less, and a read never counts less
constexpr std::size_t kLimitedReadBytesMax = 256 * 1024;  // so that sessions that ask for much get no more than others, and no answer is long under way

std::string NameOf(const BoundPartition& bound) { return bound.topic->name + "-" + ToString(bound.index); }

}  // namespace

struct FetchSession::Read final : ReadJob {
  void Run() override {
    session->OnRead(*this);
    delete this;
  }
  std::shared_ptr<FetchSession> session;
  std::uint64_t generation = 0;
  std::size_t cost = 0;          // bytes that it may bring
  std::size_t limited_cost = 0;  // taken from the catch-up limit; 0: it does not count for that
  absl::Duration asked_at;       // monotonic
};

// Opens the partition on its shard's thread and looks up where an epoch ended.
struct FetchSession::Opening final : OutboxMessage {
  void Run() override {
    session->OnOpened(*this);
    delete this;
  }
  std::shared_ptr<FetchSession> session;
  PartitionId partition;
  std::uint64_t generation = 0;
  std::optional<LeaderEpoch> epoch;
  EpochEnd end{kNoLeaderEpoch, Offset(-1)};
  Status status;
};

FetchSession::Slot* FetchSession::Find(std::uint64_t generation, PartitionId partition) {
  const auto found = slots_.find(partition);
  return found == slots_.end() || found->second->generation != generation ? nullptr : found->second.get();
}

std::size_t FetchSession::Allowance(const Slot& slot) const {
  if (credit_ <= 0 || !CanSend()) return 0;
  std::size_t bytes = std::min(slot.bytes_max, static_cast<std::size_t>(credit_));
  const std::size_t answer_bytes = answer_bytes_max();
  const std::size_t held_bytes = answer_.held_bytes();
  if (is_stream_ && handler_.lean() && held_bytes >= answer_bytes) return 0;
  if (is_stream_ && held_bytes < answer_bytes) bytes = std::min(bytes, answer_bytes - held_bytes);
  return bytes;
}

// The oldest in the queue; nullptr if it is not there any more.
FetchSession::Slot* FetchSession::Next(RingQueue<PartitionId>& queue) {
  ++handler_.visits_;
  const auto found = slots_.find(queue.pop_front());
  if (found == slots_.end() || !std::exchange(found->second->queued, false)) return nullptr;
  return found->second->state == State::kReady ? found->second.get() : nullptr;
}

void FetchSession::Visit(Slot& slot) {
  const ReplicaSnapshot snapshot = slot.bound.replica->snapshot();
  switch (snapshot.phase) {
    case ReplicaPhase::kDeleted:
      return Fail(slot, snapshot, Error(Reason::kUnknownTopicOrPartition, "the partition was deleted"));
    case ReplicaPhase::kOffline:
      return Fail(slot, snapshot, slot.bound.replica->offline_why());
    case ReplicaPhase::kUnopened:
      return StartOpening(slot);
    case ReplicaPhase::kClosed:
    case ReplicaPhase::kOpen:
      return CheckAndSend(slot, snapshot);
  }
}

void FetchSession::CheckAndSend(Slot& slot, const ReplicaSnapshot& snapshot) {
  // A leader that resigned because its disk failed still serves what lies below its high watermark.
  if (slot.current_leader_epoch.has_value() && *slot.current_leader_epoch != snapshot.leader_epoch) {
    const bool older = *slot.current_leader_epoch < snapshot.leader_epoch;
    return Fail(slot, snapshot, Error(older ? Reason::kFencedLeaderEpoch : Reason::kUnknownLeaderEpoch,
                                      "leader epoch " + ToString(*slot.current_leader_epoch) + "; the partition is in " + ToString(snapshot.leader_epoch)));
  }
  if (slot.next < snapshot.log_start || slot.next > snapshot.log_end) {
    return Fail(slot, snapshot, Error(Reason::kOffsetOutOfRange, "offset " + ToString(slot.next) + " is outside [" + ToString(snapshot.log_start) + ", " +
                                                                     ToString(snapshot.log_end) + "]"));
  }
  if (slot.last_fetched_epoch.has_value()) return StartOpening(slot);
  if (slot.next >= snapshot.high_watermark || handler_.ring_.EndOf(slot.bound.replica->id) == slot.next) {
    // There is nothing, or it is in a publication that has not come through the outbox yet.
    if (!slot.announced) ResultFor(slot, snapshot);
    return Park(slot);
  }
  if (Allowance(slot) == 0) {
    if (!slot.announced) ResultFor(slot, snapshot);
    return Requeue(slot);
  }
  if (slot.as_records || !SendFromRing(slot, snapshot)) return StartRead(slot, snapshot);
  slot.next < snapshot.high_watermark ? Requeue(slot) : Park(slot);
}

bool FetchSession::SendFromRing(Slot& slot, const ReplicaSnapshot& snapshot) {
  const auto send = [&](const PublishedBatch& batch) {
    FetchPiece piece{batch.value, kSideHeaderBytes};
    const std::size_t bytes = piece.view().size();
    if (EndsAnswer(bytes)) return false;
    Send(slot, snapshot, std::move(piece));
    CountSent(slot, batch.end, bytes);
    slot.next = batch.end;
    return true;
  };
  const bool found = handler_.ring_.Find(slot.bound.replica->id, slot.next, snapshot.high_watermark, Allowance(slot), send);
  if (found) handler_.measures_.ring_hits.Add();
  return found;
}

void FetchSession::Send(Slot& slot, const ReplicaSnapshot& snapshot, FetchPiece piece) {
  const std::size_t bytes = piece.view().size();
  ResultFor(slot, snapshot).pieces.push_back(std::move(piece));
  answer_.payload_bytes += bytes;
  CountHeld();
  credit_ -= static_cast<std::int64_t>(bytes);
}

// `next`: where the position goes by what was sent.
void FetchSession::CountSent(Slot& slot, Offset next, std::size_t bytes) {
  const auto records = static_cast<std::uint64_t>(next - slot.next);
  handler_.measures_.records.Add(records);
  handler_.measures_.bytes.Add(bytes);
  slot.bound.replica->measures.fetched_records.Add(records);
  slot.bound.replica->measures.fetched_bytes.Add(bytes);
}

bool FetchSession::EndsAnswer(std::size_t bytes) {
  if (is_stream_ || answer_.payload_bytes == 0 || static_cast<std::int64_t>(bytes) <= credit_) return false;
  credit_ = 0;
  return true;
}

void FetchSession::Park(Slot& slot) {
  slot.state = State::kWaiting;
  if (!slot.waiting()) handler_.waits_.Park(slot.bound.replica->id, slot);
}

void FetchSession::NeedReader(Slot& slot) {
  slot.queued = true;
  behind_.push_back(slot.bound.replica->id);
  Shorten(behind_);
}

// It was the first in line. `catchup_bytes`: of the read for which it waits, if that is what it waits for.
void FetchSession::Starve(Slot& slot, std::size_t catchup_bytes) {
  slot.queued = true;
  behind_.push_front(slot.bound.replica->id);
  turn_ = Turn::kStarved;
  if (held_bytes_ > 0 || !handler_.catchup_timer_.armed()) return;
  held_bytes_ = catchup_bytes;
  handler_.measures_.catchup_waiting_bytes.Add(static_cast<std::int64_t>(catchup_bytes));
}

void FetchSession::StartRead(Slot& slot, const ReplicaSnapshot& snapshot) {
  if (turn_ != Turn::kReaders) return NeedReader(slot);
  // A read brings at least one batch, so it counts as one and may as well ask for that much.
  const std::size_t least = std::max(kReadBytesMin, slot.bound.topic->config.batch.batch_bytes_max);
  const std::size_t share = std::max(least, handler_.options_.session_read_bytes_max / (behind_.size() + 1));
  std::size_t bytes_max = std::min(Allowance(slot), share);
  // What the ring holds and a reader only has to decode is not behind.
  const auto look = [](const PublishedBatch&) { return false; };
  const bool behind = !slot.as_records || !handler_.ring_.Find(slot.bound.replica->id, slot.next, snapshot.high_watermark, 1, look);
  bool limited = false;
  if (!handler_.MayRead(behind, &limited)) return Starve(slot, bytes_max);
  if (limited) bytes_max = std::min(bytes_max, kLimitedReadBytesMax);
  const std::size_t cost = std::max(bytes_max, least);
  const std::size_t limited_cost = limited ? std::max(bytes_max, kReadBytesMin) : 0;
  if (limited) {
    handler_.catchup_.Take(limited_cost, handler_.clock_.Monotonic());
    turn_ = Turn::kOthersFirst;
  }
  auto* read = new Read;
  read->partition = slot.bound.replica;
  read->range = ReadRange{slot.next, snapshot.high_watermark, bytes_max};
  read->cost = cost;
  read->limited_cost = limited_cost;
  read->as_records = slot.as_records;
  read->outbox = &handler_.outbox_;
  read->session = shared_from_this();
  read->generation = slot.generation;
  read->asked_at = handler_.clock_.Monotonic();
  handler_.measures_.ring_misses.Add();
  slot.state = State::kReading;
  slot.read = read;
  credit_ -= static_cast<std::int64_t>(bytes_max);
  reading_bytes_ += bytes_max;
  reading_cost_ += cost;
  handler_.reading_bytes_ += cost;
  ++jobs_;
  ++handler_.jobs_outstanding_;
  handler_.readers_.Submit(read);
}

void FetchSession::OnRead(Read& read) {
  credit_ += static_cast<std::int64_t>(read.range.bytes_max);
  reading_bytes_ -= read.range.bytes_max;
  reading_cost_ -= read.cost;
  handler_.reading_bytes_ -= read.cost;
  if (read.limited_cost > 0) handler_.catchup_.Correct(read.limited_cost, read.log_bytes, handler_.clock_.Monotonic());
  --jobs_;
  --handler_.jobs_outstanding_;
  if (read.unread) {
    handler_.measures_.reads_dropped.Add();
  } else {
    handler_.measures_.read.Record(handler_.clock_.Monotonic() - read.asked_at);
  }
  if (listener_ == nullptr) return;
  MakeRunnable();
  Slot* slot = Find(read.generation, read.partition->id);
  if (slot == nullptr || slot->state != State::kReading) return;
  slot->read = nullptr;
  const ReplicaSnapshot snapshot = read.partition->snapshot();
  if (snapshot.phase == ReplicaPhase::kDeleted) return Ready(*slot);  // whatever was read, and whatever went wrong with it
  if (slot->next < snapshot.log_start) {
    // Retention or a deletion of records was faster: what looks like data loss is none.
    return Fail(*slot, snapshot, Error(Reason::kOffsetOutOfRange, "offset " + ToString(slot->next) + " is below the log start, which moved to " +
                                                                      ToString(snapshot.log_start)));
  }
  if (!read.status.ok()) {
    handler_.WarnOfDamage(read.partition->id, Annotate(read.status, NameOf(slot->bound)));
    return Fail(*slot, snapshot, read.status);
  }
  // Whoever is being read for hears no news: what came meanwhile is seen here.
  if (read.bytes.empty() && read.next <= slot->next) return snapshot.high_watermark > read.range.end ? Ready(*slot) : Park(*slot);
  if (EndsAnswer(read.bytes.size())) return Ready(*slot);
  if (!read.bytes.empty()) CountSent(*slot, read.next, read.bytes.size());
  if (read.cleaned) {
    std::optional<CleanedRange>& cleaned = ResultFor(*slot, snapshot).cleaned;
    if (!cleaned.has_value()) cleaned = CleanedRange{slot->next, read.next};
    cleaned->to = read.next;
  }
  slot->next = read.next;
  if (!read.bytes.empty()) Send(*slot, snapshot, FetchPiece{std::move(read.bytes), 0});
  Ready(*slot);
}

void FetchSession::StartOpening(Slot& slot) {
  if (handler_.openings_ >= handler_.options_.openings_max) return Starve(slot, 0);
  auto* opening = new Opening;
  opening->session = shared_from_this();
  opening->partition = slot.bound.replica->id;
  opening->generation = slot.generation;
  opening->epoch = slot.last_fetched_epoch;
  slot.state = State::kReading;
  ++jobs_;
  ++handler_.openings_;
  ++handler_.jobs_outstanding_;
  const ReplicaHandlePtr replica = slot.bound.replica;
  const auto open = [opening, replica](ShardTurn& turn) -> Status {
    CORDWOOD_ASSIGN_OR_RETURN(const PartitionLog* log, turn.Open(replica));
    if (opening->epoch.has_value()) opening->end = log->epochs().EndOf(*opening->epoch, log->log_end());
    return absl::OkStatus();
  };
  Outbox* outbox = &handler_.outbox_;
  replica->driver.Look(open, [opening, outbox](Status status) {
    opening->status = std::move(status);
    outbox->Push(opening);
  });
}

void FetchSession::OnOpened(const Opening& opening) {
  --jobs_;
  --handler_.openings_;
  --handler_.jobs_outstanding_;
  if (listener_ == nullptr) return;
  MakeRunnable();
  Slot* slot = Find(opening.generation, opening.partition);
  if (slot == nullptr || slot->state != State::kReading) return;
  const ReplicaSnapshot snapshot = slot->bound.replica->snapshot();
  if (!opening.status.ok()) return Fail(*slot, snapshot, opening.status);
  slot->last_fetched_epoch.reset();
  // An epoch below the first one known says nothing about a record at the log start: the one before it is gone.
  const bool unknown = opening.end.epoch == kNoLeaderEpoch && slot->next <= snapshot.log_start;
  if (opening.epoch.has_value() && !unknown && (opening.end.epoch != *opening.epoch || opening.end.end < slot->next)) {
    ResultFor(*slot, snapshot).diverging = EpochDivergence{opening.end.epoch, opening.end.end};
    slot->state = State::kPaused;
    answer_now_ = true;
    return;
  }
  Ready(*slot);
}

void FetchSession::Fail(Slot& slot, const ReplicaSnapshot& snapshot, Status status) {
  slot.Leave();
  slot.state = State::kPaused;
  answer_now_ = true;
  handler_.measures_.errors.Count(ReasonOf(status));
  EntryFailure& failure = ResultFor(slot, snapshot).failure.emplace();
  failure.status = Annotate(status, NameOf(slot.bound));
  failure.log_start = snapshot.log_start;
  failure.log_end = snapshot.log_end;
}

}  // namespace cordwood::broker
