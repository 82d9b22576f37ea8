// SPDX-License-Identifier: Apache-2.0
// cord bench consume: reads and counts.
#include <algorithm>
#include <chrono>
#include <cstdio>
#include <utility>

#include "client/cli/bench/bench_commands.h"
#include "client/cli/bench/bench_run.h"
#include "client/cli/bench/open_loop.h"
#include "client/cli/interrupt.h"

namespace cordwood::client {
namespace {

class Reader {
 public:
  Reader(const GlobalOptions& global, const BenchOptions& options, const BenchPlan& plan) : global_(global), options_(options), plan_(plan) {}

  Result<void> Assign(Consumer& consumer, const TopicDescription& topic) {
    std::vector<TopicPartition> partitions;
    for (const std::int32_t partition : PartitionsOfPlan(plan_, topic)) partitions.push_back({options_.topic, partition});
    if (!plan_.from_end) {
      if (auto enough = CheckThatItHoldsEnough(consumer, partitions); !enough) return enough;
    }
    Begin(MonotonicNs());
    const auto assigned = consumer.Assign(partitions, plan_.from_end ? cordwood::Position::End() : cordwood::Position::Start());
    if (assigned && plan_.from_end && !global_.quiet) std::fprintf(stderr, "at the end of %s, waiting for records\n", options_.topic.c_str());
    return assigned;
  }

  BenchResult Run(Consumer& consumer) {
    BenchProgress progress(global_, plan_.records + plan_.warm_up_records);
    std::int64_t heard_ns = MonotonicNs();
    while (result_.records < plan_.records && !Interrupted()) {
      const std::int64_t asked = MonotonicNs();
      const auto records = consumer.Poll(std::chrono::milliseconds(100));
      const std::int64_t now = MonotonicNs();
      if (!records) {
        result_.failure = records.error();
        break;
      }
      if (!records->empty()) {
        heard_ns = now;
        Count(*records, asked, now);
        progress.Show(warm_ + result_.records, warm_bytes_ + result_.bytes);
      } else if (!plan_.from_end && warm_ + result_.records >= held_) {
        result_.failure = TooFew();  // a warm-up of some time took them
        break;
      } else if (now - heard_ns > absl::ToInt64Nanoseconds(global_.timeout)) {
        GiveUp(consumer);
        break;
      }
    }
    Finish();
    return std::move(result_);
  }

 private:
  // Offsets without records (as compaction leaves them) are not seen here; then the wait for more ends with the timeout.
  Result<void> CheckThatItHoldsEnough(const Consumer& consumer, const std::vector<TopicPartition>& partitions) {
    const auto logs = consumer.Offsets(partitions);
    if (!logs) return logs.error();
    for (const PartitionOffsets& log : *logs) held_ += static_cast<std::uint64_t>(log.high_watermark - log.log_start);
    if (held_ < plan_.records + plan_.warm_up_records) return TooFew();
    return {};
  }

  Failure TooFew() const {
    return Failure(Errc::kOffsetOutOfRange, "there are " + std::to_string(held_) + " records in topic \"" + options_.topic + "\" to read, fewer than the " +
                                                std::to_string(plan_.records) + " asked for" + (options_.warm_up == "0" ? "" : " after a warm-up of " + options_.warm_up));
  }

  void Begin(std::int64_t at_ns) {
    begin_ns_ = at_ns;
    cpu_begin_ = ProcessCpuSeconds();
  }

  // Records of a Poll() that was called at `asked` and returned at `now`.
  void Count(const std::vector<ConsumerRecord>& records, std::int64_t asked, std::int64_t now) {
    if (warm_ + result_.records == 0) {
      if (plan_.from_end) Begin(now);  // what was waited for the first record is not the broker's
      warm_up_end_ns_ = now + plan_.warm_up.count();
    }
    const auto wall = std::chrono::system_clock::now();
    for (const ConsumerRecord& record : records) {
      const std::uint64_t bytes = record.key().size() + record.value().size();
      if (warm_ < plan_.warm_up_records || now < warm_up_end_ns_) {
        ++warm_;
        warm_bytes_ += bytes;
        continue;
      }
      if (result_.records == plan_.records) break;
      if (result_.records++ == 0 && warm_ > 0) Begin(asked);
      result_.bytes += bytes;
      if (plan_.from_end) lag_.Add(std::chrono::duration_cast<std::chrono::nanoseconds>(wall - record.timestamp()).count());
    }
    last_ns_ = now;
  }

  void GiveUp(const Consumer& consumer) {
    const auto connection = consumer.connection();
    result_.failure = connection ? Failure(Errc::kRequestTimedOut, "no record came within " + absl::FormatDuration(global_.timeout) + ", after " +
                                                                       std::to_string(warm_ + result_.records) + " of " +
                                                                       std::to_string(plan_.records + plan_.warm_up_records))
                                 : connection.error();
  }

  void Finish() {
    result_.cpu_seconds = ProcessCpuSeconds() - cpu_begin_;
    result_.seconds = last_ns_ > begin_ns_ ? static_cast<double>(last_ns_ - begin_ns_) / 1e9 : 0;
    if (plan_.from_end) result_.latencies.push_back({"lag_us", lag_});
  }

  const GlobalOptions& global_;
  const BenchOptions& options_;
  const BenchPlan& plan_;
  BenchResult result_;
  LatencyHistogram lag_;
  std::uint64_t held_ = 0;  // from the start: by the partitions, when we began
  std::uint64_t warm_ = 0;
  std::uint64_t warm_bytes_ = 0;
  std::int64_t warm_up_end_ns_ = 0;
  std::int64_t begin_ns_ = 0;
  std::int64_t last_ns_ = 0;
  double cpu_begin_ = 0;
};

}  // namespace

ExitCode BenchConsume(const GlobalOptions& global, const BenchOptions& options) {
  return RunBench(global, options, [&](const BenchPlan& plan, Client& client, const TopicDescription& topic) -> Result<BenchResult> {
    auto consumer = client.NewConsumer();
    if (!consumer) return consumer.error();
    Reader reader(global, options, plan);
    if (const auto assigned = reader.Assign(*consumer, topic); !assigned) return assigned.error();
    return reader.Run(*consumer);
  });
}

}  // namespace cordwood::client
