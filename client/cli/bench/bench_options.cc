// SPDX-License-Identifier: Apache-2.0
// Words into numbers, each with its bounds.
#include "client/cli/bench/bench_options.h"

#include <algorithm>
#include <limits>
#include <string_view>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "client/cli/position.h"
#include "client/cli/session.h"

namespace cordwood::client {
namespace {

constexpr std::int64_t kSizeMax = 7'999'900;     // no topic takes a batch of more than 8 000 000 bytes, header included
constexpr std::int64_t kBatchBytesMax = 8 << 20;

Status Wrong(const std::string& option, const std::string& text, const std::string& right) {
  return Error(Reason::kInvalidRequest, option + " \"" + text + "\": " + right);
}

Status Wrong(const std::string& option, const Status& why) { return Error(Reason::kInvalidRequest, option + ": " + MessageOf(why)); }

StatusOr<std::int64_t> BytesWithin(const std::string& option, const std::string& text, std::int64_t min, std::int64_t max) {
  const auto bytes = ParseBytes(text);
  if (!bytes.ok()) return Wrong(option, bytes.status());
  if (*bytes < min || *bytes > max) return Wrong(option, text, std::to_string(min) + " to " + std::to_string(max) + " bytes");
  return *bytes;
}

StatusOr<std::chrono::milliseconds> TimeUpToAnHour(const std::string& option, const std::string& text) {
  const auto ms = ParseDurationMs(text);
  if (!ms.ok()) return Wrong(option, ms.status());
  if (*ms > 3'600'000) return Wrong(option, text, "0 to 1h");
  return std::chrono::milliseconds(*ms);
}

Status ParsePartitions(const std::string& text, BenchPlan* plan) {
  if (text.empty()) return absl::OkStatus();
  if (text == "all") {
    plan->all_partitions = true;
    return absl::OkStatus();
  }
  std::vector<std::int32_t> partitions;
  for (const auto word : absl::StrSplit(text, ',')) {
    std::int32_t partition = -1;
    if (!absl::SimpleAtoi(word, &partition) || partition < 0) return Wrong("--partitions", text, "all, or a list as 0,3,5");
    partitions.push_back(partition);
  }
  std::sort(partitions.begin(), partitions.end());
  if (std::adjacent_find(partitions.begin(), partitions.end()) != partitions.end()) return Wrong("--partitions", text, "each only once");
  plan->partitions = std::move(partitions);
  return absl::OkStatus();
}

// A plain number is records, anything else a time.
Status ParseWarmUp(const std::string& text, BenchPlan* plan) {
  if (std::int64_t records = 0; absl::SimpleAtoi(text, &records) && records >= 0) {
    plan->warm_up_records = static_cast<std::uint64_t>(records);
    return absl::OkStatus();
  }
  const auto time = TimeUpToAnHour("--warm-up", text);
  if (!time.ok()) return Wrong("--warm-up", text, "so many records, as 10000, or a time up to 1h, as 5s");
  plan->warm_up = *time;
  return absl::OkStatus();
}

Status ParseProducer(const BenchOptions& options, ProducerOptions* producer) {
  CORDWOOD_ASSIGN_OR_RETURN(const std::int64_t batch, BytesWithin("--batch-size", options.batch_bytes, 1, kBatchBytesMax));
  producer->batch_bytes = static_cast<std::size_t>(batch);
  CORDWOOD_ASSIGN_OR_RETURN(producer->linger, TimeUpToAnHour("--linger", options.linger));
  if (options.acks == "none" || options.acks == "0") {
    producer->acks = cordwood::Acks::kNone;
    producer->idempotence = false;
  } else if (options.acks == "leader" || options.acks == "1") {
    producer->acks = cordwood::Acks::kLeader;
  } else if (options.acks != "all" && options.acks != "-1") {
    return Wrong("--acks", options.acks, "all, leader or none");
  }
  constexpr std::pair<std::string_view, Compression> kCodecs[] = {{"none", Compression::kNone},
                                                                  {"gzip", Compression::kGzip},
                                                                  {"snappy", Compression::kSnappy},
                                                                  {"lz4", Compression::kLz4},
                                                                  {"zstd", Compression::kZstd}};
  for (const auto& [name, codec] : kCodecs) {
    if (options.compression != name) continue;
    producer->compression = codec;
    return absl::OkStatus();
  }
  return Wrong("--compression", options.compression, "none, gzip, snappy, lz4 or zstd");
}

}  // namespace

StatusOr<BenchPlan> MakeBenchPlan(const GlobalOptions& global, const BenchOptions& options) {
  BenchPlan plan;
  if (options.records < 1) return Wrong("--records", std::to_string(options.records), "at least 1");
  plan.records = static_cast<std::uint64_t>(options.records);
  CORDWOOD_ASSIGN_OR_RETURN(const std::int64_t size, BytesWithin("--size", options.size, 0, kSizeMax));
  plan.size = static_cast<std::size_t>(size);
  if (!options.rate.empty()) {
    const auto rate = ParseRate(options.rate);
    if (!rate.ok()) return Wrong("--rate", rate.status());
    plan.rate = *rate;
  }
  if (options.keys < 0 || options.keys > kKeysMax) return Wrong("--keys", std::to_string(options.keys), "0 to " + std::to_string(kKeysMax));
  plan.keys = static_cast<std::uint64_t>(options.keys);
  if (options.producers < 1 || options.producers > kProducersMax) {
    return Wrong("--producers", std::to_string(options.producers), "1 to " + std::to_string(kProducersMax));
  }
  if (static_cast<std::uint64_t>(options.producers) > plan.records) {
    return Wrong("--producers", std::to_string(options.producers), "not more than records");
  }
  plan.producers = options.producers;
  CORDWOOD_RETURN_IF_ERROR(ParsePartitions(options.partitions, &plan));
  CORDWOOD_RETURN_IF_ERROR(ParseWarmUp(options.warm_up, &plan));
  CORDWOOD_RETURN_IF_ERROR(ParseProducer(options, &plan.producer));
  if (options.payload != "random" && options.payload != "compressible") return Wrong("--payload", options.payload, "random or compressible");
  plan.compressible = options.payload == "compressible";
  if (options.from != "start" && options.from != "end") return Wrong("--from", options.from, "start or end");
  plan.from_end = options.from == "end";
  CORDWOOD_ASSIGN_OR_RETURN(plan.idle, TimeUpToAnHour("--idle", options.idle));
  plan.producer.max_block = plan.producer.delivery_timeout = LibraryTimeout(global);
  if (options.kind == BenchKind::kE2e) plan.producer.linger = std::chrono::microseconds(0);
  if (plan.producer.linger >= plan.producer.delivery_timeout) return Wrong("--linger", options.linger, "shorter than --timeout");
  return plan;
}

}  // namespace cordwood::client
