// SPDX-License-Identifier: Apache-2.0
// co_await on a future. It needs a task type of the program or of a coroutine library; none comes with Cordwood.
#pragma once

#include <coroutine>
#include <optional>
#include <utility>

#include "cordwood/future.h"

namespace cordwood {

// The coroutine goes on where the answer comes: on the library's thread, or without a stop if it is there already. What follows must not
// block that thread. Do not destroy a coroutine that is suspended here: the answer will resume it.
template <class T>
class FutureAwaiter {
 public:
  explicit FutureAwaiter(Future<T> future) : future_(std::move(future)) {}

  bool await_ready() const { return !future_.valid() || future_.ready(); }
  void await_suspend(std::coroutine_handle<> waiting) {
    Future<T> future = std::move(future_);  // the coroutine may end, and this with it, before then() returns
    future.then([this, waiting](Result<T> answer) {
      answer_.emplace(std::move(answer));
      waiting.resume();
    });
  }
  Result<T> await_resume() {
    if (answer_.has_value()) return *std::move(answer_);
    return future_.get();
  }

 private:
  Future<T> future_;
  std::optional<Result<T>> answer_;
};

template <class T>
FutureAwaiter<T> operator co_await(Future<T>&& future) {
  return FutureAwaiter<T>(std::move(future));
}

}  // namespace cordwood
