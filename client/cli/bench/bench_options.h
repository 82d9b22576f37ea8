// SPDX-License-Identifier: Apache-2.0
// What stands on the command line of cord bench, and what it means once it is checked.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <optional>
#include <string>
#include <vector>

#include "client/cli/options.h"
#include "cordwood/producer.h"
#include "storage/base/reason.h"

namespace cordwood::client {

inline constexpr std::int64_t kRecordsMax = 1'000'000'000'000'000;
inline constexpr std::int64_t kKeysMax = 10'000'000;
inline constexpr int kProducersMax = 64;

enum class BenchKind { kProduce, kConsume, kE2e };

struct BenchOptions {
  BenchKind kind = BenchKind::kProduce;
  std::string topic = {};
  std::int64_t records = 1'000'000;     // counted; warm-up comes besides
  std::string size = "1024";            // of a value
  std::string rate = {};                // "10000/s"; empty: as fast as it goes
  std::int64_t keys = 0;                // how many different; 0: records without a key
  std::string partitions = {};          // "all", "0,3,5"; empty: produce leaves it to the library, the others take all
  int producers = 1;
  std::string acks = "all";
  std::string linger = "1ms";
  std::string batch_bytes = "128KiB";
  std::string compression = "none";
  std::string payload = "random";       // or "compressible"
  std::string warm_up = "0";            // "10000" records or "5s"
  std::string from = "start";           // consume: or "end"
  std::string idle = "0ms";             // e2e: between two records
};

// The options, checked and in units.
struct BenchPlan {
  std::uint64_t records = 0;
  std::size_t size = 0;
  double rate = 0;                      // per second; 0: none
  std::uint64_t keys = 0;
  std::optional<std::vector<std::int32_t>> partitions;  // nullopt: all, if all_partitions, else the library chooses
  bool all_partitions = false;
  int producers = 1;
  ProducerOptions producer;
  bool compressible = false;
  std::uint64_t warm_up_records = 0;
  std::chrono::nanoseconds warm_up{0};
  bool from_end = false;
  std::chrono::milliseconds idle{0};
};

// INVALID_REQUEST names the option and what would be right.
StatusOr<BenchPlan> MakeBenchPlan(const GlobalOptions& global, const BenchOptions& options);

}  // namespace cordwood::client
