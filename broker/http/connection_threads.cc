// SPDX-License-Identifier: Apache-2.0
// One lock over everything; connections are served outside of it.
#include "broker/http/connection_threads.h"

#include <system_error>
#include <utility>

#include "storage/base/thread_name.h"

namespace cordwood::broker {
namespace {

constexpr std::size_t kIdleThreadsMax = 2;

}  // namespace

void ConnectionThreads::enqueue(std::function<void()> connection) {
  Threads ended;
  {
    MutexLock lock(mu_);
    connections_.push_back(std::move(connection));
    if (connections_.size() > idle_ && threads_.size() < threads_max_) StartThread();
    work_.Signal();
    ended.swap(ended_);
  }
  Join(std::move(ended));
}

void ConnectionThreads::shutdown() {
  Threads all;
  for (;;) {
    {
      MutexLock lock(mu_);
      stopped_ = true;
      work_.SignalAll();
      all.swap(ended_);
      // A thread is in one of the lists until it is joined: it moves itself to the ended ones, which is waited for here.
      while (all.empty() && !threads_.empty()) {
        work_.Wait(mu_);
        all.swap(ended_);
      }
    }
    if (all.empty()) return;
    Join(std::exchange(all, {}));
  }
}

// Where the system gives no thread, the ones there are have to do; without any the next connection tries again.
void ConnectionThreads::StartThread() {
  const auto self = threads_.emplace(threads_.end());
  try {
    *self = std::thread([this, self] { Loop(self); });
  } catch (const std::system_error&) {
    threads_.erase(self);
  }
}

void ConnectionThreads::Loop(Threads::iterator self) {
  SetThreadName("http-conn");
  MutexLock lock(mu_);
  for (;;) {
    while (connections_.empty() && !stopped_ && idle_ < kIdleThreadsMax) {
      ++idle_;
      work_.Wait(mu_);
      --idle_;
    }
    if (connections_.empty()) break;
    const std::function<void()> connection = std::move(connections_.front());
    connections_.pop_front();
    mu_.Unlock();
    connection();
    mu_.Lock();
  }
  ended_.splice(ended_.end(), threads_, self);
  if (stopped_) work_.SignalAll();
}

void ConnectionThreads::Join(Threads threads) {
  for (std::thread& thread : threads) thread.join();
}

}  // namespace cordwood::broker
