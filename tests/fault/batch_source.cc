// SPDX-License-Identifier: Apache-2.0
// Batches are functions of their plan: a serial number in every key makes each unique.
#include "tests/fault/batch_source.h"

#include <string>

#include "storage/base/check.h"
#include "storage/log/side_header.h"
#include "tests/fault/page_fates.h"

namespace cordwood::testing {
namespace {

constexpr std::size_t kBlobBytes = 4096;
constexpr std::size_t kOverheadBytes = 110;  // about: header, side header and one record's frame

// Times within a batch go up and down, as clients' do.
std::int64_t TimestampOf(const BatchPlan& plan, std::int32_t record) {
  return plan.first_timestamp_ms + static_cast<std::int64_t>(Mix(plan.serial, static_cast<std::uint64_t>(record)) % 40);
}

std::string NoiseOf(const BatchPlan& plan, std::int32_t record) {
  std::string value(plan.value_bytes, '\0');
  std::uint64_t noise = 0;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (i % 8 == 0) noise = Mix(plan.serial * 131 + static_cast<std::uint64_t>(record), i);
    value[i] = static_cast<char>(noise >> (i % 8 * 8));
  }
  return value;
}

}  // namespace

BatchPlan PlanBatch(Dice& dice, std::uint64_t serial, std::int64_t now_ms) {
  BatchPlan plan;
  plan.serial = serial;
  const std::uint64_t kind = dice.Below(16);
  if (kind < 9) {
    plan.count = static_cast<std::int32_t>(dice.Between(1, 6));
    plan.value_bytes = dice.Below(80);
  } else if (kind < 12) {
    plan.count = static_cast<std::int32_t>(dice.Between(2, 12));
    plan.value_bytes = dice.Below(300);
  } else if (kind < 14) {
    plan.value_bytes = kBlobBytes - kOverheadBytes - 40 + dice.Below(80);
  } else {
    plan.count = static_cast<std::int32_t>(dice.Between(1, 3));
    plan.value_bytes = 2000 + dice.Below(6000);
  }
  plan.codec = dice.OneIn(3) ? static_cast<Codec>(dice.Below(5)) : Codec::kNone;
  plan.first_timestamp_ms = now_ms - static_cast<std::int64_t>(dice.Below(200));
  return plan;
}

SharedBytes MakeBatch(const BatchPlan& plan) {
  RecordBatchBuilder builder;
  for (std::int32_t i = 0; i < plan.count; ++i) {
    const std::string key = std::to_string(plan.serial) + "/" + std::to_string(i);
    const std::string value = NoiseOf(plan, i);
    RecordView record;
    record.timestamp_ms = TimestampOf(plan, i);
    record.key = key;
    record.value = value;
    builder.Add(record);
  }
  StatusOr<SharedBytes> batch = builder.Build(plan.codec, plan.producer, kSideHeaderBytes);
  CORDWOOD_CHECK(batch.ok());
  return *std::move(batch);
}

std::shared_ptr<ModelBatch> ModelOf(const BatchPlan& plan, Offset base, LeaderEpoch epoch, std::int64_t append_ms, bool log_append_time) {
  auto batch = std::make_shared<ModelBatch>();
  batch->base = base;
  batch->count = plan.count;
  batch->bytes = std::string(MakeBatch(plan).view().substr(kSideHeaderBytes));
  StampBatch(batch->bytes.data(), base, epoch);
  if (log_append_time) RewriteToLogAppendTime(batch->bytes.data(), batch->bytes.size(), append_ms);
  for (std::int32_t i = 0; i < plan.count; ++i) batch->timestamps.push_back(log_append_time ? append_ms : TimestampOf(plan, i));
  batch->append_ms = append_ms;
  batch->epoch = epoch;
  batch->producer = plan.producer.id;
  batch->producer_epoch = plan.producer.epoch;
  batch->first_sequence = plan.producer.base_sequence;
  batch->serial = plan.serial;
  return batch;
}

}  // namespace cordwood::testing
