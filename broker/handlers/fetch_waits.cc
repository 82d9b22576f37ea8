// SPDX-License-Identifier: Apache-2.0
// Circular intrusive lists: a waiter that goes away costs nothing to find.
#include "broker/handlers/fetch_waits.h"

#include "storage/base/check.h"

namespace cordwood::broker {

void FetchWaiter::Leave() {
  previous_->next_ = next_;
  next_->previous_ = previous_;
  next_ = previous_ = this;
  if (waits_ != nullptr) --waits_->waiters_;
  waits_ = nullptr;
}

void FetchWaiter::LinkBefore(FetchWaiter* head) {
  next_ = head;
  previous_ = head->previous_;
  previous_->next_ = this;
  head->previous_ = this;
}

FetchWaits::~FetchWaits() {
  for (auto& [partition, head] : heads_) {
    while (head->waiting()) head->next_->Leave();
  }
}

void FetchWaits::Park(PartitionId partition, FetchWaiter& waiter) {
  CORDWOOD_CHECK(!waiter.waiting());
  std::unique_ptr<Head>& head = heads_[partition];
  if (head == nullptr) head = spare_heads_.Take();
  if (head == nullptr) head = std::make_unique<Head>();
  waiter.LinkBefore(head.get());
  waiter.waits_ = this;
  ++waiters_;
}

void FetchWaits::Wake(PartitionId partition) {
  const auto found = heads_.find(partition);
  if (found == heads_.end()) return;
  std::unique_ptr<Head> head = std::move(found->second);
  heads_.erase(found);
  while (head->waiting()) {
    FetchWaiter* waiter = head->next_;
    waiter->Leave();
    waiter->OnNews();
  }
  spare_heads_.Give(std::move(head));
}

}  // namespace cordwood::broker
