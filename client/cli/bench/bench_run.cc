// SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/bench_run.h"

#include <string>

#include "client/cli/interrupt.h"
#include "client/cli/session.h"
#include "client/failure.h"

namespace cordwood::client {
namespace {

Result<TopicDescription> DescribeForBench(Client& client, const BenchOptions& options, const BenchPlan& plan) {
  auto topic = client.admin().DescribeTopic(options.topic);
  if (!topic || !plan.partitions.has_value()) return topic;
  const std::int32_t last = plan.partitions->back();
  if (static_cast<std::size_t>(last) < topic->leaders.size()) return topic;
  return Failure(Errc::kUnknownTopicOrPartition, "topic \"" + options.topic + "\" has no partition " + std::to_string(last) + "; it has " +
                                                     std::to_string(topic->leaders.size()) + ", from 0");
}

}  // namespace

ExitCode RunBench(const GlobalOptions& global, const BenchOptions& options, const BenchMeasurement& measure) {
  const auto plan = MakeBenchPlan(global, options);
  if (!plan.ok()) return ReportUsage(global, MessageOf(plan.status()));
  CatchInterrupts();
  const auto fail = [&](const Failure& failure) { return Report(global, ToStatus(failure.code(), failure.message())); };
  auto client = ConnectClient(global);
  if (!client.ok()) return Report(global, client.status());
  const auto topic = DescribeForBench(*client, options, *plan);
  if (!topic) return fail(topic.error());
  const auto result = measure(*plan, *client, *topic);
  if (!result) return fail(result.error());
  return ReportBench(global, options, *plan, *topic, *result);
}

std::vector<std::int32_t> PartitionsOfPlan(const BenchPlan& plan, const TopicDescription& topic) {
  if (plan.partitions.has_value()) return *plan.partitions;
  std::vector<std::int32_t> all(topic.leaders.size());
  for (std::size_t i = 0; i < all.size(); ++i) all[i] = static_cast<std::int32_t>(i);
  return all;
}

}  // namespace cordwood::client
