// SPDX-License-Identifier: Apache-2.0
// Starting: how long a shard takes to serve again, and what very many partitions cost.
#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <vector>

#include "storage/shard/partition_catalog.h"
#include "tests/bench/bench_shard.h"
#include "tests/bench/measure.h"
#include "tests/bench/storage_bench.h"

namespace cordwood::testing {
namespace {

void AppendFor(BenchShard& shard, std::uint64_t bytes) {
  for (std::uint64_t done = 0; done < bytes;) {
    for (int i = 0; i < 16; ++i, done += 16 * 1024) shard.StageNext(16 * 1024);
    shard.Commit(false);
  }
}

double StartSeconds(const std::string& directory, int partitions) {
  const Span span;
  BenchShard shard(directory, partitions);
  const auto stubs = ReadPartitionStubs(shard.store());
  Require(stubs.status(), "stubs");
  const double seconds = span.seconds();
  shard.Close();
  return seconds;
}

// RocksDB's threads do not live through a fork: every phase but the last runs in a child, and this process opens no shard before it forks.
template <class Phase>
double InChild(Phase phase) {
  int result[2];
  if (pipe(result) != 0) std::exit(1);
  const pid_t child = fork();
  if (child == 0) {
    const double value = phase();
    _exit(write(result[1], &value, sizeof value) == sizeof value ? 0 : 1);
  }
  close(result[1]);
  double value = 0;
  if (read(result[0], &value, sizeof value) != sizeof value) std::exit(1);
  waitpid(child, nullptr, 0);
  close(result[0]);
  return value;
}

// A child appends until it is killed, at a moment when its write buffers are full of unflushed data.
void AppendUntilKilled(const std::string& directory, int partitions) {
  int ready[2];
  if (pipe(ready) != 0) std::exit(1);
  const pid_t child = fork();
  if (child == 0) {
    BenchShard shard(directory, partitions);
    AppendFor(shard, 500ULL << 20);
    if (write(ready[1], "r", 1) != 1) _exit(1);
    for (;;) AppendFor(shard, 16ULL << 20);
  }
  char byte = 0;
  if (read(ready[0], &byte, 1) != 1) std::exit(1);
  kill(child, SIGKILL);
  waitpid(child, nullptr, 0);
  close(ready[0]);
  close(ready[1]);
}

}  // namespace

void BenchStart(const BenchArguments& arguments) {
  constexpr int kPartitions = 1000;
  InChild([&] {
    BenchShard shard(arguments.directory, kPartitions);
    AppendFor(shard, arguments.bytes);
    shard.Close();
    return 0.0;
  });
  const double clean = InChild([&] { return StartSeconds(arguments.directory, kPartitions); });
  AppendUntilKilled(arguments.directory, kPartitions);
  const double killed = StartSeconds(arguments.directory, kPartitions);
  JsonLine("start").Add("gb", static_cast<double>(arguments.bytes) / 1e9).Add("clean_s", clean).Add("killed_s", killed).Print();
}

void BenchPartitions(const BenchArguments& arguments) {
  constexpr int kPartitions = 100'000;
  double created = 0;
  {
    const Span span;
    BenchShard shard(arguments.directory, kPartitions);
    created = span.seconds();
    shard.Close();
  }
  const std::uint64_t before = ResidentBytes();
  const Span span;
  BenchShard shard(arguments.directory, kPartitions);
  const auto stubs = ReadPartitionStubs(shard.store());
  Require(stubs.status(), "stubs");
  const double restart = span.seconds();
  const auto after = static_cast<double>(ResidentBytes());
  JsonLine("partitions")
      .Add("count", static_cast<double>(stubs->size()))
      .Add("create_s", created)
      .Add("restart_s", restart)
      .Add("memory_mb", (after - static_cast<double>(before)) / 1e6)
      .Print();
  shard.Close();
}

}  // namespace cordwood::testing
