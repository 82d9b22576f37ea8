// SPDX-License-Identifier: Apache-2.0
// What others may use until its owner stops.
#pragma once

#include <atomic>
#include <thread>

namespace cordwood {

// Enter() and Leave() enclose what is short and does not block, as a push into a queue: Close() spins until all who are inside have left. Who sees closed() finds
// in the queue all that was ever pushed.
// Threading: Close() once; the rest any thread.
class Gate {
 public:
  // False once Close() has begun; else Leave() follows.
  bool Enter() {
    inside_.fetch_add(1);
    if (!closing_.load()) return true;
    Leave();
    return false;
  }
  void Leave() { inside_.fetch_sub(1); }
  void Close() {
    closing_.store(true);
    while (inside_.load() != 0) std::this_thread::yield();
    closed_.store(true);
  }
  bool closed() const { return closed_.load(); }  // and nobody is inside

 private:
  std::atomic<int> inside_{0};
  std::atomic<bool> closing_{false};
  std::atomic<bool> closed_{false};
};

}  // namespace cordwood
