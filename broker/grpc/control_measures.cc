// SPDX-License-Identifier: Apache-2.0
// The synchronous methods of Log, Admin, GroupAdmin, ExternalScaler and Health.
#include "broker/grpc/control_measures.h"

namespace cordwood::broker {
namespace {

constexpr std::string_view kMethods[] = {"ListOffsets",      "DeleteRecords", "InitProducer",  "GetMetadata",      "OffsetForLeaderEpoch",
                                         "CreateTopic",      "DeleteTopic",   "ListTopics",    "DescribeTopic",    "CreatePartitions",
                                         "AlterTopicConfig", "DescribeBroker", "DescribeCluster", "ListGroups",    "DescribeGroup",
                                         "DeleteGroup",      "ResetOffsets",  "ExplainGroup",  "IsActive",         "GetMetricSpec",
                                         "GetMetrics",       "Check",         "Other"};

}  // namespace

ControlMeasures::ControlMeasures() {
  for (const std::string_view name : kMethods) {
    methods_.push_back(std::make_unique<Method>());
    methods_.back()->name = name;
  }
}

ControlMeasures::Method& ControlMeasures::Of(std::string_view path) const {
  const std::string_view name = path.substr(path.rfind('/') + 1);
  for (const auto& method : methods_) {
    if (method->name == name) return *method;
  }
  return *methods_.back();
}

}  // namespace cordwood::broker
