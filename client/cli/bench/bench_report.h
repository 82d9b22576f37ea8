// SPDX-License-Identifier: Apache-2.0
// What a bench found, as JSON with everything needed to run it again, or as text with a histogram. docs/reference/bench.md.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/bench/bench_options.h"
#include "client/cli/bench/latency_histogram.h"
#include "client/cli/failure.h"
#include "cordwood/client.h"

namespace cordwood::client {

// One distribution of durations and its name in the JSON, "latency_us".
struct NamedLatency {
  std::string name;
  LatencyHistogram histogram;
};

struct BenchResult {
  std::uint64_t records = 0;          // counted, and well
  std::uint64_t bytes = 0;            // of their keys and values
  std::uint64_t failed = 0;
  std::optional<Failure> failure;     // the first, of a record or of the run; what is above was measured before it
  double seconds = 0;                 // from the first counted record to the last
  double cpu_seconds = 0;             // of this process meanwhile, user and system
  std::vector<NamedLatency> latencies;
};

// To stdout; the exit code, after the failure, if there is one, has been said on stderr.
ExitCode ReportBench(const GlobalOptions& global, const BenchOptions& options, const BenchPlan& plan, const TopicDescription& topic, const BenchResult& result);

// Seconds of CPU that this process has used so far, user and system, all threads.
double ProcessCpuSeconds();

// One line on stderr that is written over and over, if stderr is a terminal, the output text, and nobody asked for quiet.
class BenchProgress {
 public:
  BenchProgress(const GlobalOptions& global, std::uint64_t records);
  ~BenchProgress();
  void Show(std::uint64_t records, std::uint64_t bytes);  // at most four times a second

 private:
  const bool shown_at_all_;
  const std::uint64_t records_;
  const std::int64_t start_ns_;
  std::int64_t last_ns_;
  bool shown_ = false;
};

}  // namespace cordwood::client
