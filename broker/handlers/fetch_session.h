// SPDX-License-Identifier: Apache-2.0
// One fetch call: its partitions, its credit, and the answer that is being filled.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>

#include "absl/container/flat_hash_map.h"
#include "broker/handlers/fetch_handler.h"
#include "broker/handlers/fetch_request.h"
#include "broker/handlers/fetch_waits.h"
#include "broker/handlers/partition_binding.h"
#include "broker/handlers/reader_pool.h"
#include "broker/handlers/timer_wheel.h"
#include "storage/base/clock.h"
#include "storage/base/reuse/ring_queue.h"

namespace cordwood::broker {

inline constexpr std::int64_t kFetchCreditMax = std::int64_t{1} << 30;

// A partition is ready (something may be there to send), waits for news, is being read, or paused. Ready ones take turns. Those that need a reader stand in
// a line of their own, so that they neither delay what is served from memory nor are looked at again and again while there is no reader to be had.
//
// A unary call is a session with one request, whose max_bytes are its credit, and one answer.
// Threading: of the handler's thread.
class FetchSession final : public std::enable_shared_from_this<FetchSession>, private UnreadCall {
 public:
  FetchSession(FetchHandler& handler, bool is_stream, FetchListener* listener);
  ~FetchSession() override;

  // What the answer says goes for partitions; an error refuses the request as a whole, and stops the session: INVALID_REQUEST, LIMIT_EXCEEDED. A unary
  // session takes one.
  Status Apply(const FetchRequest& request);
  void OnWritten();                  // a stream's listener is done with the oldest answer that it holds
  void AnswerNow();                  // unary: no more waiting
  void Stop();                       // the call is to end: nothing more is answered. What the listener holds counts until Close()
  void Close();                      // the call has ended, or is about to

  // What may still be sent, with what the readers are fetching of it.
  std::int64_t credit() const { return credit_ + static_cast<std::int64_t>(reading_bytes_); }
  // There is no credit, and the listener has all that was sent for it.
  bool spent() const { return credit() <= 0 && answer_.results.empty(); }
  std::size_t queued() const { return ready_.size() + behind_.size(); }  // for a turn, with some that were removed meanwhile

 private:
  friend class FetchHandler;
  enum class State { kReady, kWaiting, kReading, kPaused };
  struct Slot;
  struct Read;
  struct Opening;
  class DeletedSlots;
  static constexpr std::size_t kNoResult = SIZE_MAX;
  static constexpr std::size_t kQueueSlack = 64;

  // fetch_session.cc: requests, turns, answers.
  Status Take(const FetchRequest& request);
  Status ApplyPartition(const FetchRequest& request, const FetchPartition& partition, DeletedSlots& deleted);
  void Set(Slot& slot, const FetchRequest& request, const FetchPartition& partition);
  void EndFetchOf(PartitionId id, std::uint32_t handle);
  Status PauseOrRemove(const FetchPartition& partition, const StatusOr<BoundPartition>& bound, DeletedSlots& deleted);
  void Run();
  void VisitReady();
  void VisitBehind();
  bool CanRead() const;
  void EndStarving();
  void Ready(Slot& slot);    // from outside Run(), which decides itself whether to come back
  void Requeue(Slot& slot);
  void Shorten(RingQueue<PartitionId>& queue);
  void MakeRunnable();
  void Flush();
  void CountSent(Slot& slot, Offset next, std::size_t bytes);
  bool UnaryIsDone() const;
  bool CanSend() const;
  std::size_t answer_bytes_max() const;
  FetchResult& ResultFor(Slot& slot, const ReplicaSnapshot& snapshot);
  void Announced(Slot& slot);
  Status RefuseUnresolved(const FetchPartition& partition, Status status);
  FetchResult& AddResult(std::size_t more_bytes);
  void CountHeld();
  void EndUnread() override;

