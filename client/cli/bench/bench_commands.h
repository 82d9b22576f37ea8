// SPDX-License-Identifier: Apache-2.0
// cord bench produce, consume and e2e: measure a broker through the public library alone. docs/reference/bench.md.
#pragma once

#include <functional>

#include "client/cli/bench/bench_options.h"
#include "client/cli/failure.h"

namespace CLI {
class App;
}

namespace cordwood::client {

// The three option sets of a command line that may name any of them.
struct BenchCommandLine {
  BenchOptions produce;
  BenchOptions consume;
  BenchOptions e2e;
};

// Adds `bench` to `app`; the command that is given is put into `run`. All references must outlive the run.
void AddBenchCommands(CLI::App& app, const GlobalOptions& global, BenchCommandLine& line, std::function<ExitCode()>& run);

// The topic must exist. Records are sent at a rate whatever becomes of them (OpenLoop), or as fast as they are taken. The first failure ends it.
ExitCode BenchProduce(const GlobalOptions& global, const BenchOptions& options);
// From the start of the topic, which must hold as many records; from its end it waits for them, as long as one comes within the timeout.
ExitCode BenchConsume(const GlobalOptions& global, const BenchOptions& options);
// One record at a time, from Send() until Poll() gives it back.
ExitCode BenchE2e(const GlobalOptions& global, const BenchOptions& options);

}  // namespace cordwood::client
