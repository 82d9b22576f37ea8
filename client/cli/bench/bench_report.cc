// SPDX-License-Identifier: Apache-2.0
// The document of a bench and its text.
#include "client/cli/bench/bench_report.h"

#include <sys/resource.h>
#include <sys/utsname.h>
#include <unistd.h>

#include <algorithm>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <thread>

#include "client/cli/bench/open_loop.h"
#include "client/cli/commands.h"
#include "client/cli/interrupt.h"
#include "client/cli/record_format.h"
#include "client/cli/session.h"
#include "client/cli/stdout_writer.h"
#include "client/cli/table.h"
#include "client/failure.h"
#include "storage/base/clock.h"

namespace cordwood::client {
namespace {

using Json = nlohmann::ordered_json;

constexpr std::pair<const char*, double> kPercentiles[] = {{"p50", 0.5}, {"p90", 0.9}, {"p99", 0.99}, {"p99_9", 0.999}, {"p99_99", 0.9999}};
constexpr std::int64_t kProgressEveryNs = 250'000'000;

const char* NameOf(BenchKind kind) {
  switch (kind) {
    case BenchKind::kProduce: return "produce";
    case BenchKind::kConsume: return "consume";
    case BenchKind::kE2e: return "e2e";
  }
  return "";
}

double Micros(std::int64_t ns) { return static_cast<double>(ns) / 1000; }
double PerSecond(std::uint64_t count, double seconds) { return seconds > 0 ? static_cast<double>(count) / seconds : 0; }

Json JsonOf(const LatencyHistogram& histogram) {
  Json json{{"count", histogram.count()}, {"min", Micros(histogram.min())}, {"mean", histogram.mean() / 1000}};
  for (const auto& [name, fraction] : kPercentiles) json[name] = Micros(histogram.Percentile(fraction));
  json["max"] = Micros(histogram.max());
  Json buckets = Json::array();
  for (const auto& bucket : histogram.Buckets()) buckets.push_back(Json::array({Micros(bucket.low), Micros(bucket.high), bucket.count}));
  json["histogram"] = std::move(buckets);
  return json;
}

Json JsonOf(const GlobalOptions& global, const BenchOptions& o, const BenchPlan& plan) {
  Json json{{"brokers", global.brokers}, {"timeout_ms", LibraryTimeout(global).count()}, {"records", plan.records}};
  json["partitions"] = o.partitions.empty() && o.kind != BenchKind::kProduce ? "all" : o.partitions;
  if (o.kind != BenchKind::kE2e) json["warm_up"] = o.warm_up;
  if (o.kind == BenchKind::kConsume) {
    json["from"] = o.from;
    return json;
  }
  json["size"] = plan.size;
  json["payload"] = o.payload;
  json["acks"] = o.acks;
  json["compression"] = o.compression;
  json["linger_us"] = plan.producer.linger.count();
  json["batch_size"] = plan.producer.batch_bytes;
  if (o.kind == BenchKind::kE2e) {
    json["idle_ms"] = plan.idle.count();
    return json;
  }
  json["rate_per_s"] = plan.rate;
  json["keys"] = plan.keys;
  json["producers"] = plan.producers;
  return json;
}

Json JsonOfHost() {
  utsname name{};
  uname(&name);
  return Json{{"cores", std::thread::hardware_concurrency()}, {"system", name.sysname}, {"release", name.release}, {"machine", name.machine}};
}

void PrintText(const BenchOptions& options, const BenchResult& result, StdoutWriter& out) {
  char line[240];
  std::snprintf(line, sizeof line, "%s %s: %s records, %s in %.2f s (%s records/s, %s/s); %s failed; %.2f s of CPU here\n", NameOf(options.kind), options.topic.c_str(),
                WithCommas(result.records).c_str(), HumanBytes(result.bytes).c_str(), result.seconds,
                WithCommas(static_cast<std::uint64_t>(PerSecond(result.records, result.seconds))).c_str(),
                HumanBytes(static_cast<std::uint64_t>(PerSecond(result.bytes, result.seconds))).c_str(), WithCommas(result.failed).c_str(), result.cpu_seconds);
  out.Write(line);
  for (const NamedLatency& latency : result.latencies) {
    out.Write("\n" + latency.name + ":");
    const auto add = [&](const char* name, std::int64_t ns) {
      std::snprintf(line, sizeof line, "  %s %.1f", name, Micros(ns));
      out.Write(line);
    };
    for (const auto& [name, fraction] : kPercentiles) add(name, latency.histogram.Percentile(fraction));
    add("max", latency.histogram.max());
    out.Write("\n" + latency.histogram.Text());
  }
}

void PrintJson(const GlobalOptions& global, const BenchOptions& options, const BenchPlan& plan, const TopicDescription& topic, const BenchResult& result,
               StdoutWriter& out) {
  Json json{{"bench", NameOf(options.kind)}, {"version", kVersion}, {"finished", Rfc3339(Clock::System().WallMs())}};
  json["host"] = JsonOfHost();
  json["topic"] = Json{{"name", topic.name}, {"partitions", topic.leaders.size()}, {"configs", topic.configs}};
  json["options"] = JsonOf(global, options, plan);
  json["records"] = result.records;
  json["failed"] = result.failed;
  json["bytes"] = result.bytes;
  json["seconds"] = result.seconds;
  json["records_per_s"] = PerSecond(result.records, result.seconds);
  json["bytes_per_s"] = PerSecond(result.bytes, result.seconds);
  json["cpu_seconds"] = result.cpu_seconds;
  for (const NamedLatency& latency : result.latencies) json[latency.name] = JsonOf(latency.histogram);
  out.Write(json.dump(-1, ' ', false, Json::error_handler_t::replace) + "\n");
}

}  // namespace

double ProcessCpuSeconds() {
  rusage usage{};
  getrusage(RUSAGE_SELF, &usage);
  const auto seconds = [](const timeval& t) { return static_cast<double>(t.tv_sec) + static_cast<double>(t.tv_usec) * 1e-6; };
  return seconds(usage.ru_utime) + seconds(usage.ru_stime);
}

ExitCode ReportBench(const GlobalOptions& global, const BenchOptions& options, const BenchPlan& plan, const TopicDescription& topic, const BenchResult& result) {
  StdoutWriter out;
  if (result.records > 0 && global.output == OutputForm::kJson) PrintJson(global, options, plan, topic, result, out);
  if (result.records > 0 && global.output == OutputForm::kText) PrintText(options, result, out);
  out.Flush();
  if (!out.status().ok()) return Report(global, out.status());
  if (result.failure.has_value()) {
    const ExitCode code = Report(global, ToStatus(result.failure->code(), result.failure->message()));
    return options.kind == BenchKind::kProduce && result.records > 0 ? kExitPartial : code;
  }
  return Interrupted() ? kExitInterrupted : kExitOk;
}

BenchProgress::BenchProgress(const GlobalOptions& global, std::uint64_t records)
    : shown_at_all_(!global.quiet && global.output == OutputForm::kText && isatty(STDERR_FILENO) != 0), records_(records), start_ns_(MonotonicNs()),
      last_ns_(start_ns_) {}

BenchProgress::~BenchProgress() {
  if (shown_) std::fprintf(stderr, "\r\033[K");
}

void BenchProgress::Show(std::uint64_t records, std::uint64_t bytes) {
  if (!shown_at_all_) return;
  const std::int64_t now = MonotonicNs();
  if (now - last_ns_ < kProgressEveryNs) return;
  last_ns_ = now;
  shown_ = true;
  const double seconds = static_cast<double>(now - start_ns_) / 1e9;
  std::fprintf(stderr, "\r\033[K%s records, %.0f%%, %s/s", WithCommas(records).c_str(), static_cast<double>(records) * 100 / static_cast<double>(records_),
               HumanBytes(static_cast<std::uint64_t>(PerSecond(bytes, seconds))).c_str());
}

}  // namespace cordwood::client
