// SPDX-License-Identifier: Apache-2.0
// A request is pending until the last of its appends is back; its outcome may come earlier, by timeout.
#include "broker/handlers/produce_handler.h"

#include <algorithm>
#include <utility>

#include "broker/metadata/internal_topics.h"
#include "broker/replication/shard_driver.h"
#include "storage/base/check.h"
#include "storage/log/side_header.h"
#include "storage/record/record_check.h"

namespace cordwood::broker {
namespace {

constexpr std::int32_t kTimeoutDefaultMs = 30'000;
constexpr std::int32_t kTimeoutMaxMs = 300'000;
constexpr std::int64_t kRetryAfterMs = 100;
constexpr std::size_t kSparesMax = 256;         // requests, and appends, kept to be used again
constexpr std::size_t kSpareEntriesMax = 256;   // appends of more entries are freed: a spare one holds at most 64 KB
constexpr std::size_t kSpareOffsetsMax = 2048;  // the same for requests: 48 KB
constexpr std::size_t kSpareFailuresMax = 16;   // and for what is refused: 2 KB
constexpr std::size_t kFailureBytes = 384;      // of an EntryFailure with its status, besides the text

StatusOr<Acks> AcksOf(std::int32_t acks) {
  switch (acks) {
    case 0:
    case 3:
      return Acks::kAll;
    case 1:
      return Acks::kNone;
    case 2:
      return Acks::kLeader;
    default:
      return Error(Reason::kInvalidRequiredAcks, "acks " + std::to_string(acks) + " is none of ACKS_NONE, ACKS_LEADER, ACKS_ALL");
  }
}

bool IsAboutOffsets(Reason reason) { return reason == Reason::kOffsetOutOfRange || reason == Reason::kExpectedOffsetMismatch; }

bool IsWorthRetrying(Reason reason) { return reason == Reason::kLeaderNotAvailable || reason == Reason::kThrottled; }

}  // namespace

void ProduceRequest::Clear() {
  seq = 0;
  acks = timeout_ms = 0;
  entries.clear();
  if (entries.capacity() > kSpareOffsetsMax) entries.shrink_to_fit();
  charge = ByteCharge();
}

void ProduceOutcome::Clear() {
  if (base_offsets.capacity() > kSpareOffsetsMax || failures.capacity() > kSpareFailuresMax) *this = ProduceOutcome();
  base_offsets.clear();
  failures.clear();
  append_time_ms.clear();
  partitions.clear();
}

std::size_t ProduceOutcome::held_bytes() const {
  std::size_t bytes = (base_offsets.size() + append_time_ms.size()) * sizeof(std::int64_t) + partitions.size() * sizeof(std::int32_t);
  for (const EntryFailure& failure : failures) bytes += kFailureBytes + failure.status.message().size();
  return bytes;
}

// One request, from its arrival until the last of its appends is back; then it is used for another.
struct ProduceHandler::Pending {
  explicit Pending(ProduceHandler& handler) : timer([this, &handler] { handler.OnTimeout(*this); }) {}

