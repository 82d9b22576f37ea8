// SPDX-License-Identifier: Apache-2.0
// cord bench e2e: a record there and back, then the next.
#include <unistd.h>

#include <atomic>
#include <chrono>
#include <string>

#include "client/cli/bench/bench_commands.h"
#include "client/cli/bench/bench_run.h"
#include "client/cli/bench/open_loop.h"
#include "client/cli/bench/payloads.h"
#include "client/cli/interrupt.h"
#include "storage/base/mutex.h"

namespace cordwood::client {
namespace {

// The acknowledgement of the one record under way. A callback may come after the record itself has come back.
class Acknowledgement {
 public:
  void Sent() {
    MutexLock lock(mu_);
    sent_.reset();
  }
  void Done(const Result<RecordMetadata>& sent) {
    const std::int64_t now = MonotonicNs();
    MutexLock lock(mu_);
    sent_ = sent;
    at_ns_ = now;
    changed_.SignalAll();
  }
  std::optional<Failure> failure() {
    MutexLock lock(mu_);
    return sent_.has_value() && !sent_->ok() ? std::optional<Failure>(sent_->error()) : std::nullopt;
  }
  // When it came, once it has; every record has one outcome within the delivery timeout.
  Result<std::int64_t> Await() {
    MutexLock lock(mu_);
    while (!sent_.has_value()) changed_.Wait(mu_);
    if (!sent_->ok()) return sent_->error();
    return at_ns_;
  }

 private:
  Mutex mu_;
  CondVar changed_;
  std::optional<Result<RecordMetadata>> sent_ ABSL_GUARDED_BY(mu_);
  std::int64_t at_ns_ ABSL_GUARDED_BY(mu_) = 0;
};

class RoundTrips {
 public:
  RoundTrips(const GlobalOptions& global, const BenchOptions& options, const BenchPlan& plan, const TopicDescription& topic)
      : global_(global), topic_(options.topic), plan_(plan), partitions_(PartitionsOfPlan(plan, topic)), payloads_(plan.size, plan.compressible, 0),
        run_("e2e-" + std::to_string(getpid()) + "-" + std::to_string(MonotonicNs()) + "-") {}

  Result<void> Assign(Consumer& consumer) const {
    std::vector<TopicPartition> partitions;
    for (const std::int32_t partition : partitions_) partitions.push_back({topic_, partition});
    return consumer.Assign(partitions, cordwood::Position::End());
  }

  BenchResult Run(Producer& producer, Consumer& consumer) {
    BenchProgress progress(global_, plan_.records);
    BenchResult result;
    const std::int64_t begin = MonotonicNs();
    const double cpu_begin = ProcessCpuSeconds();
    for (std::uint64_t n = 0; n < plan_.records && !Interrupted(); ++n) {
      if (const auto done = One(producer, consumer, n); !done) {
        if (!Interrupted()) result.failure = done.error();
        break;
      }
      ++result.records;
      progress.Show(result.records, result.bytes = result.records * plan_.size);
      if (n + 1 < plan_.records) Rest();
    }
    result.seconds = static_cast<double>(MonotonicNs() - begin) / 1e9;
    result.cpu_seconds = ProcessCpuSeconds() - cpu_begin;
    result.latencies.push_back({"latency_us", latency_});
    result.latencies.push_back({"acknowledged_us", acknowledged_});
    return result;
  }

 private:
  Result<void> One(Producer& producer, Consumer& consumer, std::uint64_t n) {
    const std::string key = run_ + std::to_string(n);
    acknowledgement_.Sent();
    const std::int64_t sent = MonotonicNs();
    producer.Send(topic_, {.key = key, .value = payloads_.value(n), .partition = partitions_[n % partitions_.size()]},
                  [this](const Result<RecordMetadata>& result) { acknowledgement_.Done(result); });
    const auto arrived = Receive(consumer, key, sent);
    const auto acknowledged = acknowledgement_.Await();
    if (!acknowledged) return acknowledged.error();
    if (!arrived) return arrived.error();
    latency_.Add(*arrived - sent);
    acknowledged_.Add(*acknowledged - sent);
    return {};
  }

  // When Poll() gave the record with this key; records of others are passed over.
  Result<std::int64_t> Receive(Consumer& consumer, const std::string& key, std::int64_t since) {
    while (!Interrupted()) {
      const auto records = consumer.Poll(std::chrono::milliseconds(100));
      const std::int64_t now = MonotonicNs();
      if (!records) return records.error();
      for (const ConsumerRecord& record : *records) {
        if (record.key() == key) return now;
      }
      if (const auto failure = acknowledgement_.failure(); failure.has_value()) return *failure;
      if (now - since > absl::ToInt64Nanoseconds(global_.timeout)) {
        return Failure(Errc::kRequestTimedOut, "a record did not come back within " + absl::FormatDuration(global_.timeout));
      }
    }
    return Failure(Errc::kRequestTimedOut, "interrupted");
  }

  void Rest() const {
    const std::int64_t until = MonotonicNs() + std::chrono::nanoseconds(plan_.idle).count();
    while (MonotonicNs() < until && !Interrupted()) SleepUntilNs(until);
  }

  const GlobalOptions& global_;
  const std::string topic_;
  const BenchPlan& plan_;
  const std::vector<std::int32_t> partitions_;
  const Payloads payloads_;
  const std::string run_;  // what this run's keys begin with
  Acknowledgement acknowledgement_;
  LatencyHistogram latency_;
  LatencyHistogram acknowledged_;
};

}  // namespace

ExitCode BenchE2e(const GlobalOptions& global, const BenchOptions& options) {
  return RunBench(global, options, [&](const BenchPlan& plan, Client& client, const TopicDescription& topic) -> Result<BenchResult> {
    auto consumer = client.NewConsumer();
    if (!consumer) return consumer.error();
    RoundTrips trips(global, options, plan, topic);
    auto producer = client.NewProducer(plan.producer);  // goes before what its callbacks touch
    if (!producer) return producer.error();
    if (const auto assigned = trips.Assign(*consumer); !assigned) return assigned.error();
    return trips.Run(*producer, *consumer);
  });
}

}  // namespace cordwood::client
