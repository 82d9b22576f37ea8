// SPDX-License-Identifier: Apache-2.0
// Steps of the budget go to a thread as it needs them, and back when it holds two more than it uses, or one more while the budget is overdrawn.
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
  if (used_ < kLeaseStepBytes) return true;
  if (used_ < granted_) return budget_.free_bytes() >= 0;
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
  const auto surplus = [this] { return granted_ - used_ >= (budget_.free_bytes() < 0 ? kLeaseStepBytes : 2 * kLeaseStepBytes); };
  while (surplus()) {
    granted_ -= kLeaseStepBytes;
    budget_.Give(kLeaseStepBytes);
  }
  if (on_room_) on_room_();
}

}  // namespace cordwood::broker
