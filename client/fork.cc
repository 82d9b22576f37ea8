// SPDX-License-Identifier: Apache-2.0
// A count that grows in the child before fork() returns there.
#include "client/fork.h"

#include <pthread.h>

#include <atomic>

#include "storage/base/check.h"

namespace cordwood::client {
namespace {

std::atomic<std::uint32_t> forks{0};  // written while a child has one thread; atomic for the parent's eyes alone

}  // namespace

void CountForks() {
  static const int counting = pthread_atfork(nullptr, nullptr, [] { forks.fetch_add(1, std::memory_order_relaxed); });
  CORDWOOD_CHECK(counting == 0);
}

std::uint32_t ForksSeen() { return forks.load(std::memory_order_relaxed); }

Failure AfterFork() {
  return {Errc::kShuttingDown, "this process was forked from one that uses the library: after fork() it may only exec or _exit", /*definite=*/true,
          /*retriable=*/false};
}

}  // namespace cordwood::client
