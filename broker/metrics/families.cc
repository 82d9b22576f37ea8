// SPDX-License-Identifier: Apache-2.0
// From counts to prometheus-cpp's model, which knows the text.
#include "broker/metrics/families.h"

#include <prometheus/text_serializer.h>

#include <algorithm>
#include <cctype>
#include <utility>

#include "storage/base/check.h"

namespace cordwood::broker {

void LatencyTotals::Add(const LatencyHistogram& histogram) {
  sum_nanos_ += histogram.sum_nanos();
  for (std::size_t i = 0; i < buckets_.size(); ++i) buckets_[i] += histogram.count(i);
}

std::uint64_t LatencyTotals::count() const {
  std::uint64_t all = 0;
  for (const std::uint64_t bucket : buckets_) all += bucket;
  return all;
}

void Families::Family::Add(double value, MetricLabels labels) {
  prometheus::ClientMetric& metric = family_.metric.emplace_back();
  metric.label = std::move(labels);
  (family_.type == prometheus::MetricType::Counter ? metric.counter.value : metric.gauge.value) = value;
}

void Families::Family::Add(const LatencyTotals& totals, MetricLabels labels) {
  prometheus::ClientMetric& metric = family_.metric.emplace_back();
  metric.label = std::move(labels);
  std::uint64_t below = 0;
  for (std::size_t i = 0; i < LatencyBuckets::kBounded; ++i) {
    below += totals.bucket(i);
    metric.histogram.bucket.push_back({below, static_cast<double>(LatencyBuckets::BoundMicros(i)) / 1e6});
  }
  metric.histogram.sample_count = below + totals.bucket(LatencyBuckets::kBounded);
  metric.histogram.sample_sum = totals.sum_seconds();
}

Families::Family Families::Named(std::string_view name, std::string_view help, prometheus::MetricType type) {
  const auto found = std::find_if(families_.begin(), families_.end(), [&](const auto& family) { return family.name == name; });
  if (found != families_.end()) {
    CORDWOOD_CHECK(found->type == type && found->help == help);
    return Family(*found);
  }
  prometheus::MetricFamily& family = families_.emplace_back();
  family.name = name;
  family.help = help;
  family.type = type;
  return Family(family);
}

void Families::AddLimit(std::string_view limit, std::int64_t current, std::int64_t max, std::string_view setting) {
  if (max <= 0) return;
  limits_.push_back({std::string(limit), current, max, std::string(setting)});
  const MetricLabels labels = {{"limit", std::string(limit)}};
  Gauge("cordwood_limit_used", "How much of a limit is taken; compare with cordwood_limit_max").Add(static_cast<double>(current), labels);
  Gauge("cordwood_limit_max", "The limit: what comes beyond it is refused").Add(static_cast<double>(max), labels);
}

void Families::AddRequests(std::string_view kind, std::uint64_t requests) {
  Counter("cordwood_requests_total", "Requests taken, refused ones included; of a stream every message is one").Add(static_cast<double>(requests), {{"kind", std::string(kind)}});
}

void Families::AddErrors(std::string_view kind, const std::vector<const ReasonCounts*>& counts) {
  constexpr const char* kName = "cordwood_errors_total";
  (void)Counter(kName, "Refusals by reason: of whole calls and requests, and of single entries or partitions in them");
  std::vector<prometheus::ClientMetric>& series = std::find_if(families_.begin(), families_.end(), [](const auto& f) { return f.name == kName; })->metric;
  for (const Reason reason : ReasonCounts::All()) {
    std::uint64_t sum = 0;
    for (const ReasonCounts* one : counts) sum += one->value(reason);
    if (sum == 0) continue;
    const MetricLabels labels = {{"kind", std::string(kind)}, {"reason", std::string(ReasonName(reason))}};
    auto found = std::find_if(series.begin(), series.end(), [&](const auto& metric) { return metric.label == labels; });
    if (found == series.end()) {
      found = series.emplace(series.end());
      found->label = labels;
    }
    found->counter.value += static_cast<double>(sum);
  }
}

std::string Families::Text() const { return prometheus::TextSerializer().Serialize({families_.begin(), families_.end()}); }

std::string SnakeCase(std::string_view name) {
  std::string snake;
  for (const char c : name) {
    if (std::isupper(static_cast<unsigned char>(c)) && !snake.empty()) snake += '_';
    snake += static_cast<char>(std::tolower(static_cast<unsigned char>(c)));
  }
  return snake;
}

}  // namespace cordwood::broker
