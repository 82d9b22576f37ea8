// SPDX-License-Identifier: Apache-2.0
// Random record batches for the storage model, each different from every other.
#pragma once

#include <cstdint>
#include <memory>
#include <random>

#include "storage/base/shared_bytes.h"
#include "storage/record/record_batch_builder.h"
#include "tests/fault/log_model.h"

namespace cordwood::testing {

// Equal on every machine for a seed, unlike the distributions of the standard library.
class Dice {
 public:
  explicit Dice(std::uint64_t seed) : engine_(seed) {}
  std::uint64_t Below(std::uint64_t n) { return engine_() % n; }
  std::int64_t Between(std::int64_t first, std::int64_t last) {  // both inclusive
    return first + static_cast<std::int64_t>(Below(static_cast<std::uint64_t>(last - first) + 1));
  }
  bool OneIn(std::uint64_t n) { return Below(n) == 0; }

 private:
  std::mt19937_64 engine_;
};

// What a batch will be, so that the same one can be made again as a duplicate.
struct BatchPlan {
  std::uint64_t serial = 0;
  std::int32_t count = 1;
  std::size_t value_bytes = 0;  // of each record
  Codec codec = Codec::kNone;
  std::int64_t first_timestamp_ms = 0;
  ProducerStamp producer;
};

// Sizes crowd around what matters: a few hundred bytes, the limit of 4 KiB above which values go to blob files, and some larger.
BatchPlan PlanBatch(Dice& dice, std::uint64_t serial, std::int64_t now_ms);
// With kSideHeaderBytes of room in front.
SharedBytes MakeBatch(const BatchPlan& plan);
// As it will be stored.
std::shared_ptr<ModelBatch> ModelOf(const BatchPlan& plan, Offset base, LeaderEpoch epoch, std::int64_t append_ms, bool log_append_time);

}  // namespace cordwood::testing
