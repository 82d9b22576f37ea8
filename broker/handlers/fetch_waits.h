// SPDX-License-Identifier: Apache-2.0
// Who waits for news of which partition.
#pragma once

#include <cstddef>
#include <memory>

#include "absl/container/flat_hash_map.h"
#include "storage/base/reuse/free_list.h"
#include "storage/base/ids.h"

namespace cordwood::broker {

class FetchWaits;

// One that may wait, for one partition at a time. Leaves by itself when destroyed.
class FetchWaiter {
 public:
  FetchWaiter() = default;
  virtual ~FetchWaiter() { Leave(); }
  FetchWaiter(const FetchWaiter&) = delete;
  FetchWaiter& operator=(const FetchWaiter&) = delete;

  // It no longer waits; it may park again at once, and then is not woken twice.
  virtual void OnNews() = 0;
  bool waiting() const { return next_ != this; }
  void Leave();

 private:
  friend class FetchWaits;
  void LinkBefore(FetchWaiter* head);
  FetchWaiter* next_ = this;
  FetchWaiter* previous_ = this;
  FetchWaits* waits_ = nullptr;  // that counts it; nullptr while it does not wait
};

// Nothing is lost: who looks at a partition and then parks does so on the thread that brings the next news of it. Not thread-safe.
class FetchWaits {
 public:
  FetchWaits() = default;
  ~FetchWaits();

  void Park(PartitionId partition, FetchWaiter& waiter);  // it must not be waiting
  void Wake(PartitionId partition);                       // all that wait now, in order of parking
  std::size_t partitions() const { return heads_.size(); }
  std::size_t waiters() const { return waiters_; }

 private:
  friend class FetchWaiter;
  struct Head final : FetchWaiter {
    void OnNews() override {}
  };
  static constexpr std::size_t kSpareHeadsMax = 1024;
  std::size_t waiters_ = 0;
  absl::flat_hash_map<PartitionId, std::unique_ptr<Head>> heads_;  // an empty one goes with the next Wake()
  FreeList<Head> spare_heads_{kSpareHeadsMax};
};

}  // namespace cordwood::broker
