// SPDX-License-Identifier: Apache-2.0
// Buffers that were let go, for those that come next.
#pragma once

#include <array>
#include <cstddef>
#include <vector>

#include "storage/base/shared_bytes.h"

namespace cordwood {

// Eight sizes to each power of two, so that a buffer is at most an eighth larger than what was asked for. Buffers below kSizeMin or above kSizeMax come from
// the heap and go back to it. Not thread-safe; the buffers are as SharedBytes is.
class BytesPool {
 public:
  static constexpr std::size_t kSizeMin = 64;
  static constexpr std::size_t kSizeMax = 1024 * 1024;

  explicit BytesPool(std::size_t kept_bytes_max = 4 * 1024 * 1024) : kept_bytes_max_(kept_bytes_max) {}

  SharedBytes Take(std::size_t size);  // uninitialised
  // Keeps the buffer if nobody else holds it, it came from a pool, and there is room; else drops this reference.
  void Give(SharedBytes bytes);
  std::size_t kept_bytes() const { return kept_bytes_; }

 private:
  static constexpr std::size_t kClasses = 8 * 14 + 1;  // kSizeMin to kSizeMax, both included
  static std::size_t ClassOf(std::size_t size);         // the smallest that holds `size`
  static std::size_t SizeOf(std::size_t of_class);

  const std::size_t kept_bytes_max_;
  std::size_t kept_bytes_ = 0;
  std::array<std::vector<SharedBytes>, kClasses> kept_;
};

}  // namespace cordwood
