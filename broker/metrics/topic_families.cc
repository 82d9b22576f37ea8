// SPDX-License-Identifier: Apache-2.0
// A scrape takes the table's lock once a topic, for as long as it takes to copy the topic's handles.
#include "broker/metrics/topic_families.h"

#include <algorithm>
#include <utility>

namespace cordwood::broker {

TopicFamilies::Totals TopicFamilies::TotalsOf(const TopicImage& topic) const {
  Totals totals;
  for (const ReplicaHandlePtr& partition : table_.FindAll(topic.id)) {
    if (partition == nullptr) continue;
    const PartitionMeasures& measures = partition->measures;
    totals.produced_records += measures.produced_records.value();
    totals.produced_bytes += measures.produced_bytes.value();
    totals.fetched_records += measures.fetched_records.value();
    totals.fetched_bytes += measures.fetched_bytes.value();
    ++totals.partitions;
    totals.log_bytes += partition->snapshot().size_bytes;
    totals.producers += measures.producers.value();
    totals.producers_most = std::max(totals.producers_most, measures.producers.value());
  }
  return totals;
}

bool TopicFamilies::HasOwnSeries(const TopicId& topic) {
  if (own_.contains(topic)) return true;
  if (own_.size() >= series_max_) return false;
  counted_.erase(topic);
  own_.insert(topic);
  return true;
}

// A topic that is being deleted has fewer partitions than before while the image still shows it.
void TopicFamilies::GrowOthers(const TopicId& topic, const Traffic& now) {
  Traffic& before = counted_[topic];
  for (const auto member : {&Traffic::produced_records, &Traffic::produced_bytes, &Traffic::fetched_records, &Traffic::fetched_bytes}) {
    const std::uint64_t most = std::max(before.*member, now.*member);
    others_.*member += most - std::exchange(before.*member, most);
  }
}

void TopicFamilies::ForgetDeleted(const ClusterImage& image) {
  absl::erase_if(own_, [&](const TopicId& topic) { return image.FindTopic(topic) == nullptr; });
  absl::erase_if(counted_, [&](const auto& topic) { return image.FindTopic(topic.first) == nullptr; });
}

struct TopicFamilies::Series {
  explicit Series(Families& families)
      : produced_records(families.Counter("cordwood_topic_produce_records_total", "Records written to the topic's logs")),
        produced_bytes(families.Counter("cordwood_topic_produce_bytes_total", "Bytes of the batches written to the topic's logs")),
        fetched_records(families.Counter("cordwood_topic_fetch_records_total", "Records of the topic sent")),
        fetched_bytes(families.Counter("cordwood_topic_fetch_bytes_total", "Bytes of the topic sent")),
        partitions(families.Gauge("cordwood_topic_partitions", "Partitions of the topic that this broker holds")),
        log_bytes(families.Gauge("cordwood_topic_log_bytes", "Bytes of the batches from log start to log end, over the topic's partitions")) {}

  void Add(const std::string& topic, const Totals& totals) {
    const MetricLabels labels = {{"topic", topic}};
    produced_records.Add(static_cast<double>(totals.produced_records), labels);
    produced_bytes.Add(static_cast<double>(totals.produced_bytes), labels);
    fetched_records.Add(static_cast<double>(totals.fetched_records), labels);
    fetched_bytes.Add(static_cast<double>(totals.fetched_bytes), labels);
    partitions.Add(static_cast<double>(totals.partitions), labels);
    log_bytes.Add(static_cast<double>(totals.log_bytes), labels);
  }

  Families::Family produced_records;
  Families::Family produced_bytes;
  Families::Family fetched_records;
  Families::Family fetched_bytes;
  Families::Family partitions;
  Families::Family log_bytes;
};

void TopicFamilies::AddTo(Families& families, const Limits& limits) {
  const ClusterImagePtr image = image_();
  ForgetDeleted(*image);
  // The oldest first, so that it does not depend on names who has a series of its own.
  std::vector<ClusterImage::TopicPtr> topics = image->topics();
  std::stable_sort(topics.begin(), topics.end(), [](const auto& a, const auto& b) { return a->created_ms < b->created_ms; });
  Series series(families);
  Totals others;
  std::int64_t producers = 0;
  std::int64_t producers_most = 0;
  for (const ClusterImage::TopicPtr& topic : topics) {
    const Totals totals = TotalsOf(*topic);
    producers += totals.producers;
    producers_most = std::max(producers_most, totals.producers_most);
    if (HasOwnSeries(topic->id)) {
      series.Add(topic->name, totals);
      continue;
    }
    GrowOthers(topic->id, totals);
    others.partitions += totals.partitions;
    others.log_bytes += totals.log_bytes;
  }
  if (topics.size() > own_.size()) {
    static_cast<Traffic&>(others) = others_;
    series.Add(kOtherTopics, others);
  }
  families.Gauge("cordwood_topics", "Topics of the cluster").Add(static_cast<double>(topics.size()));
  families.Gauge("cordwood_partitions", "Partitions whose logs this broker holds, those of unknown topics included").Add(static_cast<double>(table_.size()));
  families.Gauge("cordwood_producers", "Idempotent producers remembered, as of each partition's last write since the start").Add(static_cast<double>(producers));
  families.AddLimit("topics", static_cast<std::int64_t>(topics.size()), limits.topics, "topics.max");
  families.AddLimit("partitions", static_cast<std::int64_t>(table_.size()), limits.partitions, "partitions.max");
  families.AddLimit("producers_per_partition", producers_most, limits.producers, "producers.max");
}

}  // namespace cordwood::broker
