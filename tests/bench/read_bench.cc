// SPDX-License-Identifier: Apache-2.0
// Reading: catch-up over whole partitions, and finding the batch that contains an offset.
#include <fcntl.h>
#include <unistd.h>

#include <cstdint>
#include <filesystem>
#include <random>
#include <string>
#include <vector>

#include "storage/shard/log_reader.h"
#include "tests/bench/bench_shard.h"
#include "tests/bench/measure.h"
#include "tests/bench/storage_bench.h"

namespace cordwood::testing {
namespace {

constexpr int kPartitions = 256;
constexpr std::size_t kReadBytes = 1024 * 1024;

void Fill(BenchShard& shard, std::uint64_t bytes) {
  for (std::uint64_t done = 0; done < bytes;) {
    for (int i = 0; i < 16; ++i, done += 16 * 1024) shard.StageNext(16 * 1024);
    shard.Commit(false);
  }
  Require(shard.store().Reclaim(false), "flush");
}

std::uint64_t ReadAll(BenchShard& shard, const std::vector<Offset>& ends) {
  const LogReader reader(shard.store());
  std::uint64_t bytes = 0;
  for (int partition = 0; partition < kPartitions; ++partition) {
    const Offset end = ends[static_cast<std::size_t>(partition)];
    for (Offset from(0); from < end;) {
      const StatusOr<ReadResult> result = reader.Read(shard.IdOf(partition), ReadRange{from, end, kReadBytes});
      Require(result.status(), "read");
      bytes += result->batches.size();
      from = result->next;
    }
  }
  return bytes;
}

// Every file of the shard, one after another, in reads of 1 MiB.
double PlainReadBytesPerSecond(const std::string& directory) {
  std::string buffer(kReadBytes, '\0');
  std::uint64_t bytes = 0;
  const Span span;
  for (const auto& entry : std::filesystem::recursive_directory_iterator(directory)) {
    if (entry.path().extension() != ".blob" && entry.path().extension() != ".sst") continue;
    const int fd = open(entry.path().c_str(), O_RDONLY | O_CLOEXEC);
    for (ssize_t n = 0; (n = read(fd, buffer.data(), buffer.size())) > 0;) bytes += static_cast<std::uint64_t>(n);
    close(fd);
  }
  return static_cast<double>(bytes) / span.seconds();
}

void BenchFind(BenchShard& shard, const std::vector<Offset>& ends) {
  const LogReader reader(shard.store());
  std::mt19937 random(7);
  std::vector<double> micros;
  for (int i = 0; i < 20'000; ++i) {
    const auto partition = static_cast<int>(random() % kPartitions);
    const Offset end = ends[static_cast<std::size_t>(partition)];
    const Offset target(static_cast<std::int64_t>(random() % static_cast<std::uint64_t>(end.value())));
    const double start = WallSeconds();
    Require(reader.Read(shard.IdOf(partition), ReadRange{target, end, 1}).status(), "find");
    micros.push_back((WallSeconds() - start) * 1e6);
  }
  JsonLine("find").Add("p50_us", Percentile(micros, 0.5)).Add("p99_us", Percentile(micros, 0.99)).Print();
}

}  // namespace

void BenchRead(const BenchArguments& arguments) {
  BenchShard shard(arguments.directory, kPartitions);
  Fill(shard, arguments.bytes);
  std::vector<Offset> ends;
  for (int partition = 0; partition < kPartitions; ++partition) ends.push_back(shard.LogEnd(partition));

  DropPageCache(arguments.directory);
  const double plain_cold = PlainReadBytesPerSecond(arguments.directory);
  DropPageCache(arguments.directory);
  const Span cold;
  const auto bytes = static_cast<double>(ReadAll(shard, ends));
  const double cold_rate = bytes / cold.seconds();
  ReadAll(shard, ends);
  const Span warm;
  ReadAll(shard, ends);
  JsonLine("read")
      .Add("cold_mb_per_s", cold_rate / 1e6)
      .Add("plain_cold_mb_per_s", plain_cold / 1e6)
      .Add("cold_ratio", cold_rate / plain_cold)
      .Add("warm_mb_per_s", bytes / warm.seconds() / 1e6)
      .Add("warm_cpu_s_per_gb", warm.cpu_seconds() / (bytes / 1e9))
      .Print();
  BenchFind(shard, ends);
  shard.Close();
}

}  // namespace cordwood::testing
