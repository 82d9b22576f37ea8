// SPDX-License-Identifier: Apache-2.0
// Full load, with readers at the tail: memory over time, and one reader that falls behind.
#include <algorithm>
#include <functional>
#include <vector>

#include "tests/load/broker_watch.h"
#include "tests/load/load_requests.h"
#include "tests/load/scenario.h"
#include "tests/load/wire_client.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

constexpr int kPartitions = 4;
constexpr std::size_t kBatchBytes = 100'000;
constexpr int kInFlight = 16;
constexpr std::int64_t kResidentMax = 600'000'000;
constexpr double kSlopeMax = 50'000;                       // bytes a second: 30 MB in 10 minutes
constexpr absl::Duration kCutInterval = absl::Seconds(2);  // the logs are cut behind the readers: the disk is not what this is about

// A producer and a reader for each partition.
class FullLoad {
 public:
  FullLoad(WireLoop& loop, const std::string& address) {
    for (int p = 0; p < kPartitions; ++p) {
      producers_.push_back(std::make_unique<SteadyProducer>(loop, address, SteadyLoad{"t", p, kBatchBytes, kInFlight}));
      readers_.push_back(std::make_unique<TailReader>(loop, address, "t", p, 0));
      producers_.back()->Begin();
    }
  }
  void Stop() {
    for (const auto& producer : producers_) producer->Stop();
  }
  bool ReadersAreDone() const {
    for (std::size_t p = 0; p < kPartitions; ++p) {
      if (!producers_[p]->idle() || readers_[p]->next() < producers_[p]->log_end()) return false;
    }
    return true;
  }
  bool sound() const {
    return std::all_of(producers_.begin(), producers_.end(), [](const auto& p) { return !p->failed() && p->in_order(); }) &&
           std::all_of(readers_.begin(), readers_.end(), [](const auto& r) { return r->in_order(); });
  }
  Status CutLogs(const LogClient& client) {
    for (int p = 0; p < kPartitions; ++p) {
      CORDWOOD_RETURN_IF_ERROR(client.DeleteRecords("t", p, readers_[static_cast<std::size_t>(p)]->next()).status());
    }
    return absl::OkStatus();
  }
  std::int64_t Cycle() {  // batches acknowledged since the last time
    std::int64_t sum = 0;
    for (const auto& producer : producers_) sum += producer->Cycle();
    return sum;
  }
  std::int64_t log_end() const { return producers_[0]->log_end(); }
  std::int64_t read_of(int p) const { return readers_[static_cast<std::size_t>(p)]->next(); }

 private:
  std::vector<std::unique_ptr<SteadyProducer>> producers_;
  std::vector<std::unique_ptr<TailReader>> readers_;
};

}  // namespace

Status FullLoadMemory(bool is_long, Outcome& outcome) {
  const absl::Duration time = is_long ? absl::Minutes(10) : absl::Seconds(5);
  CORDWOOD_ASSIGN_OR_RETURN(auto ground, Ground::Open());
  CORDWOOD_RETURN_IF_ERROR(ground->CreateTopic("t", kPartitions));
  outcome.Done("full load of batches of 100 KB on " + std::to_string(kPartitions) + " partitions, each with a reader at the tail, for " +
               absl::FormatDuration(time) + ", default settings");
  WireLoop loop;
  FullLoad load(loop, ground->address());
  MemoryTrace memory(ground->broker());
  const absl::Time began = absl::Now();
  absl::Time cut = began;
  Status cutting;
  loop.RunUntil(
      [&] {
        memory.Sample();
        const absl::Time now = absl::Now();
        if (now - cut > kCutInterval) {
          cut = now;
          cutting.Update(load.CutLogs(ground->client()));
        }
        return now - began > time;
      },
      time * 2);
  CORDWOOD_RETURN_IF_ERROR(cutting);
  const double rate = static_cast<double>(load.Cycle()) * kBatchBytes / memory.seconds();
  load.Stop();
  outcome.Require(loop.RunUntil([&] { return load.ReadersAreDone(); }, kPatience), "the readers did not arrive at the end");
  outcome.Require(load.sound(), "a batch was refused, lost or out of order");
  const double slope = memory.slope_bytes_per_second();
  outcome.Figure("produced", Bytes(rate) + "/s, all of it read");
  outcome.Figure("memory", "at most " + Bytes(static_cast<double>(memory.max_bytes())) + "; slope over the last two thirds " + Bytes(slope) + "/s");
  outcome.Require(memory.max_bytes() <= kResidentMax, "more than 600 MB");
  // In a few seconds the tail ring and the write buffers fill; that is no slope.
  outcome.Require(!is_long || slope <= kSlopeMax, "memory grows");
  return absl::OkStatus();
}

Status SlowConsumer(bool is_long, Outcome& outcome) {
  const int slow_readers = 3;
  const std::int64_t behind = is_long ? 8'000 : 1'200;  // batches; the tail ring holds about 670
  CORDWOOD_ASSIGN_OR_RETURN(auto ground, Ground::Open());
  CORDWOOD_RETURN_IF_ERROR(ground->CreateTopic("t", kPartitions));
  outcome.Done(std::to_string(slow_readers) + " consumers stop giving credit at the tail until " + Bytes(static_cast<double>(behind) * kBatchBytes) +
               " behind, beside fast ones of the same partition; then they go on");
  WireLoop loop;
  FullLoad load(loop, ground->address());
  std::vector<std::unique_ptr<TailReader>> slow;
  for (int i = 0; i < slow_readers; ++i) {
    slow.push_back(std::make_unique<TailReader>(loop, ground->address(), "t", 0, 0));
    slow.back()->Hold();
  }
  std::int64_t most_behind = 0;  // of the fast one
  const bool far = loop.RunUntil(
      [&] {
        most_behind = std::max(most_behind, load.log_end() - load.read_of(0));
        return load.log_end() - slow[0]->next() > behind;
      },
      absl::Minutes(3));
  outcome.Require(far, "the load did not get so far");
  // The fast reader has a ring's worth of batches as its bound: while it is within, nothing is read from disk for it.
  outcome.Figure("the fast reader was behind by at most", std::to_string(most_behind) + " batches");
  const std::int64_t reads_before = Metrics(ground->broker())["cordwood_fetch_ring_misses_total"];
  for (const auto& reader : slow) reader->Resume();
  load.Stop();
  const bool arrived = loop.RunUntil(
      [&] {
        return load.ReadersAreDone() &&
               std::all_of(slow.begin(), slow.end(), [&](const auto& reader) { return reader->next() == load.log_end(); });
      },
      absl::Minutes(3));
  const std::int64_t disk_reads = Metrics(ground->broker())["cordwood_fetch_ring_misses_total"] - reads_before;
  outcome.Figure("catch-up reads of the slow ones", std::to_string(disk_reads));
  outcome.Require(arrived, "not all arrived at the end");
  outcome.Require(disk_reads > 0, "the slow ones never left the tail ring");
  outcome.Require(load.sound() && std::all_of(slow.begin(), slow.end(), [](const auto& reader) { return reader->in_order(); }),
                  "a batch was refused, lost or out of order");
  outcome.Require(most_behind < 600, "the fast reader fell out of the ring");
  return absl::OkStatus();
}

}  // namespace cordwood::testing
