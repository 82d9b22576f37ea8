// SPDX-License-Identifier: Apache-2.0
// Parsing and stamping of the 61-byte batch header.
#include "storage/record/record_batch.h"

#include <cstdio>
#include <string>

#include "storage/base/check.h"
#include "storage/base/crc32c.h"

namespace cordwood {
namespace {

constexpr char kMagic = 2;
constexpr std::size_t kLengthAt = 8;
constexpr std::size_t kLeaderEpochAt = 12;
constexpr std::size_t kMagicAt = 16;
constexpr std::size_t kCrcAt = 17;
constexpr std::size_t kAttributesAt = 21;
constexpr std::size_t kMaxTimestampAt = 35;

Status Corrupt(std::string message) { return Error(Reason::kCorruptMessage, std::move(message)); }

}  // namespace

StatusOr<RecordBatchView> RecordBatchView::Parse(std::string_view bytes) {
  if (bytes.size() < kBatchHeaderBytes) {
    return Corrupt("record batch of " + std::to_string(bytes.size()) + " bytes is shorter than its header of 61");
  }
  if (bytes[kMagicAt] != kMagic) {
    return Corrupt("record batch has magic " + std::to_string(static_cast<int>(bytes[kMagicAt])) + ", only 2 is supported");
  }
  const RecordBatchView batch(bytes);
  const std::int64_t length = batch.Load<std::int32_t>(kLengthAt);
  if (length + static_cast<std::int64_t>(kBatchLengthPrefixBytes) != static_cast<std::int64_t>(bytes.size())) {
    return Corrupt("record batch says " + std::to_string(length) + " bytes after its length but has " +
                   std::to_string(bytes.size() - kBatchLengthPrefixBytes));
  }
  if (batch.codec() > Codec::kZstd) {
    return Error(Reason::kUnsupportedCompression,
                 "record batch names codec " + std::to_string(static_cast<int>(batch.codec())) + ", known are 0 to 4");
  }
  return batch;
}

StatusOr<RecordBatchView> RecordBatchView::TakeFirst(std::string_view* bytes) {
  if (bytes->size() < kBatchHeaderBytes) return Parse(*bytes);
  const std::int64_t length = LoadBigEndian<std::int32_t>(bytes->data() + kLengthAt);
  const std::int64_t size = length + static_cast<std::int64_t>(kBatchLengthPrefixBytes);
  if (size < static_cast<std::int64_t>(kBatchHeaderBytes) || size > static_cast<std::int64_t>(bytes->size())) {
    return Corrupt("record batch says " + std::to_string(length) + " bytes after its length, of which " +
                   std::to_string(bytes->size() - kBatchLengthPrefixBytes) + " are there");
  }
  auto batch = Parse(bytes->substr(0, static_cast<std::size_t>(size)));
  if (batch.ok()) bytes->remove_prefix(static_cast<std::size_t>(size));
  return batch;
}

Status RecordBatchView::CheckCrc() const {
  const std::uint32_t computed = Crc32c(bytes_.substr(kBatchCrcStart));
  if (computed == crc()) return absl::OkStatus();
  char message[80];
  std::snprintf(message, sizeof message, "record batch has CRC %08x, its bytes give %08x", crc(), computed);
  return Corrupt(message);
}

Sequence RecordBatchView::last_sequence() const {
  if (base_sequence() < Sequence(0) || last_offset_delta() < 0) return base_sequence();
  return NextSequence(base_sequence(), last_offset_delta());
}

Sequence NextSequence(Sequence sequence, std::int32_t n) {
  CORDWOOD_CHECK(sequence >= Sequence(0) && n >= 0);
  const std::uint32_t sum = static_cast<std::uint32_t>(sequence.value()) + static_cast<std::uint32_t>(n);
  return Sequence(static_cast<std::int32_t>(sum & 0x7FFF'FFFFU));
}

void StampBatch(char* batch, Offset base_offset, LeaderEpoch epoch) {
  StoreBigEndian(batch, base_offset.value());
  StoreBigEndian(batch + kLeaderEpochAt, epoch.value());
}

void RewriteToLogAppendTime(char* batch, std::size_t size, std::int64_t append_ms) {
  const auto attributes = LoadBigEndian<std::int16_t>(batch + kAttributesAt);
  StoreBigEndian(batch + kAttributesAt, static_cast<std::int16_t>(attributes | kLogAppendTimeBit));
  StoreBigEndian(batch + kMaxTimestampAt, append_ms);
  StoreBigEndian(batch + kCrcAt, Crc32c({batch + kBatchCrcStart, size - kBatchCrcStart}));
}

}  // namespace cordwood
