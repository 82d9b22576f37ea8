// SPDX-License-Identifier: Apache-2.0
// A thread per open connection, up to a bound, so that connections on which nothing comes keep nobody waiting.
#pragma once

#include <httplib.h>

#include <cstddef>
#include <deque>
#include <functional>
#include <list>
#include <thread>

#include "storage/base/mutex.h"

namespace cordwood::broker {

// A thread is made when a connection finds none idle, and ends when there is nothing more to do; a few stay. Beyond `threads_max` connections wait
// for the first that ends. Threading: any thread; shutdown() from one that is none of these.
class ConnectionThreads final : public httplib::TaskQueue {
 public:
  explicit ConnectionThreads(std::size_t threads_max) : threads_max_(threads_max) {}
  ~ConnectionThreads() override { shutdown(); }

  void enqueue(std::function<void()> connection) override;
  void shutdown() override;  // what was enqueued is done first; twice is harmless

 private:
  using Threads = std::list<std::thread>;

  void StartThread() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Loop(Threads::iterator self);
  static void Join(Threads threads);

  const std::size_t threads_max_;
  Mutex mu_;
  CondVar work_;
  std::deque<std::function<void()>> connections_ ABSL_GUARDED_BY(mu_);
  Threads threads_ ABSL_GUARDED_BY(mu_);
  Threads ended_ ABSL_GUARDED_BY(mu_);  // to be joined
  std::size_t idle_ ABSL_GUARDED_BY(mu_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace cordwood::broker
