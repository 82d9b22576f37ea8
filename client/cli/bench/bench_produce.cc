// SPDX-License-Identifier: Apache-2.0
// cord bench produce: threads that send on schedule, each with a producer of its own.
#include <algorithm>
#include <atomic>
#include <deque>
#include <limits>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "client/cli/bench/bench_commands.h"
#include "client/cli/bench/bench_run.h"
#include "client/cli/bench/open_loop.h"
#include "client/cli/bench/payloads.h"
#include "client/cli/interrupt.h"
#include "storage/base/mutex.h"
#include "storage/base/thread_name.h"

namespace cordwood::client {
namespace {

// What all senders share.
class ProduceRun {
 public:
  ProduceRun(const BenchOptions& options, const BenchPlan& plan, std::vector<std::int32_t> partitions)
      : topic(options.topic), plan(plan), partitions(std::move(partitions)), payloads(plan.size, plan.compressible, plan.keys) {}

  bool failed() const { return any_failed_.load(std::memory_order_relaxed); }
  bool stopped() const { return failed() || Interrupted(); }

  void Failed(const Failure& failure) {
    MutexLock lock(mu_);
    ++failed_;
    if (!first_failure_.has_value()) first_failure_ = failure;
    any_failed_.store(true, std::memory_order_relaxed);
  }
  // A sender has sent its warm-up: the CPU counts from the first that has.
  void Counting() {
    MutexLock lock(mu_);
    if (cpu_start_ < 0) cpu_start_ = ProcessCpuSeconds();
  }
  void SenderDone() {
    MutexLock lock(mu_);
    ++done_;
    changed_.SignalAll();
  }
  // For 100 ms at most; whether all are done.
  bool AwaitSenders() {
    MutexLock lock(mu_);
    if (done_ < plan.producers) changed_.WaitFor(mu_, std::chrono::milliseconds(100));
    return done_ == plan.producers;
  }
  // After the senders.
  void Finish(BenchResult* result) {
    MutexLock lock(mu_);
    result->failed = failed_;
    result->failure = first_failure_;
    result->cpu_seconds = cpu_start_ < 0 ? 0 : ProcessCpuSeconds() - cpu_start_;
  }

  const std::string topic;
  const BenchPlan& plan;
  const std::vector<std::int32_t> partitions;  // empty: the library chooses
  const Payloads payloads;
  std::atomic<std::uint64_t> acknowledged{0};  // warm-up included, for progress

 private:
  std::atomic<bool> any_failed_{false};
  Mutex mu_;
  CondVar changed_;
  int done_ ABSL_GUARDED_BY(mu_) = 0;
  double cpu_start_ ABSL_GUARDED_BY(mu_) = -1;
  std::uint64_t failed_ ABSL_GUARDED_BY(mu_) = 0;
  std::optional<Failure> first_failure_ ABSL_GUARDED_BY(mu_);
};

// The part of `total` that sender `index` of `count` has.
std::uint64_t Share(std::uint64_t total, int index, int count) {
  const auto n = static_cast<std::uint64_t>(count);
  return total / n + (static_cast<std::uint64_t>(index) < total % n ? 1 : 0);
}

class Sender {
 public:
  Sender(ProduceRun& run, Producer producer, int index) : run_(run), producer_(std::move(producer)), index_(index) {}

  void Start(std::int64_t start_ns) {
    thread_ = std::thread([this, start_ns] {
      SetThreadName("cw-bench-" + std::to_string(index_));
      Send(start_ns);
      // Every record has its outcome, and its callback is over, when this returns. After a failure nobody waits long for the rest.
      (void)producer_.Close(run_.failed() ? std::chrono::milliseconds(1000) : run_.plan.producer.delivery_timeout);
      run_.SenderDone();
    });
  }
  void Join() { thread_.join(); }

  // After Join().
  std::int64_t first_ns() const { return first_ns_; }
  std::int64_t last_ns() const { return last_ns_; }
  std::uint64_t records() const { return latency_.count(); }
  const LatencyHistogram& latency() const { return latency_; }

