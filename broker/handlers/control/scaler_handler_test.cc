// SPDX-License-Identifier: Apache-2.0
// What autoscalers are told of a group's lag.
#include "broker/handlers/control/scaler_handler.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

namespace cordwood::broker {
namespace {

StatusOr<ScalerQuery> Query(const std::map<std::string, std::string>& metadata) {
  externalscaler::ScaledObjectRef object;
  for (const auto& [key, value] : metadata) (*object.mutable_scalermetadata())[key] = value;
  return ScalerQueryOf(object);
}

// What is asked for with `lag_seconds` and `activation_seconds`.
ScalerQuery Asking(double lag_seconds = 60, double activation_seconds = 0) {
  ScalerQuery query;
  query.group = "g";
  query.lag_seconds = lag_seconds;
  query.activation_lag_seconds = activation_seconds;
  return query;
}

GroupMeasure Group() {
  GroupMeasure group;
  group.partitions = {{"a", PartitionIndex(0), 10, 90'000}, {"a", PartitionIndex(1), 0, 0}, {"b", PartitionIndex(0), 5, std::nullopt}};
  return group;
}

TEST(ScalerTest, AQueryHasDefaultsForAllButTheGroup) {
  const auto query = Query({{"group", "g"}, {"scalerAddress", "broker:9600"}}).value();
  EXPECT_EQ(query.group + query.topic, "g");
  EXPECT_EQ(query.lag_seconds, 60);
  EXPECT_EQ(query.activation_lag_seconds, 0);
  EXPECT_EQ(Query({{"group", "g"}, {"lagSeconds", "0.5"}})->lag_seconds, 0.5);
}

TEST(ScalerTest, MetadataThatCannotBeIsRefused) {
  for (const auto& metadata : std::vector<std::map<std::string, std::string>>{
           {}, {{"group", ""}}, {{"group", "g"}, {"lagSeconds", "0"}}, {{"group", "g"}, {"lagSeconds", "soon"}}, {{"group", "g"}, {"activationLagSeconds", "-1"}},
           {{"group", "g"}, {"lagSeconds", "nan"}}, {{"group", "g"}, {"lagSecond", "3"}}}) {
    EXPECT_EQ(ReasonOf(Query(metadata).status()), Reason::kInvalidRequest);
  }
}

TEST(ScalerTest, LagIsOverAllTopicsOrOne) {
  const ScalerLag all = ScalerLagOf(Group(), "");
  EXPECT_EQ(all.records, 15);
  EXPECT_EQ(all.ms, 90'000);
  EXPECT_EQ(all.partitions, 3u);
  EXPECT_EQ(ScalerLagOf(Group(), "b").records, 5);
  EXPECT_EQ(ScalerLagOf(Group(), "c").partitions, 0u);
}

TEST(ScalerTest, AnyRecordThatWaitsIsWorkUnlessSaidOtherwise) {
  EXPECT_TRUE(IsActive({1, 0, 1}, Asking()));
  EXPECT_FALSE(IsActive({0, 0, 1}, Asking()));
  const ScalerQuery patient = Asking(60, 5);
  EXPECT_FALSE(IsActive({100, 5000, 1}, patient));
  EXPECT_TRUE(IsActive({100, 5001, 1}, patient));
}

TEST(ScalerTest, WhereNobodyEverBeganSomebodyHasTo) {
  EXPECT_TRUE(IsActive({}, Asking()));
  EXPECT_EQ(MetricOf({}, Asking()), 0);
}

TEST(ScalerTest, TheMetricAsksForNoMoreConsumersThanPartitions) {
  const ScalerQuery query = Asking(30);
  EXPECT_EQ(MetricOf({10, 90'000, 4}, query), 90);
  EXPECT_EQ(MetricOf({10, 900'000, 4}, query), 120);
}

}  // namespace
}  // namespace cordwood::broker
