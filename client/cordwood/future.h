// SPDX-License-Identifier: Apache-2.0
// An answer that is on its way: wait for it, have a function called, or co_await it (cordwood/coroutine.h).
#pragma once

#include <chrono>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <utility>

#include "cordwood/result.h"

namespace cordwood {

template <class T>
class Promise;

// One answer for one receiver. Dropping a future drops the interest, not the operation.
// Threading: a value of one owner; the answer may come on any thread.
template <class T>
class [[nodiscard]] Future {
 public:
  Future() = default;  // valid() is false

  bool valid() const { return state_ != nullptr; }
  bool ready() const;
  // Waits for the answer and takes it; the future is no longer valid then. An operation ends within its own deadline, so this does, too.
  Result<T> get();
  // False if the answer has not come within `timeout`.
  bool wait_for(std::chrono::milliseconds timeout) const;
  // Calls `function` once with the answer, here if it is there already, else on the library's thread: it must not block, nor close the client.
  // What it throws ends the program's wish to know, not the library: it is caught and counted. The future is no longer valid then.
  void then(std::function<void(Result<T>)> function);

 private:
  friend class Promise<T>;
  struct State {
    std::mutex mu;
    std::condition_variable arrived;
    std::optional<Result<T>> answer;                 // guarded by mu
    std::function<void(Result<T>)> function;         // guarded by mu
  };
  explicit Future(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};
}  // namespace cordwood
