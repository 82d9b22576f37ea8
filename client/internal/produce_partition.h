// SPDX-License-Identifier: Apache-2.0
// The batches of one partition between producer and broker: order, sequences, retries. Pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <optional>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "storage/base/ids.h"
#include "storage/base/reason.h"
#include "storage/base/shared_bytes.h"
#include "storage/record/record_batch_builder.h"

namespace cordwood::client {

struct RecordAck {
  PartitionIndex partition;
  Offset offset{-1};  // -1: the broker did not say (acks=none, or a very old duplicate)
};

// Runs exactly once, on the client's loop, never under a lock. It must not block on the same producer.
using AckCallback = std::function<void(const StatusOr<RecordAck>& ack)>;

// acks[i] belongs to record i.
struct ProduceBatch {
  SharedBytes bytes;  // one batch
  std::vector<AckCallback> acks;
  std::size_t memory_bytes = 0;     // counted against the producer's memory until the batch is completed
  absl::Duration created;           // monotonic
  bool sequenced = false;           // `bytes` carries a producer id and a sequence
  bool sent = false;                // at least once, so it may be in the log
  bool maybe_appended = false;      // an attempt ended without a definite answer
  Status refusal;                   // the last one after which it was to be tried again; OK: none

  std::int32_t count() const { return static_cast<std::int32_t>(acks.size()); }
  Sequence base_sequence() const;   // of a sequenced batch
};

// Writes id, epoch and base sequence into the batch and renews the CRC. The bytes are copied if others still hold them.
void StampProducer(ProduceBatch* batch, const ProducerStamp& stamp);
// Back to "not idempotent".
void ClearStamp(ProduceBatch* batch);

// Two batches of the same records in the same order, for one that was too large. At least two records. The halves are not
// sequenced; their callbacks are moved out of `batch`, but only on success. Errors: those of RecordReader.
StatusOr<std::pair<ProduceBatch, ProduceBatch>> SplitBatch(ProduceBatch* batch);

// What became of a batch; the owner runs its callbacks.
struct Completion {
  ProduceBatch batch;
  Status status;            // OK: record i has offset base_offset + i
  Offset base_offset{-1};   // -1: unknown
  std::uint32_t slot = 0;   // ProduceCore's number of the partition
};

// Batches leave in the order of Enqueue() and are completed in that order.
//
//     completed | in flight: sent, not settled | pending: to be sent, the first of them perhaps for the second time
//
// After the first refusal nothing more is sent until every batch in flight is answered or its stream is gone. Then the log's
// state is known again: what was not appended goes back to the head of `pending`, with the same sequences where they still fit
// (so that the broker finds duplicates), with new ones where a batch before it failed for good, and under a new producer id where the
// broker has lost the old one's state.
// Invariants: in flight <= in_flight_max; sequences in flight and pending have no hole but where a batch failed indefinitely.
// Threading: none of its own.
class ProducePartition {
 public:
  static constexpr absl::Duration kBackoffMax = absl::Seconds(1);

  // Without idempotence one batch is in flight at a time, or a retry would change the order.
  explicit ProducePartition(bool idempotent, std::size_t in_flight_max) : idempotent_(idempotent), in_flight_max_(idempotent ? in_flight_max : 1) {}

  void Enqueue(ProduceBatch batch) { pending_.push_back(std::move(batch)); }
  bool CanSend(absl::Duration now) const;
  bool needs_identity() const { return idempotent_ && identity_.id == kNoProducerId; }
  void SetIdentity(ProducerId id, ProducerEpoch epoch);
  const ProducerStamp& identity() const { return identity_; }  // base_sequence: of the next batch that has none

  // The next batch, stamped and now in flight; `serial` names it in answers. CanSend() must hold.
  struct Sent {
    std::uint64_t serial = 0;
    SharedBytes bytes;
  };
  Sent Send();
  const ProduceBatch& next() const { return pending_.front(); }
  // One batch per entry: an entry is refused as a whole, and only so is it known which batch was at fault.
  bool alone() const { return alone_left_ > 0; }

  void Accepted(std::uint64_t serial, Offset base_offset);
  // `shared`: the entry held other batches too.
  void Refused(std::uint64_t serial, const Status& status, bool shared);

  // The stream is gone: what is in flight will not be answered.
  void Abandon();

  // Moves what is decided to `completions`, in order. True when the partition wants a new producer id. A refused batch may be tried again
  // `backoff` after `now`; after each further refusal in a row it waits twice as long, up to kBackoffMax, or what the broker advised.
  bool Settle(absl::Duration now, absl::Duration backoff, std::vector<Completion>* completions);
  // Completes pending batches created at or before `created_max`, in order, with the last refusal; with REQUEST_TIMED_OUT where there was
  // none, or where it was definite but an earlier attempt may have been appended.
  void Expire(absl::Duration created_max, std::vector<Completion>* completions);
  // As new: only when idle().
  void Forget();
  // Completes everything with `status`; without one each batch as if its time had come, by whether it was sent.
  void FailAll(const std::optional<Status>& status, std::vector<Completion>* completions);

  absl::Duration retry_at() const { return retry_at_; }
  bool idle() const { return pending_.empty() && in_flight_.empty(); }
  std::size_t held() const { return in_flight_.size() + pending_.size(); }  // batches not completed
  bool has_pending() const { return !pending_.empty(); }
  std::size_t in_flight() const { return in_flight_.size(); }
  bool Invariants() const;

 private:
  enum class Fate { kWaiting, kAccepted, kRefused, kAbandoned };
  struct InFlight {
    ProduceBatch batch;
    Fate fate = Fate::kWaiting;
    Offset base_offset{-1};
    Status refusal;
    bool shared = false;
  };
  struct Settlement;

  InFlight* Find(std::uint64_t serial);
  bool Decided() const;
  void SettleRefused(InFlight& sent, Settlement* settlement);

  const bool idempotent_;
  const std::size_t in_flight_max_;
  ProducerStamp identity_{kNoProducerId, ProducerEpoch{-1}, Sequence{0}};
  std::deque<ProduceBatch> pending_;
  std::deque<InFlight> in_flight_;
  std::uint64_t first_serial_ = 0;  // of in_flight_.front()
  bool draining_ = false;           // a batch in flight was refused or abandoned
  std::size_t alone_left_ = 0;      // batches still to be sent in an entry of their own
  int refusals_ = 0;                // settled in a row, and nothing accepted since
  absl::Duration retry_at_ = -absl::InfiniteDuration();
};

}  // namespace cordwood::client
