// SPDX-License-Identifier: Apache-2.0
// Batches for this room's tests: well-made ones, and ones that lie under a correct CRC.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "storage/base/coding.h"
#include "storage/base/crc32c.h"
#include "storage/record/record_batch_builder.h"

namespace cordwood {

inline constexpr Codec kAllCodecs[] = {Codec::kNone, Codec::kGzip, Codec::kSnappy, Codec::kLz4, Codec::kZstd};
inline constexpr std::int64_t kTestMs = 1'700'000'000'000;
inline constexpr ProducerStamp kTestProducer{ProducerId(4711), ProducerEpoch(3), Sequence(42)};

// The worked example of docs/reference/on-disk-format.md: three records, their times 0, +100 and -50 ms from kTestMs.
inline std::vector<RecordView> ThreeRecords() {
  return {{Offset(0), kTestMs, "k1", "hello", {}},
          {Offset(1), kTestMs + 100, std::nullopt, "world", {{"h", "v"}, {"n", std::nullopt}}},
          {Offset(2), kTestMs - 50, "k1", std::nullopt, {}}};
}

inline std::string BuildBatch(const std::vector<RecordView>& records, Codec codec = Codec::kNone,
                              const ProducerStamp& producer = {}) {
  RecordBatchBuilder builder;
  for (const RecordView& record : records) builder.Add(record);
  return std::string(builder.Build(codec, producer)->view());
}

// Makes the CRC right again after a test changed the batch.
inline void FixCrc(std::string* batch) { StoreBigEndian(batch->data() + 17, Crc32c(std::string_view(*batch).substr(kBatchCrcStart))); }

// The batch with one header field overwritten, CRC made right.
template <class T>
std::string WithField(std::string batch, std::size_t at, T value) {
  StoreBigEndian(batch.data() + at, value);
  FixCrc(&batch);
  return batch;
}

// The batch with other bytes for its records, length and CRC made right.
inline std::string WithRecords(std::string batch, std::string_view records) {
  batch.resize(kBatchHeaderBytes);
  batch.append(records);
  return WithField(batch, 8, static_cast<std::int32_t>(batch.size() - kBatchLengthPrefixBytes));
}

}  // namespace cordwood
