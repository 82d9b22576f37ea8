// SPDX-License-Identifier: Apache-2.0
// Retention checks, compactions and the disk ladder.
#include "broker/replication/retention_driver.h"

#include <algorithm>
#include <chrono>
#include <optional>
#include <utility>

#include "broker/replication/shard_turn.h"
#include "storage/base/thread_name.h"
#include "storage/shard/retention.h"
#include "storage/shard/shard_store.h"

namespace cordwood::broker {
namespace {

constexpr absl::Duration kCheckEvery = absl::Seconds(1);
// With less than this left, a second of appends could run past the last step of the ladder: then every writer looks for himself, too.
constexpr std::uint64_t kTightBytes = 4ULL << 30;
constexpr absl::Duration kCheckTightEvery = absl::Milliseconds(50);
constexpr std::uint64_t kUncounted = 1;  // owed: by a run before the last start
constexpr std::size_t kChunkMax = 256;  // partitions per task, so that appends come in between

bool HasLimits(const RetentionLimits& limits) { return limits.retention_ms >= 0 || limits.retention_bytes >= 0; }

bool OlderThan(std::int64_t append_ms, const RetentionLimits& limits, std::int64_t now_ms) {
  return limits.retention_ms >= 0 && append_ms <= now_ms && now_ms - append_ms > limits.retention_ms;
}

bool MayBeDue(const ReplicaSnapshot& snapshot, const RetentionLimits& limits, std::int64_t now_ms) {
  if (snapshot.log_start >= snapshot.high_watermark) return false;
  const bool too_large = limits.retention_bytes >= 0 && snapshot.size_bytes > static_cast<std::uint64_t>(limits.retention_bytes);
  return too_large || OlderThan(snapshot.first_append_ms, limits, now_ms);  // an unknown time, -1, is old
}

// Runs `task` for each chunk of `items` on the shard of its partitions, and goes on whatever comes of it.
template <class Item, class HandleOf, class Task>
void ForEachShard(const ShardList& shards, const std::vector<Item>& items, HandleOf handle_of, Task task) {
  for (ShardDriver* shard : shards.All()) {
    std::vector<const Item*> here;
    for (const Item& item : items) {
      if (&handle_of(item)->driver == shard) here.push_back(&item);
    }
    for (std::size_t at = 0; at < here.size(); at += kChunkMax) {
      const std::size_t end = std::min(at + kChunkMax, here.size());
      (void)shard->RunAndWait([&](ShardTurn& turn) {
        for (std::size_t i = at; i < end; ++i) (void)task(turn, *here[i]);  // one that cannot be moved is looked at again next time
        return absl::OkStatus();
      });
    }
  }
}

}  // namespace

RetentionDriver::RetentionDriver(ShardList shards, const PartitionTable& table, std::function<ClusterImagePtr()> image,
                                 const RetentionOptions& options, Clock& clock)
    : shards_(std::move(shards)), table_(table), image_(std::move(image)), options_(options), clock_(clock) {}

RetentionDriver::~RetentionDriver() { Stop(); }

void RetentionDriver::Start() {
  CheckDisk();
  check_thread_ = std::thread([this] { RunChecks(); });
  reclaim_thread_ = std::thread([this] { RunReclaims(); });
}

void RetentionDriver::Stop() {
  {
    MutexLock lock(mu_);
    stopping_ = true;
    stopped_.SignalAll();
  }
  for (ShardDriver* shard : shards_.All()) shard->store_for_reclaim().CancelReclaims();
  if (check_thread_.joinable()) check_thread_.join();
  if (reclaim_thread_.joinable()) reclaim_thread_.join();
}

bool RetentionDriver::WaitUnlessStopped(absl::Duration at_most) {
  MutexLock lock(mu_);
  if (!stopping_) stopped_.WaitFor(mu_, absl::ToChronoNanoseconds(at_most));
  return !stopping_;
}

void RetentionDriver::RunChecks() {
  SetThreadName("retention");
  while (WaitUnlessStopped(free_bytes_.load(std::memory_order_relaxed) < kTightBytes ? kCheckTightEvery : kCheckEvery)) {
    CheckDisk();
    CheckRetention();
  }
}

void RetentionDriver::RunReclaims() {
  SetThreadName("reclaim");
  while (WaitUnlessStopped(kCheckEvery)) Reclaim();
}

void RetentionDriver::CheckDisk() {
  const StatusOr<DiskSpace> space = ReadDiskSpace(options_.data_dir);
  if (!space.ok()) return;  // the level stays what it was
  free_bytes_.store(space->free_bytes, std::memory_order_relaxed);
  total_bytes_.store(space->total_bytes, std::memory_order_relaxed);
  const DiskLadder ladder = Ladder();
  // A step is left again only with two write buffers to spare: so much comes and goes while a flush copies a log into tables.
  const std::uint64_t spare = std::min(space->free_bytes, ladder.floor_bytes / 2);
  const DiskLevel before = disk_level();
  const DiskLevel now = ladder.LevelOf(space->free_bytes, space->total_bytes);
  const DiskLevel next = now >= before ? now : std::min(before, ladder.LevelOf(space->free_bytes - spare, space->total_bytes));
  disk_level_.store(next, std::memory_order_relaxed);
}

DiskLadder RetentionDriver::Ladder() const {
  DiskLadder ladder = options_.ladder;
  ladder.floor_bytes *= shards_.All().size();
  return ladder;
}

DiskLevel RetentionDriver::LookAtDisk() {
  if (free_bytes_.load(std::memory_order_relaxed) < kTightBytes) CheckDisk();
  return disk_level();
}

Status RetentionDriver::CheckGrowth() const {
  if (disk_level() < DiskLevel::kRefusePartitions) return absl::OkStatus();
  const std::uint64_t threshold = Ladder().ThresholdOf(options_.ladder.refuse_partitions, total_bytes_.load(std::memory_order_relaxed));
  return Error(Reason::kDiskFull, options_.data_dir + ": only " + std::to_string(free_bytes_.load(std::memory_order_relaxed)) +
                                      " bytes are free, below the " + std::to_string(threshold) +
                                      " that disk.refuse.partitions.percent and .bytes and four write buffers keep from new partitions; "
                                      "delete topics or shorten retention");
}

bool RetentionDriver::IsDue(const TopicImage& topic, absl::Duration now) {
  if (!topic.config.deletes() || !HasLimits(topic.config.retention)) return false;
  Schedule& schedule = schedule_[topic.id];
  if (schedule.revision == topic.revision && now < schedule.next) return false;
  schedule = Schedule{topic.revision, now + RetentionCheckInterval(topic.config.retention)};
  return true;
}

void RetentionDriver::CheckRetention() {
  CutLogs();  // DeleteRecords moves log starts at any time
  const ClusterImagePtr image = image_();
  const absl::Duration now = clock_.Monotonic();
  if (image->revision() == scheduled_revision_ && now < next_due_) return;
  if (image->revision() != scheduled_revision_) {
    absl::erase_if(schedule_, [&](const auto& entry) { return image->FindTopic(entry.first) == nullptr; });
    if (marked_.size() > 2 * table_.size()) marked_.clear();  // deleted ones; to mark the others once more changes nothing
  }
  for (const auto& topic : image->topics()) {
    if (IsDue(*topic, now)) CheckTopic(*topic, clock_.WallMs());
  }
  CutLogs();
  scheduled_revision_ = image->revision();
  next_due_ = absl::InfiniteDuration();
  for (const auto& [id, schedule] : schedule_) next_due_ = std::min(next_due_, schedule.next);
}

void RetentionDriver::CheckTopic(const TopicImage& topic, std::int64_t now_ms) {
  const RetentionLimits& limits = topic.config.retention;
  const std::vector<ReplicaHandlePtr> partitions = table_.FindAll(topic.id);
  std::vector<ReplicaHandlePtr> grown;
  for (const ReplicaHandlePtr& partition : partitions) {
    if (partition == nullptr) continue;
    const ReplicaSnapshot snapshot = partition->snapshot();
    const bool open = snapshot.phase == ReplicaPhase::kOpen;
    const auto marked = marked_.find(partition->id);
    if (open && snapshot.log_end == (marked == marked_.end() ? Offset(0) : marked->second)) continue;
    // A closed log has had its mark; one left open by a crash is opened when its time may have come.
    if (open || (snapshot.phase == ReplicaPhase::kUnopened && OlderThan(snapshot.first_append_ms, limits, now_ms))) grown.push_back(partition);
  }
  MarkGrowth(grown);

  std::vector<LogStartMove> moves;
  for (const ReplicaHandlePtr& partition : partitions) {
    if (partition == nullptr) continue;
    const ReplicaSnapshot snapshot = partition->snapshot();
    const bool known = snapshot.phase == ReplicaPhase::kOpen || snapshot.phase == ReplicaPhase::kClosed;
    if (!known || !MayBeDue(snapshot, limits, now_ms)) continue;
    const RetentionQuery query{partition->id, snapshot.log_start, snapshot.high_watermark, snapshot.total_bytes, limits};
    const auto point = FindRetentionPoint(partition->driver.store(), query, now_ms);
    if (point.ok() && point->has_value() && (*point)->offset > snapshot.log_start) moves.push_back({partition, (*point)->offset});
  }
  MoveLogStarts(moves);
}

void RetentionDriver::MarkGrowth(const std::vector<ReplicaHandlePtr>& partitions) {
  ForEachShard(shards_, partitions, [](const ReplicaHandlePtr& p) -> const ReplicaHandlePtr& { return p; },
               [this](ShardTurn& turn, const ReplicaHandlePtr& partition) -> Status {
                 CORDWOOD_RETURN_IF_ERROR(turn.StageRetentionMark(partition));
                 CORDWOOD_ASSIGN_OR_RETURN(const PartitionLog* log, turn.Open(partition));
                 marked_[partition->id] = log->log_end();  // the checking thread waits; afterwards it may be beyond the mark
                 return absl::OkStatus();
               });
}

void RetentionDriver::MoveLogStarts(const std::vector<LogStartMove>& moves) {
  ForEachShard(shards_, moves, [](const LogStartMove& m) -> const ReplicaHandlePtr& { return m.partition; },
               [](ShardTurn& turn, const LogStartMove& move) { return turn.StageLogStart(move.partition, move.start); });
}

void RetentionDriver::CutLogs() {
  for (ShardDriver* shard : shards_.All()) {
    int cut = 0;
    do {
      cut = 0;
      (void)shard->RunAndWait([&](ShardTurn& turn) {
        cut = turn.StageDrops(kChunkMax);
        return absl::OkStatus();
      });
    } while (cut == static_cast<int>(kChunkMax));
  }
}

void RetentionDriver::Reclaim() {
  const bool disk_fills = disk_level() != DiskLevel::kNormal;
  for (ShardDriver* shard : shards_.All()) {
    ShardStore& store = shard->store_for_reclaim();
    std::uint64_t& owed_bytes = owed_bytes_[shard];
    owed_bytes += shard->TakeReclaimableBytes();
    const bool compact = store.options().kind == ShardKind::kCompact;  // there everything that stays is written anew, so much has to go
    if (disk_fills && !compact && old_debts_.insert(shard).second && store.HasDeletedRanges()) owed_bytes = std::max(owed_bytes, kUncounted);
    if (owed_bytes == 0 || store.poisoned()) continue;
    const std::uint64_t before = store.disk_bytes();
    const auto share = static_cast<std::uint64_t>((compact ? options_.reclaim_share_compact : options_.reclaim_share) * static_cast<double>(before));
    const std::uint64_t worth = std::max(compact ? share : std::min(share, options_.reclaim_bytes), options_.reclaim_bytes_min);
    if (owed_bytes < worth && !(disk_fills && (!compact || owed_bytes >= share / 3))) continue;
    // Blob files go once nothing in them is left; rewriting those that are mostly garbage costs writes, so only where much is pinned.
    const bool force_blobs = !compact && (disk_fills || owed_bytes > before / 2);
    if (!store.Reclaim(compact).ok()) continue;  // still owed
    if (force_blobs) {
      const std::uint64_t after = store.disk_bytes();
      const std::uint64_t freed = before - std::min(before, after);
      if (freed < owed_bytes / 2 || (owed_bytes == kUncounted && store.HasMuchGarbage())) (void)store.Reclaim(true);
    }
    owed_bytes = 0;
  }
}

}  // namespace cordwood::broker
