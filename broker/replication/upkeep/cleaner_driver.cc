// SPDX-License-Identifier: Apache-2.0
// Which log is cleaned, in which steps, how fast, and what is told of it.
#include "broker/replication/upkeep/cleaner_driver.h"

#include <algorithm>
#include <string>
#include <utility>
#include <vector>

#include "broker/replication/shard_turn.h"
#include "storage/base/thread_name.h"
#include "storage/shard/compaction/log_cleaner.h"

namespace cordwood::broker {
namespace {

constexpr absl::Duration kRetryAfter = absl::Minutes(1);    // of a log that cannot be cleaned
constexpr absl::Duration kPaceSlack = absl::Milliseconds(20);  // shorter debts are not slept off

// The youngest append time that may be cleaned.
std::int64_t YoungestMs(const CompactionLimits& limits, std::int64_t now_ms) {
  return limits.min_lag_ms == 0 ? INT64_MAX : now_ms > limits.min_lag_ms ? now_ms - limits.min_lag_ms : -1;
}

}  // namespace

CleaningFacts CleaningFactsOf(const ReplicaSnapshot& snapshot) {
  CleaningFacts facts;
  facts.log_start = snapshot.log_start;
  facts.total_bytes = snapshot.total_bytes;
  facts.size_bytes = snapshot.size_bytes;
  return facts;
}

CleanerDriver::CleanerDriver(const PartitionTable& table, std::function<ClusterImagePtr()> image, const CleanerOptions& options, Clock& clock)
    : table_(table), image_(std::move(image)), options_(options), clock_(clock) {}

CleanerDriver::~CleanerDriver() { Stop(); }

void CleanerDriver::Start() {
  thread_ = std::thread([this] { Run(); });
}

void CleanerDriver::Stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    stopped_.SignalAll();
  }
  if (thread_.joinable()) thread_.join();
}

bool CleanerDriver::WaitUnlessStopped(absl::Duration at_most) {
  MutexLock lock(mu_);
  if (!stopping_) stopped_.WaitFor(mu_, absl::ToChronoNanoseconds(at_most));
  return !stopping_;
}

void CleanerDriver::Run() {
  SetThreadName("cleaner");
  absl::Duration rest = absl::ZeroDuration();
  while (WaitUnlessStopped(rest)) rest = CleanOne() ? absl::ZeroDuration() : options_.backoff;
}

bool CleanerDriver::CleanOne() {
  if (options_.disk_level() == DiskLevel::kRefuseProduce) return false;  // what it writes takes room before what it takes away gives any back
  const std::optional<Due> due = FindMostUrgent();
  if (!due.has_value()) return false;
  const Status outcome = Clean(*due);
  if (ReasonOf(outcome) == Reason::kShuttingDown || due->partition->snapshot().phase == ReplicaPhase::kDeleted) return true;
  if (!outcome.ok()) {
    measures_.failures.Add();
    not_before_[due->partition->id] = clock_.Monotonic() + kRetryAfter;
    options_.warn("cannot clean " + due->topic->name + "-" + ToString(due->partition->index) + ": " + MessageOf(outcome));
  }
  return true;
}

std::optional<CleanerDriver::Due> CleanerDriver::FindMostUrgent() {
  const ClusterImagePtr image = image_();
  const absl::Duration now = clock_.Monotonic();
  absl::erase_if(not_before_, [&](const auto& entry) { return entry.second <= now; });
  Findings findings;
  for (const auto& topic : image->topics()) {
    if (!topic->config.compacts()) continue;
    for (const ReplicaHandlePtr& partition : table_.FindAll(topic->id)) {
      if (partition != nullptr) Look(topic, partition, findings);
    }
  }
  measures_.partitions.Set(findings.partitions);
  measures_.dirty_bytes.Set(static_cast<std::int64_t>(findings.dirty_bytes));
  measures_.dirtiest_permille.Set(static_cast<std::int64_t>(findings.dirtiest * 1000));
  return findings.most_urgent;
}

void CleanerDriver::Look(const std::shared_ptr<const TopicImage>& topic, const ReplicaHandlePtr& partition, Findings& findings) {
  ReplicaSnapshot snapshot = partition->snapshot();
  if (snapshot.phase == ReplicaPhase::kUnopened) {  // its ends are not known before it is opened
    (void)partition->driver.LookAndWait([&](ShardTurn& turn) { return turn.Open(partition).status(); });
    snapshot = partition->snapshot();
  }
  if (snapshot.phase != ReplicaPhase::kOpen && snapshot.phase != ReplicaPhase::kClosed) return;
  const ShardStore& store = partition->driver.store();
  StatusOr<CleaningState> state = ReadCleaningState(store, partition->id);
  if (!state.ok()) return options_.warn("cannot clean " + topic->name + "-" + ToString(partition->index) + ": " + MessageOf(state.status()));
  const CompactionLimits& limits = topic->config.compaction;
  const std::int64_t now_ms = clock_.WallMs();
  CleaningFacts facts = CleaningFactsOf(snapshot);
  const Offset dirty_from = std::max(state->clean_end, snapshot.log_start);
  if (limits.max_lag_ms != INT64_MAX) facts.first_dirty_append_ms = FirstAppendMs(store, partition->id, dirty_from, snapshot.high_watermark).value_or(-1);
  ++findings.partitions;
  findings.dirty_bytes += DirtyBytes(*state, facts);
  findings.dirtiest = std::max(findings.dirtiest, DirtyRatio(*state, facts));
  if (not_before_.contains(partition->id) || store.poisoned()) return;
  const std::int64_t youngest_ms = YoungestMs(limits, now_ms);
  if (snapshot.last_append_ms > youngest_ms) {  // what is too young does not count
    const auto old_bytes = BytesUpTo(store, partition->id, youngest_ms);
    facts.total_bytes = std::min(facts.total_bytes, old_bytes.value_or(0));
    facts.size_bytes -= std::min(facts.size_bytes, snapshot.total_bytes - facts.total_bytes);
  }
  const std::optional<double> urgency = CleaningUrgency(*state, facts, limits, now_ms);
  if (!urgency.has_value() || (findings.most_urgent.has_value() && findings.most_urgent->urgency >= *urgency)) return;
  findings.most_urgent = Due{partition, topic, *std::move(state), *urgency};
}

