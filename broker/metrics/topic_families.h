// SPDX-License-Identifier: Apache-2.0
// A series a topic, for so many topics; the rest together.
#pragma once

#include <cstddef>
#include <functional>
#include <string>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "broker/metadata/cluster_image.h"
#include "broker/metrics/families.h"
#include "broker/replication/partition_table.h"

namespace cordwood::broker {

inline constexpr std::size_t kTopicSeriesMax = 1000;
inline constexpr const char* kOtherTopics = "(other)";  // no topic can be named so

// A topic that once has a series of its own keeps it until it is deleted, and then it is gone at the next scrape. The counters of the others add up what
// each grew by since the last scrape, so that they never fall when one of them is deleted or gets a series of its own.
// Not thread-safe.
class TopicFamilies {
 public:
  TopicFamilies(std::function<ClusterImagePtr()> image, const PartitionTable& table, std::size_t series_max = kTopicSeriesMax)
      : image_(std::move(image)), table_(table), series_max_(series_max) {}

  // With the limits of topics, partitions and producers; 0: none.
  struct Limits {
    std::int64_t topics = 0;
    std::int64_t partitions = 0;
    std::int64_t producers = 0;  // of one partition
  };
  void AddTo(Families& families, const Limits& limits);

 private:
  struct Traffic {
    std::uint64_t produced_records = 0;
    std::uint64_t produced_bytes = 0;
    std::uint64_t fetched_records = 0;
    std::uint64_t fetched_bytes = 0;
  };
  struct Totals : Traffic {
    std::uint64_t partitions = 0;
    std::uint64_t log_bytes = 0;
    std::int64_t producers = 0;
    std::int64_t producers_most = 0;  // in one partition
  };
  struct Series;  // the families by topic
  Totals TotalsOf(const TopicImage& topic) const;
  bool HasOwnSeries(const TopicId& topic);
  void GrowOthers(const TopicId& topic, const Traffic& now);
  void ForgetDeleted(const ClusterImage& image);

  const std::function<ClusterImagePtr()> image_;
  const PartitionTable& table_;
  const std::size_t series_max_;
  absl::flat_hash_set<TopicId> own_;               // at most series_max_
  absl::flat_hash_map<TopicId, Traffic> counted_;  // of the others, at the last scrape
  Traffic others_;
};

}  // namespace cordwood::broker
