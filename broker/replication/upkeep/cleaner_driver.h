// SPDX-License-Identifier: Apache-2.0
// The background thread that cleans compacted logs: of each key the last record stays.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string_view>
#include <thread>

#include "absl/container/flat_hash_map.h"
#include "broker/metadata/cluster_image.h"
#include "broker/replication/partition_table.h"
#include "broker/replication/shard_driver.h"
#include "storage/base/clock.h"
#include "storage/base/measures.h"
#include "storage/base/mutex.h"
#include "storage/log/compaction/cleaning_state.h"
#include "storage/shard/disk_ladder.h"

namespace cordwood::broker {

struct CleanerOptions {
  std::size_t dedupe_buffer_bytes = 128 << 20;  // log.cleaner.dedupe.buffer.size: for the keys of a run
  std::int64_t bytes_per_second = 0;            // log.cleaner.io.max.bytes.per.second: read and written; 0: no limit
  absl::Duration backoff = absl::Seconds(15);   // log.cleaner.backoff.ms: after a look that found nothing to do; between two runs over a partition
  std::size_t chunk_bytes = 256 * 1024;         // of batches that one task of a shard writes, about
  std::function<DiskLevel()> disk_level = [] { return DiskLevel::kNormal; };
  std::function<void(std::string_view)> warn = [](std::string_view) {};  // the broker's log
};

// The cleaner's thread writes.
struct CleanerMeasures {
  Counter runs;             // that ended well
  Counter failures;
  Counter read_bytes;       // of batches, both passes
  Counter written_bytes;    // of batches, written anew
  Counter removed_bytes;
  Counter removed_records;
  Gauge partitions;         // these three: as of the last look
  Gauge dirty_bytes;        // of all
  Gauge dirtiest_permille;  // the highest dirty ratio
};

CleaningFacts CleaningFactsOf(const ReplicaSnapshot& snapshot);

// Looks at every compacted partition, cleans the most urgent one, and looks again; rests once none is due. Only plans and reads: the shard's thread writes, in
// small tasks. Reads are by offset, so what readers do meanwhile does not matter.
// Threading: Start and Stop from the owner; measures from any thread; CleanOne from the driver's thread, or from tests that do not start it.
class CleanerDriver {
 public:
  CleanerDriver(const PartitionTable& table, std::function<ClusterImagePtr()> image, const CleanerOptions& options, Clock& clock);
  ~CleanerDriver();  // stops

  void Start();
  void Stop();  // a run under way ends within a batch; what it wrote stays, and the next one begins anew

  // True if a partition was due, whatever came of it.
  bool CleanOne();

  const CleanerMeasures& measures() const { return measures_; }

 private:
  struct Due {
    ReplicaHandlePtr partition;
    std::shared_ptr<const TopicImage> topic;
    CleaningState state;
    double urgency = 0;
  };
  std::optional<Due> FindMostUrgent();
  struct Findings {
    std::optional<Due> most_urgent;
    std::int64_t partitions = 0;
    std::uint64_t dirty_bytes = 0;
    double dirtiest = 0;
  };
  void Look(const std::shared_ptr<const TopicImage>& topic, const ReplicaHandlePtr& partition, Findings& findings);
  Status Clean(const Due& due);
  bool Pace(std::size_t bytes);
  void Run();
  bool WaitUnlessStopped(absl::Duration at_most);

  const PartitionTable& table_;
  const std::function<ClusterImagePtr()> image_;
  const CleanerOptions options_;
  Clock& clock_;
  CleanerMeasures measures_;
  // Of the cleaning thread.
  absl::Duration free_at_;                                        // by the limit of bytes a second
  absl::flat_hash_map<PartitionId, absl::Duration> not_before_;   // of those that had a run lately

  Mutex mu_;
  CondVar stopped_;
  bool stopping_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace cordwood::broker
