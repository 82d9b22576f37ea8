// SPDX-License-Identifier: Apache-2.0
// Objects that are used again instead of being freed and allocated.
#pragma once

#include <cstddef>
#include <memory>
#include <utility>
#include <vector>

namespace cordwood {

// Keeps at most `kept_max`, the last given taken first; those above it are freed. What an object holds while it is kept is its user's business: memory to
// be used again, but no references. Not thread-safe.
template <class T>
class FreeList {
 public:
  explicit FreeList(std::size_t kept_max) : kept_max_(kept_max) { kept_.reserve(kept_max); }

  // nullptr if none is kept.
  std::unique_ptr<T> Take() {
    if (kept_.empty()) return nullptr;
    std::unique_ptr<T> object = std::move(kept_.back());
    kept_.pop_back();
    return object;
  }
  void Give(std::unique_ptr<T> object) {
    if (kept_.size() < kept_max_) kept_.push_back(std::move(object));
  }
  std::size_t kept() const { return kept_.size(); }

 private:
  const std::size_t kept_max_;
  std::vector<std::unique_ptr<T>> kept_;
};

}  // namespace cordwood