  struct Entry {
    std::size_t first_offset = 0;  // in outcome.base_offsets
    bool settled = false;
  };
  std::shared_ptr<ProduceStream> stream;
  Acks acks = Acks::kAll;
  std::int32_t timeout_ms = kTimeoutDefaultMs;
  ByteCharge charge;
  std::vector<Entry> entries;
  std::vector<ShardAppend*> appends;  // with their shards, or about to be
  ProduceOutcome outcome;
  bool answered = false;
  absl::Duration began;               // monotonic
  Timer timer;
};

struct ProduceHandler::ShardAppend final : AppendOp {
  void Run() override { handler->OnBack(*this); }
  ProduceHandler* handler = nullptr;
  ShardDriver* driver = nullptr;
  Pending* pending = nullptr;
};

ProduceHandler::ProduceHandler(Outbox& outbox, TimerWheel& timers, const PartitionTable& table, const ProduceOptions& options, Clock& clock)
    : outbox_(outbox), timers_(timers), table_(table), options_(options), clock_(clock), spare_pendings_(kSparesMax), spare_appends_(kSparesMax) {}

ProduceHandler::~ProduceHandler() { CORDWOOD_CHECK(appends_outstanding_ == 0); }

Status ProduceHandler::Produce(const std::shared_ptr<ProduceStream>& stream, ProduceRequest&& request) {
  measures_.requests.Add();
  if (request.entries.empty()) return Error(Reason::kInvalidRequest, "a produce request without entries");
  if (request.entries.size() > kProduceEntriesMax) {
    return Error(Reason::kRecordListTooLarge, std::to_string(request.entries.size()) + " entries; a request may hold 10000");
  }
  if (request.timeout_ms < 0 || request.timeout_ms > kTimeoutMaxMs) {
    return Error(Reason::kInvalidRequest, "timeout_ms " + std::to_string(request.timeout_ms) + " is outside 0 to 300000");
  }
  CORDWOOD_ASSIGN_OR_RETURN(const Acks acks, AcksOf(request.acks));
  if (image_ == nullptr) return Error(Reason::kLeaderNotAvailable, "the broker is starting");

  Pending& pending = TakePending(stream);
  pending.acks = acks;
  pending.began = clock_.Monotonic();
  pending.timeout_ms = request.timeout_ms != 0 ? request.timeout_ms : kTimeoutDefaultMs;
  pending.charge = std::move(request.charge);
  pending.outcome.seq = request.seq;
  pending.outcome.window_bytes = pending.charge.bytes();
  pending.entries.resize(request.entries.size());
  ++stream->unanswered;
  for (std::uint32_t i = 0; i < request.entries.size(); ++i) {
    pending.entries[i].first_offset = pending.outcome.base_offsets.size();
    pending.outcome.base_offsets.resize(pending.outcome.base_offsets.size() + std::max<std::size_t>(1, request.entries[i].values.size()), -1);
    Admit(pending, i, request.entries[i]);
  }
  appends_outstanding_ += pending.appends.size();
  measures_.appends.Set(static_cast<std::int64_t>(appends_outstanding_));
  if (pending.appends.empty()) {
    Answer(pending, clock_.Monotonic());
    Recycle(pending);
    return absl::OkStatus();
  }
  const absl::Duration now = clock_.Monotonic();
  timers_.Arm(pending.timer, std::min(now + absl::Milliseconds(pending.timeout_ms), stream->deadline));
  // None is back before the outbox is drained next.
  for (ShardAppend* append : pending.appends) {
    append->pushed_at = now;
    append->driver->Append(append);
  }
  return absl::OkStatus();
}

ProduceHandler::Pending& ProduceHandler::TakePending(const std::shared_ptr<ProduceStream>& stream) {
  std::unique_ptr<Pending> pending = spare_pendings_.Take();
  if (pending == nullptr) pending = std::make_unique<Pending>(*this);
  pending->stream = stream;
  return *pending.release();
}

ProduceHandler::ShardAppend& ProduceHandler::TakeAppend(Pending& pending, ShardDriver& driver) {
  std::unique_ptr<ShardAppend> append = spare_appends_.Take();
  if (append == nullptr) append = std::make_unique<ShardAppend>();
  append->outbox = &outbox_;
  append->acks = pending.acks;
  append->handler = this;
  append->driver = &driver;
  append->pending = &pending;
  return *append.release();
}

void ProduceHandler::Recycle(Pending& pending) {
  std::unique_ptr<Pending> spare(&pending);
  if (pending.entries.capacity() > kSpareOffsetsMax || pending.outcome.base_offsets.capacity() > kSpareOffsetsMax) return;
  spare->stream.reset();
  spare->charge = ByteCharge();
  spare->entries.clear();
  spare->outcome.Clear();
  spare->answered = false;
  spare_pendings_.Give(std::move(spare));
}

void ProduceHandler::Recycle(ShardAppend& append) {
  std::unique_ptr<ShardAppend> spare(&append);
  if (append.entries.capacity() > kSpareEntriesMax) return;
  spare->entries.clear();
  spare->Renew();
  spare_appends_.Give(std::move(spare));
}

// Refuses the entry, or puts it into the append of its shard.
void ProduceHandler::Admit(Pending& pending, std::uint32_t index, ProduceEntry& entry) {
  BoundPartition bound;
  Status status = Place(pending, index, entry, &bound);
  if (!status.ok()) return Fail(pending, index, std::move(status), nullptr, bound.topic == nullptr ? nullptr : &bound);
  ShardDriver& driver = bound.replica->driver;
  const auto found = std::find_if(pending.appends.begin(), pending.appends.end(), [&](const ShardAppend* append) { return append->driver == &driver; });
  ShardAppend& append = found != pending.appends.end() ? **found : *pending.appends.emplace_back(&TakeAppend(pending, driver));
  AppendEntry& to = append.entries.emplace_back();
  to.partition = std::move(bound.replica);
  to.topic = std::move(bound.topic);
  to.values = std::move(entry.values);
  to.current_leader_epoch = entry.current_leader_epoch;
  to.expected_offset = entry.expected_offset;
  to.entry_index = index;
}

Status ProduceHandler::Place(Pending& pending, std::uint32_t index, ProduceEntry& entry, BoundPartition* bound) {
  CORDWOOD_RETURN_IF_ERROR(entry.malformed);
  if (entry.values.empty()) return Error(Reason::kInvalidRequest, "an entry with neither batches nor records");
  if (options_.disk_level() == DiskLevel::kRefuseProduce) {
    return Error(Reason::kDiskFull, "the disk is nearly full: this broker takes no records until there is space");
  }
  bool chosen = false;
  auto choose = [&](const TopicImage& topic) -> StatusOr<PartitionIndex> {
    if (!entry.plain) return Error(Reason::kInvalidRequest, "batches need a partition");
    if (entry.mixed_keys) return Error(Reason::kInvalidRequest, "records without a partition share one key or have none");
    chosen = true;
    if (entry.key.has_value()) return PartitionOfKey(*entry.key, topic.partition_count);
    return PartitionIndex(static_cast<std::int32_t>(round_robin_++ % static_cast<std::uint32_t>(topic.partition_count)));
  };
  CORDWOOD_ASSIGN_OR_RETURN(*bound, pending.stream->bindings.Resolve(entry.ref, *image_, table_, choose));
  CORDWOOD_RETURN_IF_ERROR(CheckNotInternal(bound->topic->name));
  if (chosen) {
    std::vector<std::int32_t>& partitions = pending.outcome.partitions;
    partitions.resize(pending.entries.size(), -1);
    partitions[index] = bound->index.value();
  }
  if (bound->topic->config.batch.log_append_time) pending.outcome.append_time_ms.resize(pending.entries.size(), -1);
  Status status = CheckBatches(*bound, entry, clock_.WallMs());
  return status.ok() ? status : Annotate(status, bound->topic->name + "-" + ToString(bound->index));
}

Status ProduceHandler::CheckBatches(const BoundPartition& bound, const ProduceEntry& entry, std::int64_t wall_ms) {
  const ReplicaSnapshot snapshot = bound.replica->snapshot();
  if (snapshot.phase == ReplicaPhase::kDeleted) return Error(Reason::kUnknownTopicOrPartition, "the partition was deleted");
  const std::int64_t reference_ms = std::max(wall_ms, snapshot.last_append_ms);
  for (const SharedBytes& value : entry.values) {
    CORDWOOD_ASSIGN_OR_RETURN(const RecordBatchView batch, RecordBatchView::Parse(BatchOf(value.view())));
    CORDWOOD_RETURN_IF_ERROR(CheckAppend(batch, bound.topic->config.batch, reference_ms));
    if (!entry.plain) CORDWOOD_RETURN_IF_ERROR(CheckRecords(batch, bound.topic->config.batch, reference_ms));
    if (bound.topic->config.compacts()) CORDWOOD_RETURN_IF_ERROR(CheckKeys(batch));
  }
  return absl::OkStatus();
}

void ProduceHandler::Fail(Pending& pending, std::uint32_t index, Status status, const AppendEntry* appended, const BoundPartition* bound) {
  pending.entries[index].settled = true;
  const Reason reason = ReasonOf(status);
  measures_.errors.Count(reason);
  EntryFailure failure;
  failure.entry = index;
  failure.status = std::move(status);
  if (IsWorthRetrying(reason)) failure.retry_after_ms = kRetryAfterMs;
  if (appended != nullptr && IsAboutOffsets(reason)) {
    failure.log_start = appended->log_start;
    failure.log_end = appended->log_end;
  }
  if (reason == Reason::kNotLeaderOrFollower) {
    if (appended != nullptr) failure.leader = LeaderOf(*image_, *appended->topic, appended->partition->index);
    if (appended == nullptr && bound != nullptr) failure.leader = LeaderOf(*image_, *bound->topic, bound->index);
  }
  pending.outcome.failures.push_back(std::move(failure));
}

void ProduceHandler::OnBack(ShardAppend& append) {
  Pending& pending = *append.pending;
  --appends_outstanding_;
  std::erase(pending.appends, &append);
  measures_.appends.Set(static_cast<std::int64_t>(appends_outstanding_));
  const absl::Duration now = clock_.Monotonic();
  measures_.answer.Record(now - append.answered_at);
  if (!pending.answered) {
    Collect(append);
    if (pending.appends.empty()) Answer(pending, now);
  }
  Recycle(append);
  if (pending.appends.empty()) Recycle(pending);  // if it timed out, its bytes go back to the budget only now
}

// What became of the entries, into the outcome.
void ProduceHandler::Collect(ShardAppend& append) {
  Pending& pending = *append.pending;
  for (AppendEntry& entry : append.entries) {
    if (!entry.status.ok()) {
      Fail(pending, entry.entry_index, std::move(entry.status), &entry, nullptr);
      continue;
    }
    Pending::Entry& place = pending.entries[entry.entry_index];
    place.settled = true;
    for (std::size_t i = 0; i < entry.base_offsets.size(); ++i) {
      pending.outcome.base_offsets[place.first_offset + i] = entry.base_offsets[i].value();
    }
    if (entry.topic->config.batch.log_append_time) pending.outcome.append_time_ms[entry.entry_index] = entry.append_ms;
  }
}

void ProduceHandler::OnTimeout(Pending& pending) {
  for (ShardAppend* append : pending.appends) {
    if (append->Claim()) GiveUp(pending, *append);
  }
  const bool by_call = pending.stream->deadline < pending.began + absl::Milliseconds(pending.timeout_ms);
  const std::string when = by_call ? "before the call's deadline" : "within " + std::to_string(pending.timeout_ms) + " ms";
  for (std::uint32_t i = 0; i < pending.entries.size(); ++i) {
    if (pending.entries[i].settled) continue;
    Fail(pending, i, Error(Reason::kRequestTimedOut, "not acknowledged " + when + "; it may still be"), nullptr, nullptr);
  }
  Answer(pending, clock_.Monotonic());
}

// Nobody waits for it any more: under overload the disk's time goes to those who do.
void ProduceHandler::GiveUp(Pending& pending, ShardAppend& append) {
  for (const AppendEntry& entry : append.entries) {
    Fail(pending, entry.entry_index, Error(Reason::kThrottled, "the broker had not begun with it when its time was up: nothing was appended"), nullptr, nullptr);
  }
}

void ProduceHandler::Answer(Pending& pending, absl::Duration now) {
  pending.answered = true;
  measures_.whole.Record(now - pending.began);
  pending.timer.Cancel();
  ProduceStream& stream = *pending.stream;
  --stream.unanswered;
  if (stream.listener == nullptr) return;
  ProduceOutcome& outcome = pending.outcome;
  std::sort(outcome.failures.begin(), outcome.failures.end(), [](const EntryFailure& a, const EntryFailure& b) { return a.entry < b.entry; });
  outcome.silent = pending.acks == Acks::kNone && outcome.failures.empty();
  stream.listener->OnOutcome(outcome);
}

}  // namespace cordwood::broker
