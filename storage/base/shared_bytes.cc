// SPDX-License-Identifier: Apache-2.0
// Allocation and release of the one block behind a SharedBytes.
#include "storage/base/shared_bytes.h"

#include <cstring>
#include <new>

namespace cordwood {

SharedBytes SharedBytes::Allocate(std::size_t size) {
  void* memory = ::operator new(sizeof(Block) + size);
  Block* block = new (memory) Block;
  block->refs.store(1, std::memory_order_relaxed);
  block->size = size;
  block->capacity = size;
  return SharedBytes(block);
}

SharedBytes SharedBytes::CopyOf(std::string_view bytes) {
  SharedBytes copy = Allocate(bytes.size());
  if (!bytes.empty()) std::memcpy(copy.mutable_data(), bytes.data(), bytes.size());
  return copy;
}

void SharedBytes::Unref() {
  if (block_ == nullptr) return;
  // The last holder must see what every earlier one did with the bytes before it frees them.
  if (block_->refs.fetch_sub(1, std::memory_order_acq_rel) == 1) {
    block_->~Block();
    ::operator delete(block_);
  }
  block_ = nullptr;
}

void SharedBytes::UnrefReleased(void* released) { SharedBytes(static_cast<Block*>(released)).Unref(); }

}  // namespace cordwood
