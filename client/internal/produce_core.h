// SPDX-License-Identifier: Apache-2.0
// Everything a producer decides after its batches are built: what to send, what an answer means. Pure: no clock, no thread, no I/O.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <map>
#include <optional>
#include <set>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "client/internal/produce_partition.h"

namespace cordwood::v1 {
class ProduceResponse;
class Done;
}  // namespace cordwood::v1

namespace cordwood::client {

// On the wire as v1.Acks.
enum class Acks { kNone = 1, kLeader = 2, kAll = 3 };

struct ProduceCoreOptions {
  Acks acks = Acks::kAll;
  bool idempotent = true;                                 // not with Acks::kNone
  absl::Duration delivery_timeout = absl::Seconds(120);   // from a batch's creation to its last attempt
  absl::Duration answer_timeout = absl::Seconds(35);      // a stream that owes an answer for longer is given up
  std::size_t message_bytes_max = 1024 * 1024;            // of batches, unless a single one is larger
  std::size_t message_entries_max = 10'000;               // a broker ends the stream for more
  std::size_t in_flight_batches_max = 5;                  // per partition: as many as a broker remembers
};

// One ProduceRequest: entries by partition, each of whole batches.
struct ProduceMessage {
  struct Entry {
    std::uint32_t slot = 0;
    std::vector<std::uint64_t> serials;
    std::vector<SharedBytes> batches;
    bool named = false;          // topic and partition go with the handle and bind it
  };
  std::uint64_t seq = 0;
  std::vector<Entry> entries;
  std::size_t bytes = 0;         // of batches
  absl::Duration sent_at;
};

// Drive it: feed events; after each, take completions, then as long as the stream takes messages send NextMessage(); look again
// at NextWake().
// Bounds: the owner bounds what it enqueues; at most `window` bytes are unanswered.
// Threading: none of its own.
class ProduceCore {
 public:
  static constexpr std::size_t kFirstWindowBytes = 1024 * 1024;  // until the broker says another

  explicit ProduceCore(const ProduceCoreOptions& options) : options_(options) {}

  // Slots are numbered 0, 1, 2, … in order of calling.
  std::uint32_t AddPartition();
  void Enqueue(std::uint32_t slot, ProduceBatch batch);
  // Nothing more is enqueued for the slot but what was taken before. Its partition may come back under another slot at once: that one begins
  // under a producer id that the broker has never seen from the partition, because a retired slot shares its id with none that comes later.
  void Retire(std::uint32_t slot);
  // A retired slot is for another partition from now on. False, and nothing happens, while it has batches that are not completed.
  bool Release(std::uint32_t slot);

  void StreamOpened();
  void StreamBroken(const Status& why, absl::Duration now, absl::Duration backoff);
  void Written();  // the transport took the last message over
  void Answered(const v1::ProduceResponse& response, absl::Duration now, absl::Duration backoff);
  void ProducerIdArrived(ProducerId id, ProducerEpoch epoch);
  void Tick(absl::Duration now);  // a time NextWake() named has come
  // Completes everything that is left with `status`; without one by what is true of each batch, as REQUEST_TIMED_OUT or the last refusal.
  void FailAll(const std::optional<Status>& status);

  // The next message for an open stream that takes one; nullopt if there is nothing to send or no window. What is too old to be sent is completed.
  std::optional<ProduceMessage> NextMessage(absl::Duration now);
  bool wants_producer_id() const { return wants_id_ && unfinished_ > 0; }  // ask for one, then ProducerIdArrived()
  bool wants_stream() const;                            // something is to be sent
  bool overdue(absl::Duration now) const;               // the stream owes an answer, or to take a message, for too long: break it
  absl::Duration NextWake() const;                      // InfiniteDuration: no time of interest
  std::vector<Completion> TakeCompletions() { return std::exchange(completions_, {}); }
  // Acks::kNone: slots of which the broker said, after their batches were completed, that it knows no such topic or partition.
  std::vector<std::uint32_t> TakeDenied() { return std::exchange(denied_, {}); }

  bool idle() const { return unfinished_ == 0; }
  std::size_t unanswered_bytes() const { return unanswered_bytes_; }
  std::size_t window_bytes() const { return window_bytes_; }
  bool Invariants() const;

 private:
  bool WantsIdentity(std::uint32_t slot) const;
  void MakeReady(std::uint32_t slot);
  void SettleSlot(std::uint32_t slot, absl::Duration now, absl::Duration backoff);
  void ApplyDone(const v1::Done& done, absl::Duration now, absl::Duration backoff);
  void ApplyLateRefusals(const v1::Done& done);
  void Remember(const ProduceMessage& message);
  bool FillEntry(std::uint32_t slot, absl::Duration now, std::size_t room, ProduceMessage* message);
  void Expire(std::uint32_t slot, absl::Duration now);
  void Completed(std::size_t completions_before, std::uint32_t slot);
  bool TransportRefused(const Status& why, absl::Duration now, absl::Duration backoff);

  const ProduceCoreOptions options_;
  std::deque<ProducePartition> partitions_;   // by slot
  std::deque<std::uint32_t> ready_;           // slots that may have something to send, round robin
  std::vector<bool> in_ready_;                // by slot
  std::vector<bool> retired_;                 // by slot
  std::vector<bool> bound_;                   // by slot: this stream was told what the handle means and has refused nothing since
  std::set<std::pair<absl::Duration, std::uint32_t>> retries_;  // slots by when they may send again
  std::map<std::uint64_t, ProduceMessage> sent_;  // unanswered, by seq; batches are not held here
  std::vector<Completion> completions_;
  std::size_t unfinished_ = 0;                // batches not completed

  std::optional<std::pair<ProducerId, ProducerEpoch>> id_;  // for partitions that begin anew
  bool wants_id_ = false;

  bool open_ = false;
  bool writing_ = false;                      // a message is with the transport
  absl::Duration writing_since_;
  std::uint64_t next_seq_ = 1;
  std::size_t window_bytes_ = kFirstWindowBytes;
  std::size_t unanswered_bytes_ = 0;
  std::size_t single_left_ = 0;               // batches to be sent one per message, after the transport refused some message

  // Acks::kNone.
  std::vector<std::pair<std::uint32_t, std::uint64_t>> unacknowledged_;  // with the transport
  std::map<std::uint64_t, std::vector<std::uint32_t>> recent_;  // slots of the entries of the last messages, by seq: only refusals are answered
  std::size_t recent_entries_ = 0;
  std::vector<std::uint32_t> denied_;
};

}  // namespace cordwood::client
