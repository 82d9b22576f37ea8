// SPDX-License-Identifier: Apache-2.0
// Encodes records and the header over them.
//
//     record: length varint | attributes i8 = 0 | timestamp delta varlong | offset delta varint | key length varint, key |
//             value length varint, value | header count varint | { key length varint, key, value length varint, value }*
//     Lengths of -1 are null. All varints are zig-zag.
#include "storage/record/record_batch_builder.h"

#include <algorithm>
#include <cstring>
#include <optional>
#include <string_view>

#include "storage/base/check.h"
#include "storage/base/coding.h"
#include "storage/base/crc32c.h"

namespace cordwood {
namespace {

constexpr std::int8_t kMagic = 2;
constexpr std::size_t kBatchBytesMax = INT32_MAX;
using NullableBytes = std::optional<std::string_view>;

std::int64_t LengthOf(const NullableBytes& bytes) { return bytes.has_value() ? static_cast<std::int64_t>(bytes->size()) : -1; }

std::size_t EncodedBytes(const NullableBytes& bytes) {
  return VarlongSize(LengthOf(bytes)) + (bytes.has_value() ? bytes->size() : 0);
}

void AppendNullable(std::string* to, const NullableBytes& bytes) {
  AppendVarlong(to, LengthOf(bytes));
  if (bytes.has_value()) to->append(*bytes);
}

// Wraps, as the reader's addition does, so that any two times come out as they went in.
std::int64_t Difference(std::int64_t a, std::int64_t b) {
  return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) - static_cast<std::uint64_t>(b));
}

// All of a record after its length.
std::size_t BodyBytes(const RecordView& record, std::int64_t timestamp_delta, int offset_delta) {
  std::size_t bytes = 1 + VarlongSize(timestamp_delta) + VarlongSize(offset_delta) + EncodedBytes(record.key) +
                      EncodedBytes(record.value) + VarlongSize(static_cast<std::int64_t>(record.headers.size()));
  for (const RecordHeader& header : record.headers) bytes += EncodedBytes(header.key) + EncodedBytes(header.value);
  return bytes;
}

}  // namespace

void RecordBatchBuilder::Add(const RecordView& record) {
  if (count_ == 0) base_timestamp_ms_ = max_timestamp_ms_ = record.timestamp_ms;
  const std::int64_t timestamp_delta = Difference(record.timestamp_ms, base_timestamp_ms_);

  char prefix[kVarlongBytesMax * 3 + 1 + kVarlongBytesMax];
  char* end = StoreVarlong(prefix, static_cast<std::int64_t>(BodyBytes(record, timestamp_delta, count_)));
  *end++ = 0;  // attributes
  end = StoreVarlong(end, timestamp_delta);
  end = StoreVarlong(end, count_);
  end = StoreVarlong(end, LengthOf(record.key));
  records_.append(prefix, static_cast<std::size_t>(end - prefix));
  if (record.key.has_value()) records_.append(*record.key);
  AppendNullable(&records_, record.value);
  AppendVarlong(&records_, static_cast<std::int64_t>(record.headers.size()));
  for (const RecordHeader& header : record.headers) {
    AppendNullable(&records_, header.key);
    AppendNullable(&records_, header.value);
  }

  max_timestamp_ms_ = std::max(max_timestamp_ms_, record.timestamp_ms);
  ++count_;
}

std::size_t RecordBatchBuilder::plain_bytes() const { return kBatchHeaderBytes + records_.size(); }

std::size_t RecordBatchBuilder::RecordBytes(const RecordView& record) const {
  const std::int64_t timestamp_delta = count_ == 0 ? 0 : Difference(record.timestamp_ms, base_timestamp_ms_);
  const std::size_t body = BodyBytes(record, timestamp_delta, count_);
  return VarlongSize(static_cast<std::int64_t>(body)) + body;
}

StatusOr<SharedBytes> RecordBatchBuilder::Build(Codec codec, const ProducerStamp& producer, std::size_t headroom) {
  CORDWOOD_CHECK(count_ > 0);
  std::string compressed;
  if (codec != Codec::kNone) CORDWOOD_RETURN_IF_ERROR(Compress(codec, records_, &compressed));
  const std::string_view records = codec == Codec::kNone ? records_ : compressed;
  const std::size_t size = kBatchHeaderBytes + records.size();
  if (size > kBatchBytesMax) return Error(Reason::kRecordListTooLarge, "more than 2 GiB in one batch");

  SharedBytes block = SharedBytes::Allocate(headroom + size);
  char* const batch = block.mutable_data() + headroom;
  StampBatch(batch, Offset(0), kNoLeaderEpoch);
  StoreBigEndian(batch + 8, static_cast<std::int32_t>(size - kBatchLengthPrefixBytes));
  StoreBigEndian(batch + 16, kMagic);
  StoreBigEndian(batch + 21, static_cast<std::int16_t>(codec));
  StoreBigEndian(batch + 23, static_cast<std::int32_t>(count_ - 1));
  StoreBigEndian(batch + 27, base_timestamp_ms_);
  StoreBigEndian(batch + 35, max_timestamp_ms_);
  StoreBigEndian(batch + 43, producer.id.value());
  StoreBigEndian(batch + 51, producer.epoch.value());
  StoreBigEndian(batch + 53, producer.base_sequence.value());
  StoreBigEndian(batch + 57, static_cast<std::int32_t>(count_));
  std::memcpy(batch + kBatchHeaderBytes, records.data(), records.size());
  StoreBigEndian(batch + 17, Crc32c({batch + kBatchCrcStart, size - kBatchCrcStart}));

  records_.clear();  // keeps its memory for the next batch
  count_ = 0;
  return block;
}

}  // namespace cordwood