// Each chunk is one write: the batches as they shall be, and how far offsets may be missing. The last one says that the log is clean. A crash between two of
// them leaves a log with fewer records that others replace, and a state that says that it is still dirty.
Status CleanerDriver::Clean(const Due& due) {
  const absl::Duration began = clock_.Monotonic();
  const std::int64_t now_ms = clock_.WallMs();
  const CompactionLimits& limits = due.topic->config.compaction;
  ShardDriver& shard = due.partition->driver;
  Offset end;
  CORDWOOD_RETURN_IF_ERROR(shard.RunAndWait([&](ShardTurn& turn) -> Status {
    CORDWOOD_ASSIGN_OR_RETURN(end, turn.StageCleaningStart(due.partition));
    return absl::OkStatus();
  }));
  const ReplicaSnapshot snapshot = due.partition->snapshot();
  CleaningState state = due.state;
  CleaningPlan plan;
  plan.partition = due.partition->id;
  plan.log_start = snapshot.log_start;
  plan.clean_end = std::max(state.clean_end, snapshot.log_start);
  plan.end = std::min(end, snapshot.high_watermark);
  plan.gaps_end = state.gaps_end;
  plan.youngest_append_ms = YoungestMs(limits, now_ms);
  plan.tombstones_from = state.TombstonesFrom(now_ms, limits.delete_retention_ms);
  plan.map_bytes = options_.dedupe_buffer_bytes;
  LogCleaner cleaner(shard.store(), plan, [this](std::size_t bytes) {
    measures_.read_bytes.Add(bytes);
    return Pace(bytes);
  });
  CORDWOOD_RETURN_IF_ERROR(cleaner.ReadKeys());
  while (!cleaner.done()) {
    CORDWOOD_ASSIGN_OR_RETURN(const std::vector<CleanedValue> values, cleaner.NextChunk(options_.chunk_bytes, &state));
    if (values.empty()) continue;
    CORDWOOD_RETURN_IF_ERROR(shard.RunAndWait([&](ShardTurn& turn) { return turn.StageCleaned(due.partition, values, state, 0); }));
    std::size_t written = 0;
    for (const CleanedValue& value : values) written += value.value.size();
    measures_.written_bytes.Add(written);
    if (!Pace(written)) return Error(Reason::kShuttingDown, "cleaning was stopped");
  }

  const CleaningTotals& totals = cleaner.totals();
  CORDWOOD_RETURN_IF_ERROR(cleaner.Conclude(&state, snapshot.total_bytes - snapshot.size_bytes, now_ms, limits.delete_retention_ms));
  const absl::Duration ended = clock_.Monotonic();
  state.last_run = CleaningRun{clock_.WallMs(), absl::ToInt64Milliseconds(ended - began), totals.read_bytes, totals.removed_bytes, totals.removed_records};
  CORDWOOD_RETURN_IF_ERROR(shard.RunAndWait([&](ShardTurn& turn) { return turn.StageCleaned(due.partition, {}, state, totals.removed_bytes); }));
  // What is left is too much for one map, and goes on at once; else there is time.
  if (cleaner.covered_end() == plan.end || cleaner.covered_end() == plan.clean_end) not_before_[plan.partition] = ended + options_.backoff;
  measures_.runs.Add();
  measures_.removed_bytes.Add(totals.removed_bytes);
  measures_.removed_records.Add(totals.removed_records);
  return absl::OkStatus();
}

// Sleeps off what was read or written too fast. False: stop.
bool CleanerDriver::Pace(std::size_t bytes) {
  if (options_.bytes_per_second <= 0) {
    MutexLock lock(mu_);
    return !stopping_;
  }
  const absl::Duration now = clock_.Monotonic();
  free_at_ = std::max(free_at_, now) + absl::Seconds(static_cast<double>(bytes) / static_cast<double>(options_.bytes_per_second));
  if (free_at_ - now > kPaceSlack) return WaitUnlessStopped(free_at_ - now);
  MutexLock lock(mu_);
  return !stopping_;
}

}  // namespace cordwood::broker
