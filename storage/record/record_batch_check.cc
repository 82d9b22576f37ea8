// SPDX-License-Identifier: Apache-2.0
// The checks on a client's batch, cheapest and most telling first.
#include "storage/record/record_batch_check.h"

#include <string>

namespace cordwood {
namespace {

constexpr std::int16_t kKnownBits = kCodecMask | kLogAppendTimeBit | kTransactionalBit | kControlBit;
constexpr std::int64_t kRecordBytesMin = 7;  // length, attributes, both deltas, null key, null value, no headers

Status Invalid(std::string message) { return Error(Reason::kInvalidRecord, "record batch " + std::move(message)); }
Status InvalidTime(std::string message) { return Error(Reason::kInvalidTimestamp, "record batch " + std::move(message)); }

Status CheckCount(const RecordBatchView& batch) {
  const std::int64_t count = batch.record_count();
  const std::int64_t delta = batch.last_offset_delta();
  if (count <= 0) return Invalid("has " + std::to_string(count) + " records");
  if (delta + 1 != count) {
    return Invalid("has " + std::to_string(count) + " records but last offset delta " + std::to_string(delta));
  }
  if (batch.codec() == Codec::kNone && count * kRecordBytesMin > static_cast<std::int64_t>(batch.records().size())) {
    return Invalid("has no room for its " + std::to_string(count) + " records");
  }
  if (batch.base_offset() != Offset(0)) {
    return Invalid("has base offset " + ToString(batch.base_offset()) + "; the broker gives offsets, send 0");
  }
  return absl::OkStatus();
}

Status CheckAttributes(const RecordBatchView& batch) {
  if (batch.is_control()) return Invalid("is a control batch; clients may not write those");
  if (batch.is_transactional()) return Invalid("is transactional, but there is no transaction");
  if ((batch.attributes() & ~kKnownBits) != 0) {
    return Invalid("has unknown attributes " + std::to_string(batch.attributes() & ~kKnownBits));
  }
  if (batch.is_log_append_time()) return InvalidTime("has the LogAppendTime bit; only the broker sets it");
  return absl::OkStatus();
}

// Without a producer id Kafka looks at neither epoch nor sequence (kafkajs sends 0 for both), so we do not either.
Status CheckProducer(const RecordBatchView& batch) {
  const ProducerId id = batch.producer_id();
  if (id == kNoProducerId) return absl::OkStatus();
  if (id < kNoProducerId) return Invalid("has producer id " + ToString(id));
  if (batch.producer_epoch() < ProducerEpoch(0)) return Invalid("has a producer id but no producer epoch");
  if (batch.base_sequence() < Sequence(0)) return Invalid("has a producer id but no sequence");
  return absl::OkStatus();
}

// The header knows the first record's time and the latest; CheckRecords() looks at every one. Where that cannot (compressed records), one in
// the middle that is older than the first may slip through, which harms nobody: retention goes by the append time.
Status CheckTimestamps(const RecordBatchView& batch, const BatchLimits& limits, std::int64_t reference_ms) {
  if (limits.log_append_time) return absl::OkStatus();
  const std::int64_t first_ms = batch.base_timestamp_ms();
  const std::int64_t max_ms = batch.max_timestamp_ms();
  if (first_ms < kNoTimestampMs || max_ms < kNoTimestampMs) return InvalidTime("has a time before 1970");
  // A time index built on such a header would miss records.
  if (max_ms < first_ms) {
    return InvalidTime("has max timestamp " + std::to_string(max_ms) + " before its first one " + std::to_string(first_ms));
  }
  if (first_ms != kNoTimestampMs && reference_ms - first_ms > limits.before_ms_max) {
    return InvalidTime("begins at " + std::to_string(first_ms) + " ms, more than message.timestamp.before.max.ms=" +
                       std::to_string(limits.before_ms_max) + " before " + std::to_string(reference_ms));
  }
  if (max_ms - reference_ms > limits.after_ms_max) {
    return InvalidTime("ends at " + std::to_string(max_ms) + " ms, more than message.timestamp.after.max.ms=" +
                       std::to_string(limits.after_ms_max) + " after " + std::to_string(reference_ms));
  }
  return absl::OkStatus();
}

}  // namespace

Status CheckAppend(const RecordBatchView& batch, const BatchLimits& limits, std::int64_t reference_ms) {
  if (batch.bytes().size() > limits.batch_bytes_max) {
    return Error(Reason::kMessageTooLarge, "record batch of " + std::to_string(batch.bytes().size()) +
                                               " bytes is larger than max.message.bytes=" +
                                               std::to_string(limits.batch_bytes_max));
  }
  CORDWOOD_RETURN_IF_ERROR(batch.CheckCrc());
  CORDWOOD_RETURN_IF_ERROR(CheckCount(batch));
  CORDWOOD_RETURN_IF_ERROR(CheckAttributes(batch));
  CORDWOOD_RETURN_IF_ERROR(CheckProducer(batch));
  return CheckTimestamps(batch, limits, reference_ms);
}

}  // namespace cordwood
