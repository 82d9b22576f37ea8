// SPDX-License-Identifier: Apache-2.0
// One scrape: what is measured, as families of Prometheus, and their text. Every name stands in docs/reference/metrics.md.
#pragma once

#include <array>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <string>
#include <string_view>
#include <vector>

#include <prometheus/metric_family.h>

#include "storage/base/measures.h"

namespace cordwood::broker {

// The sum of the same histogram of several threads.
class LatencyTotals {
 public:
  void Add(const LatencyHistogram& histogram);
  std::uint64_t count() const;
  double sum_seconds() const { return static_cast<double>(sum_nanos_) / 1e9; }
  std::uint64_t bucket(std::size_t index) const { return buckets_[index]; }  // not cumulative

 private:
  std::array<std::uint64_t, LatencyBuckets::kBounded + 1> buckets_{};
  std::uint64_t sum_nanos_ = 0;
};

using MetricLabels = std::vector<prometheus::ClientMetric::Label>;

struct LimitUse {
  std::string name;
  std::int64_t used = 0;
  std::int64_t max = 0;     // above 0
  std::string setting;      // that raises it; empty: none does
};

// A family is made by whoever names it first and has no series until one is added, but is exported all the same. Not thread-safe.
class Families {
 public:
  // The family to add series to; valid as long as this.
  class Family {
   public:
    explicit Family(prometheus::MetricFamily& family) : family_(family) {}
    void Add(double value, MetricLabels labels = {});          // of a counter or gauge
    void Add(const LatencyTotals& totals, MetricLabels labels = {});

   private:
    prometheus::MetricFamily& family_;
  };
  // Names: cordwood_…, base units; a counter's ends in _total, a histogram's in _seconds, and so does that of a gauge that is a time.
  Family Counter(std::string_view name, std::string_view help) { return Named(name, help, prometheus::MetricType::Counter); }
  Family Gauge(std::string_view name, std::string_view help) { return Named(name, help, prometheus::MetricType::Gauge); }
  Family Histogram(std::string_view name, std::string_view help) { return Named(name, help, prometheus::MetricType::Histogram); }

  // How full a limit is: two gauges, so that one alert watches all of them. A maximum of 0 is no limit and adds nothing.
  // `setting` is the one that raises it, if there is one.
  void AddLimit(std::string_view limit, std::int64_t current, std::int64_t max, std::string_view setting);
  const std::vector<LimitUse>& limits() const { return limits_; }
  // Requests of one kind, and its errors by reason: sources of the same kind add up; reasons that never occurred have no series.
  void AddRequests(std::string_view kind, std::uint64_t requests);
  void AddErrors(std::string_view kind, const std::vector<const ReasonCounts*>& counts);

  // The text format, version 0.0.4.
  std::string Text() const;

 private:
  Family Named(std::string_view name, std::string_view help, prometheus::MetricType type);
  std::deque<prometheus::MetricFamily> families_;
  std::vector<LimitUse> limits_;
};

// "DescribeTopic" as "describe_topic".
std::string SnakeCase(std::string_view name);

}  // namespace cordwood::broker
