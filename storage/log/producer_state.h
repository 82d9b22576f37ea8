// SPDX-License-Identifier: Apache-2.0
// What one partition remembers of its idempotent producers: a pure value, derived from the log's content alone. Source: KIP-98.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/inlined_vector.h"
#include "storage/base/ids.h"
#include "storage/base/reason.h"
#include "storage/record/record_batch.h"

namespace cordwood {

struct ProducerLimits {
  int producers_max = 100'000;                      // per partition; a new one above it is LIMIT_EXCEEDED
  std::int64_t expiration_ms = 7LL * 24 * 3600 * 1000;  // producer.id.expiration.ms, by append time
};

struct AppendVerdict {
  bool duplicate = false;
  Offset base_offset;     // of the original batch; only where duplicate; -1 if the original is in the same entry, not yet in the log
  int duplicate_of = -1;  // then: which batch of the entry is the original
};

// A producer expires when the partition's last append time has passed its own by more than expiration_ms: the log's clock, not the
// wall's, so that every replica and every replay agrees. An expired producer is forgotten at once. Not thread-safe.
//
// Bounds: producers_max producers, 5 batches each, about 150 bytes per producer. A follower takes what its leader took, and one entry
// may pass the bound by the expired producers that come back in it.
class ProducerState {
 public:
  explicit ProducerState(ProducerLimits limits = {}) : limits_(limits) {}

  // May these batches, which follow each other in one entry, be appended in this order? One verdict per batch, or the first refusal, and
  // then none may be appended:
  //   unknown id with a sequence other than 0   UNKNOWN_PRODUCER_ID
  //   unknown id where there are producers_max  LIMIT_EXCEEDED
  //   epoch below the known one, or below 0     INVALID_PRODUCER_EPOCH
  //   new epoch that does not start at 0        OUT_OF_ORDER_SEQUENCE_NUMBER
  //   one of the last 5 batches                 duplicate, with its original base offset
  //   older than those                          DUPLICATE_SEQUENCE_NUMBER
  //   anything but the next sequence            OUT_OF_ORDER_SEQUENCE_NUMBER
  // "Older" is a batch that ends at or before the last sequence, both its ends within half the ring of 2^31 sequences behind it.
  // `append_ms` is the append time that the batches would get. Only producers_max looks at it: whoever would have expired by then does
  // not count, so that a partition that stood still for long takes new producers again.
  using Verdicts = absl::InlinedVector<AppendVerdict, 4>;
  StatusOr<Verdicts> Check(std::span<const RecordBatchView> batches, std::int64_t append_ms = -1) const;

  // The batch, stamped with its offsets, is now in the log: each batch once, in log order. Batches of no producer move the log's clock,
  // too. Never refuses.
  void Apply(const RecordBatchView& batch, std::int64_t append_ms);

  // Forgets what was appended at or above `log_end`, which is below the log end. Producers whose every remembered batch goes are
  // forgotten. It never remembers a batch that is gone, but may forget more than a rebuild from an older snapshot would: batches that
  // had left the window of 5, producers that had expired by the time of a batch that goes. The producers' append times stay, and the
  // log's clock falls back to the latest of them.
  void TruncateTo(Offset log_end);

  int size() const { return static_cast<int>(producers_.size()); }
  // FF 13: snapshot of everything before `end` (the log end), in order of id: equal states give equal bytes.
  // {end i64, log_append_ms i64, n u32, n x {id i64, epoch i16, last append i64, k u8, k x {first i32, last i32, base offset i64}}}
  std::string Encode(Offset end) const;
  // STORAGE_ERROR if `value` is no such snapshot; `*end` is then unchanged.
  static StatusOr<ProducerState> Decode(std::string_view value, ProducerLimits limits, Offset* end);
  Status Invariants() const;

 private:
  struct BatchRange {
    Sequence first;
    Sequence last;  // inclusive
    Offset base_offset;
  };
  struct Producer {
    ProducerEpoch epoch;
    std::int64_t last_append_ms = -1;
    absl::InlinedVector<BatchRange, 5> batches;  // oldest first, 1 to 5
  };
  // Every producer has one, with a time at or before its last append: a heap, earliest first, that Apply() need not touch.
  struct ExpiryCheck {
    std::int64_t not_after_ms;
    ProducerId id;
  };
  static bool IsLater(const ExpiryCheck& a, const ExpiryCheck& b) { return a.not_after_ms > b.not_after_ms; }

  static StatusOr<AppendVerdict> CheckKnown(const Producer& known, const RecordBatchView& batch);
  Status CheckNew(const RecordBatchView& batch, int new_in_entry, std::int64_t append_ms) const;
  static void ApplyTo(Producer& producer, const RecordBatchView& batch, Offset base_offset, std::int64_t append_ms);
  bool ExpiredAt(std::int64_t clock_ms, std::int64_t last_append_ms) const;
  bool HasRoomFor(int new_producers, std::int64_t append_ms) const;
  void Insert(ProducerId id, Producer producer);
  void ForgetExpired();
  void RebuildExpiryChecks();

  ProducerLimits limits_;
  std::int64_t log_append_ms_ = -1;  // of the last batch applied, idempotent or not
  absl::flat_hash_map<ProducerId, Producer> producers_;
  std::vector<ExpiryCheck> expiry_checks_;
};

}  // namespace cordwood
