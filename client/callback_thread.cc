// SPDX-License-Identifier: Apache-2.0
// Exceptions of users' functions end here.
#include "cordwood/callback_thread.h"

#include "client/fork.h"

namespace cordwood {

std::uint32_t CallbackThread::Process() noexcept { return client::ForksSeen(); }

void CallbackThread::Caught(std::exception_ptr exception) noexcept {
  caught_.fetch_add(1, std::memory_order_relaxed);
  if (!hook_) return;
  try {
    hook_(std::move(exception));
  } catch (...) {
    // The hook is the last who could have said something.
  }
}

}  // namespace cordwood
