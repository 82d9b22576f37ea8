// SPDX-License-Identifier: Apache-2.0
// Refcounted bytes: written by one owner, then shared and never changed.
#pragma once

#include <atomic>
#include <cstddef>
#include <string_view>
#include <utility>

namespace cordwood {

// One heap block holds the count and the bytes. Copying is one atomic increment; the last holder frees.
// Threading: mutable_data() only while unique() (the one writer); everything else from any thread.
class SharedBytes {
 public:
  SharedBytes() = default;
  static SharedBytes Allocate(std::size_t size);  // bytes are uninitialised
  static SharedBytes CopyOf(std::string_view bytes);

  SharedBytes(const SharedBytes& other) noexcept : block_(other.block_) { Ref(); }
  SharedBytes(SharedBytes&& other) noexcept : block_(std::exchange(other.block_, nullptr)) {}
  SharedBytes& operator=(SharedBytes other) noexcept {
    std::swap(block_, other.block_);
    return *this;
  }
  ~SharedBytes() { Unref(); }

  std::size_t size() const { return block_ == nullptr ? 0 : block_->size; }
  bool empty() const { return size() == 0; }
  std::string_view view() const { return block_ == nullptr ? std::string_view() : std::string_view(block_->data(), block_->size); }
  char* mutable_data() { return block_ == nullptr ? nullptr : block_->data(); }
  // As many as were allocated; Resize() changes how many of them count, to at most that, and only while unique().
  std::size_t capacity() const { return block_ == nullptr ? 0 : block_->capacity; }
  void Resize(std::size_t size) {
    if (block_ != nullptr) block_->size = size;
  }
  bool unique() const { return block_ != nullptr && block_->refs.load(std::memory_order_acquire) == 1; }

  // For a door that hands the bytes to a library with a destroy callback: Release() gives up this reference without
  // dropping it, UnrefReleased() drops it later, from any thread.
  void* Release() && { return std::exchange(block_, nullptr); }
  static void UnrefReleased(void* released);

 private:
  struct alignas(16) Block {
    std::atomic<std::size_t> refs;
    std::size_t size;
    std::size_t capacity;
    char* data() { return reinterpret_cast<char*>(this + 1); }
  };
  explicit SharedBytes(Block* block) : block_(block) {}
  void Ref() const {
    if (block_ != nullptr) block_->refs.fetch_add(1, std::memory_order_relaxed);
  }
  void Unref();

  Block* block_ = nullptr;
};

}  // namespace cordwood
