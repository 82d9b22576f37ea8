// SPDX-License-Identifier: Apache-2.0
// Steps of the budget go to a thread as it needs them, and back when it holds two more than it uses.
#include "broker/handlers/byte_budget.h"

#include "storage/base/check.h"

namespace cordwood::broker {

bool ByteBudget::TryTake(std::int64_t bytes) {
  std::int64_t free = free_.load(std::memory_order_relaxed);
  do {
    if (free < bytes) return false;
  } while (!free_.compare_exchange_weak(free, free - bytes, std::memory_order_relaxed));
  return true;
}

bool ByteLease::HasRoom() {
  if (used_ < granted_ || used_ == 0) return true;
  if (!budget_.TryTake(kLeaseStepBytes)) return false;
  granted_ += kLeaseStepBytes;
  return true;
}

void ByteLease::Take(std::int64_t bytes) {
  used_ += bytes;
  while (granted_ < used_) {
    budget_.TakeAnyway(kLeaseStepBytes);
    granted_ += kLeaseStepBytes;
  }
}

void ByteLease::Give(std::int64_t bytes) {
  used_ -= bytes;
  CORDWOOD_CHECK(used_ >= 0);
  while (granted_ - used_ >= 2 * kLeaseStepBytes) {
    granted_ -= kLeaseStepBytes;
    budget_.Give(kLeaseStepBytes);
  }
  if (on_room_) on_room_();
}

}  // namespace cordwood::broker