  // fetch_reads.cc: one partition's look at its log.
  Slot* Next(RingQueue<PartitionId>& queue);
  void Visit(Slot& slot);
  void CheckAndSend(Slot& slot, const ReplicaSnapshot& snapshot);
  bool SendFromRing(Slot& slot, const ReplicaSnapshot& snapshot);
  void NeedReader(Slot& slot);
  void Starve(Slot& slot, std::size_t catchup_bytes);
  void StartRead(Slot& slot, const ReplicaSnapshot& snapshot);
  void StartOpening(Slot& slot);
  void OnRead(Read& read);
  void OnOpened(const Opening& opening);
  void Park(Slot& slot);
  void Fail(Slot& slot, const ReplicaSnapshot& snapshot, Status status);
  void Send(Slot& slot, const ReplicaSnapshot& snapshot, FetchPiece piece);
  // Unary: what does not fit any more ends the answer, unless it is the first.
  bool EndsAnswer(std::size_t bytes);
  std::size_t Allowance(const Slot& slot) const;
  Slot* Find(std::uint64_t generation, PartitionId partition);

  FetchHandler& handler_;
  const bool is_stream_;
  FetchListener* const ear_;  // until Close()
  FetchListener* listener_;   // the same, nullptr once stopped
  PartitionBindings bindings_;
  absl::flat_hash_map<PartitionId, std::unique_ptr<Slot>> slots_;
  // Each slot once in one of these two. Removed ones linger: each holds at most twice the slots, and kQueueSlack.
  RingQueue<PartitionId> ready_;
  RingQueue<PartitionId> behind_;  // ready, and need a reader
  std::uint64_t generation_ = 0;   // of the last Set(); a job of an older one is dropped when it comes back
  std::int64_t credit_ = 0;        // bytes; the last batch may take it below zero
  std::size_t reading_bytes_ = 0;  // asked of the readers, taken from the credit
  std::size_t reading_cost_ = 0;   // the same, each read at what it may bring
  std::size_t jobs_ = 0;           // with readers and shards
  RingQueue<std::size_t> unwritten_;  // held by the answers that the listener holds, oldest first
  std::size_t unannounced_ = 0;    // slots
  bool runnable_ = false;
  enum class Turn { kMemory, kReaders, kOthersFirst, kStarved };
  Turn turn_ = Turn::kMemory;      // what may be begun in this turn; the last two: no more reads
  bool starving_ = false;          // in the handler's starved_
  std::size_t held_bytes_ = 0;     // of the read that the catch-up limit keeps waiting
  FetchAnswer answer_;
  std::size_t counted_ = 0;        // bytes of answer_ in handler_.unwritten_bytes_
  std::size_t refused_bytes_ = 0;  // of answer_: partitions that were refused
  absl::Duration began_ = absl::InfiniteDuration();  // the work on answer_, monotonic; infinite while there is nothing to do
  std::uint64_t answer_serial_ = 1;

  // Unary.
  bool applied_ = false;
  bool answered_ = false;
  bool answer_now_ = false;  // time is up, or some partition failed
  std::size_t min_bytes_ = 0;
  Timer deadline_;
};

struct FetchSession::Slot final : FetchWaiter {
  explicit Slot(FetchSession& session) : session(session) {}
  ~Slot() override { DropRead(); }
  void OnNews() override { session.Ready(*this); }

  // What is being read for it is of no use any more.
  void DropRead() {
    if (read != nullptr) read->unwanted.store(true, std::memory_order_relaxed);
    read = nullptr;
  }

  FetchSession& session;
  BoundPartition bound;
  std::shared_ptr<const PartitionRef> ref;
  Offset next;  // inclusive
  std::optional<LeaderEpoch> current_leader_epoch;
  std::optional<LeaderEpoch> last_fetched_epoch;  // until it was checked
  std::size_t bytes_max = 0;
  std::uint32_t position = 0;
  std::uint64_t generation = 0;
  State state = State::kReady;
  bool queued = false;      // in ready_ or behind_
  ReadJob* read = nullptr;  // until it is back
  bool announced = true;    // false: the next answer says how the partition stands, data or not
  bool as_records = false;
  std::uint64_t result_serial = 0;  // of the answer that holds its result
  std::size_t result = kNoResult;   // where in that answer
};

}  // namespace cordwood::broker
