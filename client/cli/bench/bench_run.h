// SPDX-License-Identifier: Apache-2.0
// What every bench begins and ends with.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "client/cli/bench/bench_report.h"

namespace cordwood::client {

// Between the beginning and the report; a failure is one that came before anything was measured.
using BenchMeasurement = std::function<Result<BenchResult>(const BenchPlan& plan, Client& client, const TopicDescription& topic)>;

// Judges the options, catches interrupts, connects, looks at the topic (kUnknownTopicOrPartition also for a partition of the plan that it does not have),
// measures and reports.
ExitCode RunBench(const GlobalOptions& global, const BenchOptions& options, const BenchMeasurement& measure);

// The partitions that the plan names: those of its list, else all of the topic.
std::vector<std::int32_t> PartitionsOfPlan(const BenchPlan& plan, const TopicDescription& topic);

}  // namespace cordwood::client
