// SPDX-License-Identifier: Apache-2.0
// Sizes are 64 * 2^k * (8 + i) / 8, i below 8.
#include "storage/base/reuse/bytes_pool.h"

#include <bit>
#include <utility>

namespace cordwood {

std::size_t BytesPool::SizeOf(std::size_t of_class) { return (kSizeMin / 8 * (8 + of_class % 8)) << (of_class / 8); }

std::size_t BytesPool::ClassOf(std::size_t size) {
  if (size <= kSizeMin) return 0;
  const std::size_t power = static_cast<std::size_t>(std::bit_width((size - 1) / kSizeMin)) - 1;
  const std::size_t step = (kSizeMin / 8) << power;
  return 8 * power + (size + step - 1) / step - 8;
}

SharedBytes BytesPool::Take(std::size_t size) {
  if (size < kSizeMin || size > kSizeMax) return SharedBytes::Allocate(size);
  std::vector<SharedBytes>& kept = kept_[ClassOf(size)];
  if (kept.empty()) {
    SharedBytes bytes = SharedBytes::Allocate(SizeOf(ClassOf(size)));
    bytes.Resize(size);
    return bytes;
  }
  SharedBytes bytes = std::move(kept.back());
  kept.pop_back();
  kept_bytes_ -= bytes.capacity();
  bytes.Resize(size);
  return bytes;
}

void BytesPool::Give(SharedBytes bytes) {
  const std::size_t capacity = bytes.capacity();
  if (capacity < kSizeMin || capacity > kSizeMax || kept_bytes_ + capacity > kept_bytes_max_ || !bytes.unique()) return;
  const std::size_t of_class = ClassOf(capacity);
  if (SizeOf(of_class) != capacity) return;
  kept_bytes_ += capacity;
  kept_[of_class].push_back(std::move(bytes));
}

}  // namespace cordwood
