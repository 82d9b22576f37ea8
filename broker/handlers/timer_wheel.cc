// SPDX-License-Identifier: Apache-2.0
// Circular intrusive lists, one per slot.
#include "broker/handlers/timer_wheel.h"

#include <algorithm>

namespace cordwood::broker {
namespace {

template <std::size_t... kIndex>
std::array<Timer, sizeof...(kIndex)> MakeHeads(std::index_sequence<kIndex...>) {
  return {((void)kIndex, Timer(std::function<void()>()))...};
}

}  // namespace

void Timer::Cancel() {
  if (!armed()) return;
  previous_->next_ = next_;
  next_->previous_ = previous_;
  next_ = previous_ = this;
  if (wheel_ != nullptr) --wheel_->armed_;
  wheel_ = nullptr;
}

void Timer::LinkBefore(Timer* head) {
  next_ = head;
  previous_ = head->previous_;
  previous_->next_ = this;
  head->previous_ = this;
}

TimerWheel::TimerWheel(absl::Duration now) : slots_(MakeHeads(std::make_index_sequence<kSlots>())), now_tick_(now / kTick) {}

void TimerWheel::Arm(Timer& timer, absl::Duration due) {
  timer.Cancel();
  if (due == absl::InfiniteDuration()) return;
  const std::int64_t tick = due / kTick + 1;  // rounded up: never early
  timer.tick_ = std::max(tick, now_tick_ + 1);
  timer.LinkBefore(&slots_[static_cast<std::size_t>(timer.tick_ % kSlots)]);
  timer.wheel_ = this;
  ++armed_;
}

void TimerWheel::Advance(absl::Duration now) {
  const std::int64_t target = now / kTick;
  if (target <= now_tick_) return;
  Timer due({});
  const std::int64_t first = std::max(now_tick_ + 1, target - kSlots + 1);
  now_tick_ = target;
  for (std::int64_t tick = first; tick <= target && armed_ > 0; ++tick) {
    Timer& head = slots_[static_cast<std::size_t>(tick % kSlots)];
    for (Timer* timer = head.next_; timer != &head;) {
      Timer* next = timer->next_;
      if (timer->tick_ <= target) {
        timer->Cancel();
        timer->LinkBefore(&due);
        timer->wheel_ = this;
        ++armed_;
      }
      timer = next;
    }
  }
  while (due.next_ != &due) {
    Timer* timer = due.next_;
    timer->Cancel();
    const std::function<void()> fire = timer->fire_;  // the callback may destroy the timer
    fire();
  }
}

absl::Duration TimerWheel::NextWake() const {
  if (armed_ == 0) return absl::InfiniteDuration();
  for (std::int64_t tick = now_tick_ + 1; tick <= now_tick_ + kSlots; ++tick) {
    const Timer& head = slots_[static_cast<std::size_t>(tick % kSlots)];
    if (head.next_ != &head) return tick * kTick;
  }
  return absl::InfiniteDuration();
}

}  // namespace cordwood::broker
