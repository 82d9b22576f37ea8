// SPDX-License-Identifier: Apache-2.0
// Turns a fuzzer's bytes into choices: numbers, lengths, strings. An input that has ended gives zeros and empty strings.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "storage/base/coding.h"

namespace cordwood::testing {

class FuzzInput {
 public:
  FuzzInput(const std::uint8_t* bytes, std::size_t size) : rest_(reinterpret_cast<const char*>(bytes), size) {}

  bool done() const { return rest_.empty(); }
  std::string_view rest() const { return rest_; }

  std::string_view Bytes(std::size_t n) {
    const std::string_view bytes = rest_.substr(0, n);
    rest_.remove_prefix(bytes.size());
    return bytes;
  }
  template <class T>
  T Raw() {
    char bytes[sizeof(T)] = {};
    const std::string_view taken = Bytes(sizeof(T));
    std::copy(taken.begin(), taken.end(), bytes);
    return LoadBigEndian<T>(bytes);
  }
  std::uint8_t Byte() {
    const std::string_view taken = Bytes(1);
    return taken.empty() ? 0 : static_cast<std::uint8_t>(taken[0]);
  }
  bool Flag() { return (Byte() & 1) != 0; }
  // In [0, n), n >= 1.
  std::size_t Below(std::size_t n) { return n <= 256 ? Byte() % n : Raw<std::uint32_t>() % n; }
  // Mostly small, sometimes at an edge, sometimes anything.
  std::int64_t Number() {
    constexpr std::int64_t kEdges[] = {INT64_MAX, INT64_MIN, INT32_MAX, INT32_MIN, INT64_MAX - 1, 1LL << 32, 1LL << 62, 1LL << 30,
                                       UINT32_MAX, -2, 65'535, 65'536, 10'000, 60'000, 60'001, 300'001};
    const std::uint8_t how = Byte();
    if (how < 0xC0) return how - 1;
    if (how < 0xF0) return kEdges[how % std::size(kEdges)];
    return Raw<std::int64_t>();
  }
  // At most 255 bytes, its length first.
  std::string Text() { return std::string(Bytes(Byte())); }

 private:
  std::string_view rest_;
};

}  // namespace cordwood::testing

// What each target defines; libFuzzer's name. Returns 0. Stops the process where the code under test breaks its contract.
extern "C" int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size);
