// SPDX-License-Identifier: Apache-2.0
// Appending: through the engine, and the bare file beside it.
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <string>

#include "tests/bench/bench_shard.h"
#include "tests/bench/measure.h"
#include "tests/bench/storage_bench.h"

namespace cordwood::testing {
namespace {

constexpr int kPartitions = 256;

struct AppendFigures {
  double seconds;
  double cpu_seconds;
  std::uint64_t batches;
};

// Drained: the table files of everything appended are written, so that no work is left out of the figures.
AppendFigures Append(BenchShard& shard, std::size_t batch_bytes, int group, std::uint64_t bytes, bool sync) {
  AppendFigures figures{};
  const Span span;
  for (std::uint64_t done = 0; done < bytes;) {
    for (int i = 0; i < group; ++i, done += batch_bytes, ++figures.batches) shard.StageNext(batch_bytes);
    shard.Commit(sync);
  }
  figures.seconds = span.seconds();
  Require(shard.store().Reclaim(false), "flush");
  figures.cpu_seconds = span.cpu_seconds();
  return figures;
}

// One file, one write and one fdatasync per group.
double BareAppendBytesPerSecond(const std::string& directory, std::size_t group_bytes, std::uint64_t bytes) {
  const std::string path = directory + "/bare";
  const int fd = open(path.c_str(), O_CREAT | O_TRUNC | O_WRONLY | O_CLOEXEC, 0600);
  const std::string group(group_bytes, 'x');
  const Span span;
  std::uint64_t done = 0;
  for (; done < bytes; done += group_bytes) {
    if (write(fd, group.data(), group.size()) != static_cast<ssize_t>(group.size()) || fdatasync(fd) != 0) break;
  }
  const double rate = static_cast<double>(done) / span.seconds();
  close(fd);
  std::filesystem::remove(path);
  return rate;
}

}  // namespace

void BenchAppendOs(const BenchArguments& arguments) {
  const std::uint64_t bytes = arguments.bytes;
  sync();
  const std::uint64_t device_before = DeviceBytesWritten(arguments.directory);
  BenchShard shard(arguments.directory, kPartitions);
  const AppendFigures figures = Append(shard, 16 * 1024, 16, bytes, false);
  shard.Close();
  sync();
  const double gigabytes = static_cast<double>(bytes) / 1e9;
  JsonLine("append_os")
      .Add("mb_per_s", gigabytes * 1e3 / figures.seconds)
      .Add("cpu_s_per_gb", figures.cpu_seconds / gigabytes)
      .Add("device_bytes_per_byte", static_cast<double>(DeviceBytesWritten(arguments.directory) - device_before) / static_cast<double>(bytes))
      .Print();
}

void BenchAppendFsync(const BenchArguments& arguments) {
  constexpr int kGroup = 16;
  const std::uint64_t bytes = arguments.bytes / 4;
  BenchShard shard(arguments.directory, kPartitions);
  const double bare_before = BareAppendBytesPerSecond(arguments.directory, kGroup * 16 * 1024, bytes / 4);
  const AppendFigures figures = Append(shard, 16 * 1024, kGroup, bytes, true);
  const double bare_after = BareAppendBytesPerSecond(arguments.directory, kGroup * 16 * 1024, bytes / 4);
  shard.Close();
  const double bare = (bare_before + bare_after) / 2;
  const double rate = static_cast<double>(bytes) / figures.seconds;
  JsonLine("append_fsync")
      .Add("mb_per_s", rate / 1e6)
      .Add("bare_mb_per_s", bare / 1e6)
      .Add("ratio", rate / bare)
      .Add("cpu_s_per_gb", figures.cpu_seconds / (static_cast<double>(bytes) / 1e9))
      .Print();
}

void BenchAppendSmall(const BenchArguments& arguments) {
  BenchShard shard(arguments.directory, kPartitions);
  // What waits while one group is written makes the next: with one feeding thread at full speed that is a full group.
  const AppendFigures figures = Append(shard, 1024, 512, arguments.bytes / 4, false);
  shard.Close();
  JsonLine("append_small")
      .Add("batches_per_s", static_cast<double>(figures.batches) / figures.seconds)
      .Add("cpu_us_per_batch", figures.cpu_seconds * 1e6 / static_cast<double>(figures.batches))
      .Print();
}

}  // namespace cordwood::testing
