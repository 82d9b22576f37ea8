// SPDX-License-Identifier: Apache-2.0
// Fetch, for every door: the newest batches, who waits for more, and whose turn it is.
#pragma once

#include <cstddef>
#include <functional>
#include <map>
#include <memory>
#include <string_view>
#include <utility>

#include "broker/handlers/limits/catchup_limit.h"
#include "broker/handlers/limits/unread_answers.h"
#include "broker/handlers/fetch_request.h"
#include "broker/handlers/fetch_waits.h"
#include "broker/handlers/handler_measures.h"
#include "broker/handlers/tail_ring.h"
#include "broker/handlers/timer_wheel.h"
#include "broker/replication/publication.h"

namespace cordwood {
class Clock;
}

namespace cordwood::broker {

class FetchSession;
class Outbox;
class ReaderPool;

// Whoever takes answers, on the handler's thread.
class FetchListener {
 public:
  virtual ~FetchListener() = default;
  // The answer's memory is used again after this returns.
  virtual void OnAnswer(FetchAnswer& answer) = 0;
  virtual bool CanTake() const = 0;  // false: no more for now; FetchSession::OnWritten() follows
  virtual void OnUnread() = 0;       // the session is closed: its answers went unread for too long, and the call is to end at once
};

struct FetchOptions {
  std::size_t ring_bytes = 64 * 1024 * 1024;
  std::size_t answer_bytes = 1024 * 1024;           // an answer is sent once it holds so much, or there is no more
  // Of reads under way of one call, each at what it may bring: as much as it asks for, or one batch of max.message.bytes. Below it one more may begin.
  std::size_t session_read_bytes_max = 2 * 1024 * 1024;
  std::size_t read_bytes_max = 64 * 1024 * 1024;    // the same, by all calls of the thread
  std::size_t openings_max = 1024;                  // partitions being opened by their shards for calls of the thread
  std::int64_t catchup_bytes_per_second = 0;        // see CatchupLimit; of this thread
  int catchup_threads = 1;                          // that share what is allowed for each byte produced
  // Of answers that clients have not read yet or that are being gathered, by all calls of the thread. Beyond it answers are lean, and a call has one at a time.
  std::size_t unwritten_bytes_max = 64 * 1024 * 1024;
  std::size_t lean_answer_bytes = 64 * 1024;
  std::size_t unread_bytes_max = 256 * 1024 * 1024;  // of the same: beyond it those who do not read are ended; see UnreadAnswers
  int sessions_per_turn = 128;
  std::size_t partitions_per_session_turn = 256;    // looked at, before other sessions have their turn
  std::size_t partitions_per_turn = 1024;           // before the thread looks at its other work
  std::size_t partitions_max = 10'000;              // fetch.partitions.max: of one call
  std::function<void(std::string_view)> warn = [](std::string_view) {};  // the broker's log; of the same partition once a minute
};

// Threading: of one network thread; the publications and the sessions' requests come on it.
class FetchHandler final : public PublicationListener {
 public:
  FetchHandler(Outbox& outbox, TimerWheel& timers, const PartitionTable& table, ReaderPool& readers, const FetchOptions& options, Clock& clock);
  ~FetchHandler() override;  // after every session is closed and every job is back

  void SetImage(ClusterImagePtr image) { image_ = std::move(image); }
  void OnPublication(const Publication& publication) override;

  // One per call. The listener must outlive it or close it.
  std::shared_ptr<FetchSession> Open(bool is_stream, FetchListener* listener);
  // At the end of a turn: whoever has something to send sends it, one session after the other, none for long. True if some have to wait for the next turn.
  bool RunTurn();

  const TailRing& ring() const { return ring_; }
  // Of batches that the ring has let go.
  BytesPool& spare_buffers() { return ring_.spare_buffers(); }
  const FetchWaits& waits() const { return waits_; }
  std::size_t jobs_outstanding() const { return jobs_outstanding_; }
  const FetchMeasures& measures() const { return measures_; }

 private:
  friend class FetchSession;

  // Whether a session may ask the readers for so many bytes. Those who may not wait in starved_; after one that counted (`limited`) others come first.
  bool MayRead(bool behind, bool* limited);
  void EndHolding(absl::Duration now);
  bool lean() const { return unwritten_bytes_ >= options_.unwritten_bytes_max; }
  void WarnOfDamage(PartitionId partition, const Status& status);

  Outbox& outbox_;
  TimerWheel& timers_;
  const PartitionTable& table_;
  ReaderPool& readers_;
  const FetchOptions options_;
  Clock& clock_;
  ClusterImagePtr image_;
  TailRing ring_;
  FetchWaits waits_;
  FetchAnswer outgoing_;            // on its way to a listener; empty, for its memory, at all other times
  RingQueue<std::shared_ptr<FetchSession>> runnable_;  // each once
  RingQueue<std::shared_ptr<FetchSession>> starved_;   // wait until the readers have less to do
  std::size_t visits_ = 0;          // in this turn
  std::size_t openings_ = 0;
  std::size_t reading_bytes_ = 0;   // each read at what it may bring
  std::size_t unwritten_bytes_ = 0;  // of answers that are being gathered, or that listeners hold
  UnreadAnswers unread_;             // of sessions whose listeners hold answers
  std::size_t jobs_outstanding_ = 0;
  CatchupLimit catchup_;
  Timer catchup_timer_;             // armed while the limit holds somebody back
  absl::Duration held_since_;       // while it is armed
  std::map<PartitionId, absl::Duration> warned_;  // when, on the monotonic clock; at most kWarnedMax
  FetchMeasures measures_;
};

}  // namespace cordwood::broker
