// SPDX-License-Identifier: Apache-2.0
// How many consumers a group could use, as autoscalers ask: from its lag in seconds. docs/how-to/scale-by-lag.md.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>

#include "broker/groups/lag/lag_driver.h"
#include "keda/externalscaler.pb.h"
#include "storage/base/reason.h"

namespace cordwood::broker {

inline constexpr const char* kScalerMetric = "cordwood-lag-seconds";

// What is asked about, from scalerMetadata.
struct ScalerQuery {
  std::string group;
  std::string topic;                   // empty: all of the group's
  double lag_seconds = 60;             // that one consumer may have; > 0
  double activation_lag_seconds = 0;   // the lag above which there is work; 0: any record that waits is work
};
// INVALID_REQUEST: no group, a number that is none, a key that does not exist.
StatusOr<ScalerQuery> ScalerQueryOf(const externalscaler::ScaledObjectRef& object);

struct ScalerLag {
  std::int64_t records = 0;
  std::int64_t ms = 0;
  std::size_t partitions = 0;  // with a committed offset; 0: nobody has ever begun
};
ScalerLag ScalerLagOf(const GroupMeasure& group, const std::string& topic);

// A group that never began is active: somebody has to begin.
bool IsActive(const ScalerLag& lag, const ScalerQuery& query);
// The longest lag, but no more than what makes one consumer a partition: more would be idle. In seconds.
double MetricOf(const ScalerLag& lag, const ScalerQuery& query);

// Errors: as ScalerQueryOf and LagDriver::Look, but a group that does not exist is one that never began.
// Threading: as LagDriver; WasActive() from any thread.
class ScalerHandler {
 public:
  explicit ScalerHandler(LagDriver& lag) : lag_(lag) {}

  StatusOr<externalscaler::IsActiveResponse> IsActive(const externalscaler::ScaledObjectRef& object) const;
  StatusOr<externalscaler::GetMetricSpecResponse> GetMetricSpec(const externalscaler::ScaledObjectRef& object) const;
  StatusOr<externalscaler::GetMetricsResponse> GetMetrics(const externalscaler::GetMetricsRequest& request) const;
  // Whether the group is active as far as the last look around saw; does not block.
  bool WasActive(const ScalerQuery& query) const;

 private:
  StatusOr<ScalerLag> Look(const ScalerQuery& query) const;

  LagDriver& lag_;
};

}  // namespace cordwood::broker
