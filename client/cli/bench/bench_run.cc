// SPDX-License-Identifier: Apache-2.0
#include "client/cli/bench/bench_run.h"

#include <optional>
#include <string>
#include <string_view>

#include "absl/strings/numbers.h"
#include "client/cli/interrupt.h"
#include "client/cli/session.h"
#include "client/failure.h"
#include "storage/record/record_batch_builder.h"

namespace cordwood::client {
namespace {

// Compressed it may fit: the broker sees.
Status CheckFits(const BenchOptions& options, const BenchPlan& plan, const TopicDescription& topic) {
  const auto config = topic.configs.find("max.message.bytes");
  std::int64_t most = 0;
  if (config == topic.configs.end() || !absl::SimpleAtoi(config->second, &most)) return absl::OkStatus();
  if (options.kind == BenchKind::kConsume || plan.producer.compression != Compression::kNone) return absl::OkStatus();
  RecordBatchBuilder batch;
  const std::string value(plan.size, '\0');
  const std::size_t bytes = batch.plain_bytes() + batch.RecordBytes({Offset(0), 0, std::nullopt, std::string_view(value), {}});
  if (bytes <= static_cast<std::size_t>(most)) return absl::OkStatus();
  return Error(Reason::kMessageTooLarge, "--size " + std::to_string(plan.size) + " makes a batch of " + std::to_string(bytes) + " bytes at least; topic \"" + topic.name +
                                             "\" takes max.message.bytes = " + config->second);
}

Result<TopicDescription> DescribeForBench(Client& client, const BenchOptions& options, const BenchPlan& plan) {
  auto topic = client.admin().DescribeTopic(options.topic);
  if (!topic) return topic;
  if (const Status fits = CheckFits(options, plan, *topic); !fits.ok()) return ToFailure(fits);
  if (!plan.partitions.has_value()) return topic;
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