 private:
  void Send(std::int64_t start_ns) {
    const BenchPlan& plan = run_.plan;
    const double rate = plan.rate / plan.producers;
    OpenLoop loop(rate, static_cast<double>(index_) / plan.producers, start_ns, MonotonicNs, SleepUntilNs);
    const auto stopped = [this] { return run_.stopped(); };
    const std::uint64_t warm_up = Share(plan.warm_up_records, index_, plan.producers);
    const std::uint64_t records = Share(plan.records, index_, plan.producers);
    ProducerRecord record;
    for (std::uint64_t n = 0, counted = 0; counted < records; ++n) {
      const std::int64_t due = loop.Next(stopped);
      if (run_.stopped()) return;
      const bool counts = n >= warm_up && due - start_ns >= plan.warm_up.count();
      if (counts && counted++ == 0) {
        first_ns_ = due;
        run_.Counting();
      }
      // Each sender has its own walk through values, keys and partitions.
      const std::uint64_t number = n * static_cast<std::uint64_t>(plan.producers) + static_cast<std::uint64_t>(index_);
      record.key = run_.payloads.key(number);
      record.value = run_.payloads.value(number);
      if (!run_.partitions.empty()) record.partition = run_.partitions[number % run_.partitions.size()];
      const std::int64_t from = counts ? due : 0;  // two words with `this`: the callback needs no memory of its own
      producer_.Send(run_.topic, record, [this, from](const Result<RecordMetadata>& sent) { Done(from, sent); });
    }
  }

  // from: when a record that counts was due, else 0. On the producer's thread; a failure that could not even be taken comes on the sending thread.
  void Done(std::int64_t from, const Result<RecordMetadata>& sent) {
    if (!sent) return run_.Failed(sent.error());
    run_.acknowledged.fetch_add(1, std::memory_order_relaxed);
    if (from == 0) return;
    last_ns_ = MonotonicNs();
    latency_.Add(last_ns_ - from);
  }

  ProduceRun& run_;
  Producer producer_;
  const int index_;
  std::thread thread_;
  std::int64_t first_ns_ = std::numeric_limits<std::int64_t>::max();  // the sending thread's
  // The producer's thread.
  LatencyHistogram latency_;
  std::int64_t last_ns_ = 0;
};

BenchResult Collect(ProduceRun& run, const std::deque<Sender>& senders) {
  BenchResult result;
  NamedLatency latency{"latency_us", {}};
  std::int64_t first = std::numeric_limits<std::int64_t>::max();
  std::int64_t last = 0;
  for (const Sender& sender : senders) {
    result.records += sender.records();
    latency.histogram.Add(sender.latency());
    first = std::min(first, sender.first_ns());
    last = std::max(last, sender.last_ns());
  }
  result.bytes = result.records * run.payloads.record_bytes();
  result.seconds = last > first ? static_cast<double>(last - first) / 1e9 : 0;
  result.latencies.push_back(std::move(latency));
  run.Finish(&result);
  return result;
}

}  // namespace

ExitCode BenchProduce(const GlobalOptions& global, const BenchOptions& options) {
  return RunBench(global, options, [&](const BenchPlan& plan, Client& client, const TopicDescription& topic) -> Result<BenchResult> {
    const bool chosen = plan.all_partitions || plan.partitions.has_value();
    ProduceRun run(options, plan, chosen ? PartitionsOfPlan(plan, topic) : std::vector<std::int32_t>{});
    std::deque<Sender> senders;
    for (int i = 0; i < plan.producers; ++i) {
      auto producer = client.NewProducer(plan.producer);
      if (!producer) return producer.error();
      senders.emplace_back(run, *std::move(producer), i);
    }
    BenchProgress progress(global, plan.records + plan.warm_up_records);
    const std::int64_t start_ns = MonotonicNs();
    for (Sender& sender : senders) sender.Start(start_ns);
    while (!run.AwaitSenders()) {
      const std::uint64_t acknowledged = run.acknowledged.load(std::memory_order_relaxed);
      progress.Show(acknowledged, acknowledged * run.payloads.record_bytes());
    }
    for (Sender& sender : senders) sender.Join();
    return Collect(run, senders);
  });
}

}  // namespace cordwood::client
