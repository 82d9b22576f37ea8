// SPDX-License-Identifier: Apache-2.0
// A value that one thread waits for and another brings.
#pragma once

#include <memory>
#include <optional>
#include <utility>

#include "storage/base/mutex.h"

namespace cordwood {

// Copies share the value. Set() comes once; whoever brings it may outlive the one who waits.
template <class T>
class Awaited {
 public:
  void Set(T value) const {
    MutexLock lock(place_->mu);
    place_->value.emplace(std::move(value));
    place_->arrived.Signal();
  }
  T Wait() const {  // once
    MutexLock lock(place_->mu);
    while (!place_->value.has_value()) place_->arrived.Wait(place_->mu);
    return std::move(*place_->value);
  }

 private:
  struct Place {
    Mutex mu;
    CondVar arrived;
    std::optional<T> value ABSL_GUARDED_BY(mu);
  };
  std::shared_ptr<Place> place_ = std::make_shared<Place>();
};

}  // namespace cordwood
