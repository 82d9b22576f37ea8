// SPDX-License-Identifier: Apache-2.0
// What concerns all sessions of a thread; what concerns one is in fetch_session.cc.
#include "broker/handlers/fetch_handler.h"

#include <string>

#include "broker/handlers/fetch_session.h"
#include "storage/base/check.h"

namespace cordwood::broker {
namespace {

constexpr absl::Duration kWarnInterval = absl::Minutes(1);
constexpr std::size_t kWarnedMax = 256;
// Lean answers keep what is unread small, but one batch or one record is the least that can be answered.
constexpr absl::Duration kUnreadPatience = absl::Seconds(1);

}  // namespace

FetchHandler::FetchHandler(Outbox& outbox, TimerWheel& timers, const PartitionTable& table, ReaderPool& readers, const FetchOptions& options,
                           Clock& clock)
    : outbox_(outbox),
      timers_(timers),
      table_(table),
      readers_(readers),
      options_(options),
      clock_(clock),
      ring_(options.ring_bytes),
      unread_(options.unread_bytes_max, kUnreadPatience),
      catchup_(options.catchup_bytes_per_second),
      catchup_timer_([this] { EndHolding(clock_.Monotonic()); }) {
  measures_.catchup_limit.Set(options.catchup_bytes_per_second);
}

FetchHandler::~FetchHandler() { CORDWOOD_CHECK(jobs_outstanding_ == 0); }

// Whatever the news is, those who wait look for themselves.
void FetchHandler::OnPublication(const Publication& publication) {
  std::size_t bytes = 0;
  for (const PartitionUpdate& update : publication.updates) {
    const PartitionId id = update.partition->id;
    for (const PublishedBatch& batch : publication.BatchesOf(update)) {
      ring_.Insert(id, batch);
      bytes += batch.value.size();
    }
    if (update.snapshot.phase == ReplicaPhase::kDeleted) ring_.Forget(id);
    waits_.Wake(id);
  }
  if (bytes == 0 || !catchup_.enabled()) return;
  const absl::Duration now = clock_.Monotonic();
  catchup_.OnProduced(bytes / static_cast<std::size_t>(options_.catchup_threads), now);
  if (catchup_timer_.armed() && catchup_.HasTokens(now)) EndHolding(now);
}

bool FetchHandler::MayRead(bool behind, bool* limited) {
  if (reading_bytes_ >= options_.read_bytes_max) return false;
  *limited = false;
  if (!behind || !catchup_.enabled()) return true;
  if (catchup_timer_.armed()) return false;  // whoever came earlier goes first
  const absl::Duration now = clock_.Monotonic();
  *limited = catchup_.InForce(now);
  if (catchup_.HasTokens(now)) return true;
  held_since_ = now;
  timers_.Arm(catchup_timer_, catchup_.NextAt(now));
  return false;
}

void FetchHandler::EndHolding(absl::Duration now) {
  catchup_timer_.Cancel();
  measures_.catchup_held_micros.Add(static_cast<std::uint64_t>(absl::ToInt64Microseconds(now - held_since_)));
}

std::shared_ptr<FetchSession> FetchHandler::Open(bool is_stream, FetchListener* listener) {
  return std::make_shared<FetchSession>(*this, is_stream, listener);
}

bool FetchHandler::RunTurn() {
  if (reading_bytes_ < options_.read_bytes_max && openings_ < options_.openings_max && !catchup_timer_.armed()) {
    while (!starved_.empty()) starved_.pop_front()->EndStarving();
  }
  visits_ = 0;
  for (int i = 0; i < options_.sessions_per_turn && visits_ < options_.partitions_per_turn && !runnable_.empty(); ++i) {
    runnable_.pop_front()->Run();
  }
  measures_.ended_unread.Add(static_cast<std::uint64_t>(unread_.Shed(unwritten_bytes_, clock_.Monotonic())));
  measures_.reads.Set(static_cast<std::int64_t>(jobs_outstanding_));
  measures_.parked.Set(static_cast<std::int64_t>(waits_.waiters()));
  measures_.unwritten_bytes.Set(static_cast<std::int64_t>(unwritten_bytes_));
  measures_.ring_bytes.Set(static_cast<std::int64_t>(ring_.bytes()));
  return !runnable_.empty();
}

// A consumer that tries again and again must not fill the log.
void FetchHandler::WarnOfDamage(PartitionId partition, const Status& status) {
  const absl::Duration now = clock_.Monotonic();
  const auto found = warned_.find(partition);
  if (found != warned_.end() && now - found->second < kWarnInterval) return;
  if (found == warned_.end() && warned_.size() == kWarnedMax) warned_.clear();
  warned_[partition] = now;
  options_.warn(std::string(ReasonName(ReasonOf(status))) + ": " + MessageOf(status));
}

}  // namespace cordwood::broker
