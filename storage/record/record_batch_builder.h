// SPDX-License-Identifier: Apache-2.0
// Makes a record batch out of records.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>

#include "storage/base/shared_bytes.h"
#include "storage/record/record.h"
#include "storage/record/record_batch.h"

namespace cordwood {

struct ProducerStamp {
  ProducerId id = kNoProducerId;
  ProducerEpoch epoch{-1};
  Sequence base_sequence{-1};
};

// Not thread-safe. Records keep the order in which they were added; offsets in the batch are 0, 1, 2, …
class RecordBatchBuilder {
 public:
  // record.timestamp_ms must be set; record.offset is ignored.
  void Add(const RecordView& record);

  int count() const { return count_; }
  bool empty() const { return count_ == 0; }
  std::size_t plain_bytes() const;  // header and uncompressed records: what Build(kNone) would give
  // What Add(record) would add to plain_bytes().
  std::size_t RecordBytes(const RecordView& record) const;

  // The finished batch after `headroom` unused bytes; base offset 0, leader epoch -1. The builder is empty afterwards and may be
  // used again. At least one record must have been added. Errors: a codec that fails,
  // RECORD_LIST_TOO_LARGE beyond 2 GiB.
  StatusOr<SharedBytes> Build(Codec codec, const ProducerStamp& producer, std::size_t headroom = 0);

 private:
  std::string records_;
  int count_ = 0;
  std::int64_t base_timestamp_ms_ = 0;
  std::int64_t max_timestamp_ms_ = 0;
};

}  // namespace cordwood
