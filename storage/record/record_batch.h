// SPDX-License-Identifier: Apache-2.0
// The header of a record batch, Kafka's v2 layout (magic 2): 61 bytes, big-endian. Format: docs/reference/on-disk-format.md.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string_view>

#include "storage/base/coding.h"
#include "storage/base/ids.h"
#include "storage/base/reason.h"
#include "storage/record/compression.h"

namespace cordwood {

inline constexpr std::size_t kBatchHeaderBytes = 61;
inline constexpr std::size_t kBatchLengthPrefixBytes = 12;  // base offset and length; the length field counts what follows
inline constexpr std::size_t kBatchCrcStart = 21;           // CRC-32C covers [21, end)

// Attributes. persisted: never renumber
inline constexpr std::int16_t kCodecMask = 0x07;
inline constexpr std::int16_t kLogAppendTimeBit = 0x08;
inline constexpr std::int16_t kTransactionalBit = 0x10;
inline constexpr std::int16_t kControlBit = 0x20;
inline constexpr std::int16_t kDeleteHorizonBit = 0x40;  // base timestamp is when tombstones may go; set by compaction only

// One structurally sound batch inside somebody else's bytes. Structure is: magic 2, length of the header fits the bytes exactly,
// a known codec. The CRC is checked by CheckCrc(), the rules for a client's append by CheckAppend() (record_batch_check.h).
class RecordBatchView {
 public:
  // `bytes` must be exactly one batch. CORRUPT_MESSAGE (length, magic) or UNSUPPORTED_COMPRESSION_TYPE.
  static StatusOr<RecordBatchView> Parse(std::string_view bytes);
  // Cuts the first batch off the front of `*bytes`, which holds whole consecutive batches. Same errors.
  static StatusOr<RecordBatchView> TakeFirst(std::string_view* bytes);

  Status CheckCrc() const;  // CORRUPT_MESSAGE with both values

  std::string_view bytes() const { return bytes_; }
  std::string_view records() const { return bytes_.substr(kBatchHeaderBytes); }  // compressed as codec() says

  Offset base_offset() const { return Offset(Load<std::int64_t>(0)); }
  Offset last_offset() const { return Offset(Sum(Load<std::int64_t>(0), last_offset_delta())); }  // inclusive
  Offset end_offset() const { return Offset(Sum(last_offset().value(), 1)); }                      // exclusive
  LeaderEpoch leader_epoch() const { return LeaderEpoch(Load<std::int32_t>(12)); }
  std::uint32_t crc() const { return Load<std::uint32_t>(17); }
  std::int16_t attributes() const { return Load<std::int16_t>(21); }
  Codec codec() const { return static_cast<Codec>(attributes() & kCodecMask); }
  bool is_log_append_time() const { return (attributes() & kLogAppendTimeBit) != 0; }
  bool is_transactional() const { return (attributes() & kTransactionalBit) != 0; }
  bool is_control() const { return (attributes() & kControlBit) != 0; }
  std::int32_t last_offset_delta() const { return Load<std::int32_t>(23); }
  std::int64_t base_timestamp_ms() const { return Load<std::int64_t>(27); }
  std::int64_t max_timestamp_ms() const { return Load<std::int64_t>(35); }
  ProducerId producer_id() const { return ProducerId(Load<std::int64_t>(43)); }
  ProducerEpoch producer_epoch() const { return ProducerEpoch(Load<std::int16_t>(51)); }
  Sequence base_sequence() const { return Sequence(Load<std::int32_t>(53)); }
  Sequence last_sequence() const;  // base + last_offset_delta, wrapping 2^31-1 -> 0; the base itself if that is negative
  std::int32_t record_count() const { return Load<std::int32_t>(57); }

 private:
  explicit RecordBatchView(std::string_view bytes) : bytes_(bytes) {}
  template <class T>
  T Load(std::size_t at) const {
    return LoadBigEndian<T>(bytes_.data() + at);
  }
  // Wraps: the operands come from disk or network.
  static std::int64_t Sum(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  }
  std::string_view bytes_;
};

// `n` records further than `sequence`, wrapping 2^31-1 -> 0; n >= 0.
Sequence NextSequence(Sequence sequence, std::int32_t n);

// Writes base offset and leader epoch, which are outside the CRC, into the batch that starts at `batch`.
void StampBatch(char* batch, Offset base_offset, LeaderEpoch epoch);
// message.timestamp.type=LogAppendTime: sets the attribute bit and the max timestamp, recomputes the CRC. `size` is the batch's.
void RewriteToLogAppendTime(char* batch, std::size_t size, std::int64_t append_ms);

}  // namespace cordwood
