// SPDX-License-Identifier: Apache-2.0
// The walk runs on the network thread for each plain batch: what passes costs no more than its varints; texts are made for refusals only.
#include "storage/record/record_check.h"

#include <algorithm>
#include <string>
#include <string_view>

#include "storage/base/coding.h"
#include "storage/record/record_reader.h"

namespace cordwood {
namespace {

// Times that may stand in a record, both inclusive. kNoTimestampMs is always allowed.
struct Window {
  std::int64_t first_ms;
  std::int64_t last_ms;
};

Window WindowOf(const BatchLimits& limits, std::int64_t reference_ms) {
  Window window{0, INT64_MAX};
  if (limits.before_ms_max < reference_ms) window.first_ms = reference_ms - limits.before_ms_max;
  if (limits.after_ms_max < INT64_MAX - reference_ms) window.last_ms = reference_ms + limits.after_ms_max;
  return window;
}

Status Invalid(int index, const std::string& rule) {
  return Error(Reason::kInvalidRecord, "record " + std::to_string(index) + " of the batch " + rule);
}

Status OutOfWindow(int index, std::int64_t ms, const BatchLimits& limits, std::int64_t reference_ms) {
  std::string text = "record " + std::to_string(index) + " of the batch is of " + std::to_string(ms) + " ms, ";
  if (ms < 0) {
    text += "before 1970";
  } else if (ms < reference_ms) {
    text += "more than message.timestamp.before.max.ms=" + std::to_string(limits.before_ms_max) + " before " + std::to_string(reference_ms);
  } else {
    text += "more than message.timestamp.after.max.ms=" + std::to_string(limits.after_ms_max) + " after " + std::to_string(reference_ms);
  }
  return Error(Reason::kInvalidTimestamp, text);
}

// Skips a length and as many bytes; -1 is null and has none. What is longer than the rest or below -1 fails the reader.
void SkipNullable(ByteReader* in) {
  const std::int32_t length = in->ReadVarint();
  if (length != -1) in->ReadBytes(static_cast<std::size_t>(static_cast<std::int64_t>(length)));
}

// Every header takes bytes, so that the loop ends with them, whatever the count says.
bool SkipHeaders(ByteReader* in) {
  const std::int32_t count = in->ReadVarint();
  for (std::int32_t i = 0; i < count && in->ok(); ++i) {
    const std::int32_t key = in->ReadVarint();
    if (key < 0) return false;
    in->ReadBytes(static_cast<std::size_t>(key));
    SkipNullable(in);
  }
  return count >= 0 && in->ok();
}

// Walks one record; `*timestamp_delta` is its own.
Status Walk(ByteReader* in, int index, std::int64_t* timestamp_delta) {
  const std::int32_t length = in->ReadVarint();
  if (!in->ok() || length < 0 || static_cast<std::size_t>(length) > in->rest().size()) return Invalid(index, "is longer than what is left of the batch");
  ByteReader body(in->ReadBytes(static_cast<std::size_t>(length)));
  const int attributes = body.Read<std::int8_t>();
  *timestamp_delta = body.ReadVarlong();
  const std::int32_t offset_delta = body.ReadVarint();
  if (!body.ok()) return Invalid(index, "ends within its attributes, timestamp delta or offset delta");
  if (attributes != 0) return Invalid(index, "has attributes " + std::to_string(attributes) + "; there are none");
  if (offset_delta != index) return Invalid(index, "has offset delta " + std::to_string(offset_delta) + " instead of " + std::to_string(index));
  SkipNullable(&body);
  if (!body.ok()) return Invalid(index, "has a key length that does not fit its length");
  SkipNullable(&body);
  if (!body.ok()) return Invalid(index, "has a value length that does not fit its length");
  if (!SkipHeaders(&body)) return Invalid(index, "has headers that do not fit its length");
  if (!body.done()) return Invalid(index, "is longer than its fields by " + std::to_string(body.rest().size()) + " bytes");
  return absl::OkStatus();
}

}  // namespace

Status CheckRecords(const RecordBatchView& batch, const BatchLimits& limits, std::int64_t reference_ms) {
  if (batch.codec() != Codec::kNone) return absl::OkStatus();
  const Window window = WindowOf(limits, reference_ms);
  const auto base_ms = static_cast<std::uint64_t>(batch.base_timestamp_ms());
  const std::int32_t count = batch.record_count();
  std::int64_t max_ms = INT64_MIN;
  ByteReader in(batch.records());
  for (std::int32_t index = 0; index < count; ++index) {
    std::int64_t timestamp_delta = 0;
    CORDWOOD_RETURN_IF_ERROR(Walk(&in, index, &timestamp_delta));
    const auto ms = static_cast<std::int64_t>(base_ms + static_cast<std::uint64_t>(timestamp_delta));  // wraps as the reader's sum does
    max_ms = std::max(max_ms, ms);
    if (limits.log_append_time || ms == kNoTimestampMs || (ms >= window.first_ms && ms <= window.last_ms)) continue;
    return OutOfWindow(index, ms, limits, reference_ms);
  }
  if (!in.done()) {
    return Error(Reason::kInvalidRecord, "record batch has " + std::to_string(in.rest().size()) + " bytes behind the last of its " +
                                             std::to_string(count) + " records");
  }
  if (max_ms != batch.max_timestamp_ms() && !limits.log_append_time) {
    return Error(Reason::kInvalidTimestamp, "record batch has max timestamp " + std::to_string(batch.max_timestamp_ms()) +
                                                ", but the latest of its records is of " + std::to_string(max_ms));
  }
  return absl::OkStatus();
}

Status CheckKeys(const RecordBatchView& batch) {
  RecordReader reader(batch);
  CORDWOOD_RETURN_IF_ERROR(reader.Open());
  RecordView record;
  for (int index = 0;; ++index) {
    CORDWOOD_ASSIGN_OR_RETURN(const bool more, reader.Next(&record));
    if (!more) return absl::OkStatus();
    if (!record.key.has_value()) return Invalid(index, "has no key; each record of a compacted topic (cleanup.policy=compact) needs one");
  }
}

}  // namespace cordwood
