// SPDX-License-Identifier: Apache-2.0
// Metadata in, lag out.
#include "broker/handlers/control/scaler_handler.h"

#include <algorithm>
#include <charconv>
#include <cmath>
#include <iterator>

namespace cordwood::broker {
namespace {

constexpr double kSecondsMax = 1e9;

Status ReadSeconds(const std::string& key, const std::string& text, double min, double* seconds) {
  double value = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), value);
  if (error == std::errc() && end == text.data() + text.size() && value >= min && value <= kSecondsMax) {
    *seconds = value;
    return absl::OkStatus();
  }
  return Error(Reason::kInvalidRequest, "scalerMetadata " + key + " \"" + text + "\": write a number of seconds, as 30 or 0.5");
}

// How KEDA itself is to reach the scaler.
bool IsOfTheCaller(const std::string& key) {
  static constexpr const char* kKeys[] = {"scalerAddress", "enableTLS", "unsafeSsl", "tlsCertFile", "caCert", "tlsClientCert", "tlsClientKey"};
  return std::find(std::begin(kKeys), std::end(kKeys), key) != std::end(kKeys);
}

}  // namespace

StatusOr<ScalerQuery> ScalerQueryOf(const externalscaler::ScaledObjectRef& object) {
  ScalerQuery query;
  for (const auto& [key, value] : object.scalermetadata()) {
    if (key == "group") {
      query.group = value;
    } else if (key == "topic") {
      query.topic = value;
    } else if (key == "lagSeconds") {
      CORDWOOD_RETURN_IF_ERROR(ReadSeconds(key, value, 0.001, &query.lag_seconds));
    } else if (key == "activationLagSeconds") {
      CORDWOOD_RETURN_IF_ERROR(ReadSeconds(key, value, 0, &query.activation_lag_seconds));
    } else if (!IsOfTheCaller(key)) {
      return Error(Reason::kInvalidRequest, "scalerMetadata " + key + " is unknown; group, topic, lagSeconds and activationLagSeconds are known");
    }
  }
  if (query.group.empty()) return Error(Reason::kInvalidRequest, "scalerMetadata names no group");
  return query;
}

ScalerLag ScalerLagOf(const GroupMeasure& group, const std::string& topic) {
  ScalerLag lag;
  for (const PartitionMeasure& partition : group.partitions) {
    if (!topic.empty() && partition.topic != topic) continue;
    ++lag.partitions;
    lag.records += partition.lag.value_or(0);
    lag.ms = std::max(lag.ms, partition.lag_ms.value_or(0));
  }
  return lag;
}

bool IsActive(const ScalerLag& lag, const ScalerQuery& query) {
  if (lag.partitions == 0) return true;
  if (query.activation_lag_seconds == 0) return lag.records > 0;
  return static_cast<double>(lag.ms) > query.activation_lag_seconds * 1000;
}

double MetricOf(const ScalerLag& lag, const ScalerQuery& query) {
  return std::min(static_cast<double>(lag.ms) / 1000, query.lag_seconds * static_cast<double>(lag.partitions));
}

StatusOr<ScalerLag> ScalerHandler::Look(const ScalerQuery& query) const {
  const StatusOr<GroupSnapshot> group = lag_.Look(query.group);
  if (ReasonOf(group.status()) == Reason::kGroupIdNotFound) return ScalerLag();
  CORDWOOD_RETURN_IF_ERROR(group.status());
  return ScalerLagOf(MeasureOf(*group), query.topic);
}

StatusOr<externalscaler::IsActiveResponse> ScalerHandler::IsActive(const externalscaler::ScaledObjectRef& object) const {
  CORDWOOD_ASSIGN_OR_RETURN(const ScalerQuery query, ScalerQueryOf(object));
  CORDWOOD_ASSIGN_OR_RETURN(const ScalerLag lag, Look(query));
  externalscaler::IsActiveResponse response;
  response.set_result(broker::IsActive(lag, query));
  return response;
}

StatusOr<externalscaler::GetMetricSpecResponse> ScalerHandler::GetMetricSpec(const externalscaler::ScaledObjectRef& object) const {
  CORDWOOD_ASSIGN_OR_RETURN(const ScalerQuery query, ScalerQueryOf(object));
  externalscaler::GetMetricSpecResponse response;
  auto& spec = *response.add_metricspecs();
  spec.set_metricname(kScalerMetric);
  spec.set_targetsize(static_cast<std::int64_t>(std::ceil(query.lag_seconds)));
  spec.set_targetsizefloat(query.lag_seconds);
  return response;
}

StatusOr<externalscaler::GetMetricsResponse> ScalerHandler::GetMetrics(const externalscaler::GetMetricsRequest& request) const {
  CORDWOOD_ASSIGN_OR_RETURN(const ScalerQuery query, ScalerQueryOf(request.scaledobjectref()));
  CORDWOOD_ASSIGN_OR_RETURN(const ScalerLag lag, Look(query));
  externalscaler::GetMetricsResponse response;
  auto& metric = *response.add_metricvalues();
  metric.set_metricname(request.metricname().empty() ? kScalerMetric : request.metricname());
  const double seconds = MetricOf(lag, query);
  metric.set_metricvalue(static_cast<std::int64_t>(std::ceil(seconds)));
  metric.set_metricvaluefloat(seconds);
  return response;
}

bool ScalerHandler::WasActive(const ScalerQuery& query) const {
  const std::shared_ptr<const GroupRound> round = lag_.round();
  const GroupMeasure* group = round->Find(query.group);
  return group == nullptr || broker::IsActive(ScalerLagOf(*group, query.topic), query);
}

}  // namespace cordwood::broker
