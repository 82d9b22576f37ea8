// SPDX-License-Identifier: Apache-2.0
// For the tests of this room: bytes as hex, every way to damage them, and record batches that are header only.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "storage/base/coding.h"
#include "storage/record/record_batch.h"

namespace cordwood {

// "00ff 01" and the like; spaces are for the reader.
inline std::string FromHex(std::string_view hex) {
  std::string bytes;
  std::string pair;
  for (const char c : hex) {
    if (c == ' ') continue;
    pair += c;
    if (pair.size() < 2) continue;
    bytes += static_cast<char>(std::stoi(pair, nullptr, 16));
    pair.clear();
  }
  return bytes;
}

inline std::string ToHex(std::string_view bytes) {
  constexpr char kDigits[] = "0123456789abcdef";
  std::string hex;
  for (const char c : bytes) {
    hex += kDigits[static_cast<unsigned char>(c) >> 4];
    hex += kDigits[static_cast<unsigned char>(c) & 15];
  }
  return hex;
}

// All shorter ones, and one byte more.
inline std::vector<std::string> WrongLengths(const std::string& value) {
  std::vector<std::string> all;
  for (std::size_t length = 0; length < value.size(); ++length) all.push_back(value.substr(0, length));
  all.push_back(value + '\0');
  return all;
}

// Each byte with its lowest bit, its highest bit and all bits flipped.
inline std::vector<std::string> FlippedBytes(const std::string& value) {
  std::vector<std::string> all;
  for (std::size_t at = 0; at < value.size(); ++at) {
    for (const int bits : {0x01, 0x80, 0xFF}) {
      all.push_back(value);
      all.back()[at] = static_cast<char>(all.back()[at] ^ bits);
    }
  }
  return all;
}

// A batch header without records: all that this room looks at.
struct HeaderBatch {
  std::int64_t producer = -1;
  std::int16_t epoch = -1;
  std::int32_t first = -1;  // sequence
  std::int32_t count = 1;
  std::int64_t offset = 0;

  std::string Bytes() const {
    std::string bytes(kBatchHeaderBytes, '\0');
    StoreBigEndian(&bytes[0], offset);
    StoreBigEndian(&bytes[8], static_cast<std::int32_t>(kBatchHeaderBytes - kBatchLengthPrefixBytes));
    bytes[16] = 2;
    StoreBigEndian(&bytes[23], count - 1);
    StoreBigEndian(&bytes[43], producer);
    StoreBigEndian(&bytes[51], epoch);
    StoreBigEndian(&bytes[53], first);
    StoreBigEndian(&bytes[57], count);
    return bytes;
  }
};

// Some batches and their bytes.
class HeaderBatches {
 public:
  explicit HeaderBatches(const std::vector<HeaderBatch>& batches) {
    for (const HeaderBatch& batch : batches) bytes_.push_back(batch.Bytes());
    for (const std::string& bytes : bytes_) views_.push_back(RecordBatchView::Parse(bytes).value());
  }
  HeaderBatches(const HeaderBatches&) = delete;
  HeaderBatches& operator=(const HeaderBatches&) = delete;
  const std::vector<RecordBatchView>& views() const { return views_; }

 private:
  std::vector<std::string> bytes_;
  std::vector<RecordBatchView> views_;
};

}  // namespace cordwood
