// SPDX-License-Identifier: Apache-2.0
// A sound batch of records that the input describes, and lies about it under a correct CRC.
#pragma once

#include <string>
#include <vector>

#include "storage/base/crc32c.h"
#include "storage/record/record_batch_builder.h"
#include "tests/fuzz/fuzz_input.h"

namespace cordwood::testing {

inline constexpr std::int64_t kBuiltMs = 1'700'000'000'000;

// The strings that records view.
using RecordTexts = std::vector<std::string>;

inline std::vector<RecordView> TakeRecords(FuzzInput* in, RecordTexts* texts) {
  const std::size_t count = 1 + in->Below(6);
  texts->clear();
  texts->reserve(count * 8);  // the views must stay
  const auto text = [&]() -> std::string_view { return texts->emplace_back(in->Text()); };
  std::vector<RecordView> records(count);
  for (RecordView& record : records) {
    const std::uint8_t shape = in->Byte();
    record.timestamp_ms = (shape & 1) != 0 ? in->Number() : kBuiltMs + shape;
    if ((shape & 2) != 0) record.key = text();
    if ((shape & 4) == 0) record.value = text();
    for (int i = (shape >> 3) & 3; i > 0; --i) {
      RecordHeader& header = record.headers.emplace_back();
      header.key = text();
      if ((shape & 32) == 0) header.value = text();
    }
  }
  return records;
}

inline Codec TakeCodec(FuzzInput* in) { return static_cast<Codec>(in->Below(5)); }

inline ProducerStamp TakeProducer(FuzzInput* in) {
  if (!in->Flag()) return {};
  return {ProducerId(in->Number()), ProducerEpoch(static_cast<std::int16_t>(in->Number())), Sequence(static_cast<std::int32_t>(in->Number()))};
}

inline std::string BatchOfRecords(const std::vector<RecordView>& records, Codec codec, const ProducerStamp& producer) {
  RecordBatchBuilder builder;
  for (const RecordView& record : records) builder.Add(record);
  return std::string(builder.Build(codec, producer)->view());
}

inline void FixCrc(std::string* batch) { StoreBigEndian(batch->data() + 17, Crc32c(std::string_view(*batch).substr(kBatchCrcStart))); }

// Changes header fields and record bytes, or cuts and extends them, then makes length and CRC right again.
inline void Lie(FuzzInput* in, std::string* batch) {
  for (std::size_t left = in->Below(5); left > 0; --left) {
    const std::size_t at = in->Below(batch->size());
    const std::size_t how = in->Below(5);
    if (how == 0) (*batch)[at] = static_cast<char>(in->Byte());
    if (how == 1) (*batch)[at] = static_cast<char>((*batch)[at] ^ (1 << in->Below(8)));
    if (how == 2 && at >= kBatchHeaderBytes) batch->resize(at);
    if (how == 3) batch->append(in->Text());
    if (how == 4 && at + 8 <= batch->size()) StoreBigEndian(batch->data() + at, in->Number());
  }
  StoreBigEndian(batch->data() + 8, static_cast<std::int32_t>(batch->size() - kBatchLengthPrefixBytes));
  FixCrc(batch);
}

}  // namespace cordwood::testing
