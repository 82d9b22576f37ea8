// SPDX-License-Identifier: Apache-2.0
// Decodes the records of a batch, one after another.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/base/coding.h"
#include "storage/record/record.h"
#include "storage/record/record_batch.h"

namespace cordwood {

inline constexpr std::size_t kPlainBatchBytesMax = 64 * 1024 * 1024;  // a batch that decompresses to more is refused

// The views it hands out live as long as the reader and the batch's bytes. Not thread-safe; movable is not needed.
class RecordReader {
 public:
  explicit RecordReader(const RecordBatchView& batch) : batch_(batch), input_({}) {}
  RecordReader(const RecordReader&) = delete;
  RecordReader& operator=(const RecordReader&) = delete;

  // Must be called once, first. Decompresses if needed; CORRUPT_MESSAGE, also where the end offset would pass 2^63-1. A header of two bytes makes a view of
  // twenty times that: whoever reads for strangers bounds how many a record may have.
  Status Open(std::size_t plain_max = kPlainBatchBytesMax, std::size_t headers_max = SIZE_MAX);

  // True: *record is the next record, with absolute offset and effective timestamp. False: the end.
  // CORRUPT_MESSAGE when the records contradict the header: lengths, deltas out of order or range, a count that differs.
  // `record->headers` is reused. After an error there is nothing more to read.
  StatusOr<bool> Next(RecordView* record);

  std::string_view rest() const { return input_.rest(); }  // the plain bytes of the records that are still to come

 private:
  Status Corrupt(std::string_view what) const;
  // Wraps: the operands come from disk or network.
  static std::int64_t Sum(std::int64_t a, std::int64_t b) {
    return static_cast<std::int64_t>(static_cast<std::uint64_t>(a) + static_cast<std::uint64_t>(b));
  }

  RecordBatchView batch_;
  std::string plain_;
  ByteReader input_;
  int seen_ = 0;
  std::int32_t last_delta_ = -1;
  std::size_t headers_max_ = SIZE_MAX;
};

}  // namespace cordwood
