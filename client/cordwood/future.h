// SPDX-License-Identifier: Apache-2.0
// An answer that is on its way: wait for it, have a function called, or co_await it (cordwood/coroutine.h).
#pragma once

#include <algorithm>
#include <chrono>
#include <concepts>
#include <condition_variable>
#include <functional>
#include <memory>
#include <mutex>
#include <optional>
#include <type_traits>
#include <utility>

#include "cordwood/callback_thread.h"
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
  Future(Future&&) noexcept = default;
  Future& operator=(Future&&) noexcept = default;

  bool valid() const { return state_ != nullptr; }
  bool ready() const {
    if (!valid() || state_->thread->is_elsewhere()) return false;
    std::lock_guard lock(state_->mu);
    return state_->answer.has_value();
  }

  // Waits for the answer and takes it; the future is no longer valid then. An operation ends within its own deadline, so this does, too.
  // kInvalidRequest, at once: the future is not valid, or this is the thread that would bring the answer (the future stays valid then).
  // kShuttingDown, at once and not definite: this process was forked after the future was made; the answer comes to its parent.
  Result<T> get() {
    if (!valid()) return Failure(Errc::kInvalidRequest, "this future has no answer: it is empty, or the answer was taken already");
    if (state_->thread->is_elsewhere()) return Elsewhere();
    std::unique_lock lock(state_->mu);
    if (!state_->answer.has_value() && state_->thread->is_current()) {
      return Failure(Errc::kInvalidRequest, "a callback or coroutine on the library's thread cannot wait for an answer that this thread would bring: "
                                            "use then() or co_await", /*definite=*/false, /*retriable=*/false);
    }
    state_->arrived.wait(lock, [this] { return state_->answer.has_value(); });
    Result<T> answer = std::move(*state_->answer);
    lock.unlock();
    state_.reset();
    return answer;
  }

  // False if the answer has not come within `timeout`, or the future is not valid.
  bool wait_for(std::chrono::milliseconds timeout) const {
    if (!valid() || state_->thread->is_elsewhere()) return false;
    constexpr std::chrono::milliseconds kLongest = std::chrono::hours(24 * 365);
    std::unique_lock lock(state_->mu);
    const auto bounded = std::clamp(timeout, std::chrono::milliseconds(0), kLongest);  // in nanoseconds either end would overflow
    return state_->arrived.wait_for(lock, bounded, [this] { return state_->answer.has_value(); });
  }

  // Calls `function(Result<T>)` once with the answer: here if it is there already, else on the library's thread, where it must not block.
  // What it throws is caught, here as there; see ClientOptions::on_exception. The future is no longer valid then; if it was not before,
  // nothing is called.
  template <std::invocable<Result<T>> Function>
  void then(Function function) {
    if (!valid()) return;
    const std::shared_ptr<State> state = std::move(state_);
    if (state->thread->is_elsewhere()) return state->thread->Run([&] { function(Elsewhere()); });
    std::unique_lock lock(state->mu);
    if (state->answer.has_value()) {
      lock.unlock();  // nobody else touches the state any more
      state->thread->Run([&] { function(std::move(*state->answer)); });
    } else if constexpr (std::copy_constructible<Function>) {
      state->function = std::move(function);
    } else {
      state->function = [held = std::make_shared<Function>(std::move(function))](Result<T> answer) { (*held)(std::move(answer)); };
    }
  }

 private:
  friend class Promise<T>;
  struct State {
    explicit State(std::shared_ptr<CallbackThread> callback_thread) : thread(std::move(callback_thread)) {}
    const std::shared_ptr<CallbackThread> thread;  // not null
    std::mutex mu;
    std::condition_variable arrived;
    std::optional<Result<T>> answer;                 // guarded by mu
    std::function<void(Result<T>)> function;         // guarded by mu
  };
  static Result<T> Elsewhere() {
    return Failure(Errc::kShuttingDown, "this process was forked after the future was made: the answer comes to its parent", /*definite=*/false,
                   /*retriable=*/false);
  }
  explicit Future(std::shared_ptr<State> state) : state_(std::move(state)) {}
  std::shared_ptr<State> state_;
};

// The side that answers. Dropped without an answer it gives a failure that is not definite: nobody knows what became of the operation.
// Threading: a value of one owner.
template <class T>
class Promise {
 public:
  // `thread`: where Set() will be called.
  explicit Promise(std::shared_ptr<CallbackThread> thread = std::make_shared<CallbackThread>())
      : state_(std::make_shared<typename Future<T>::State>(std::move(thread))) {}
  Promise(Promise&&) noexcept = default;
  Promise& operator=(Promise&& other) noexcept {
    Promise dropped(std::move(*this));
    state_ = std::move(other.state_);
    return *this;
  }
  ~Promise() {
    if (state_ == nullptr) return;
    Set(Failure(Errc::kUnknownServerError, "the operation was dropped without an answer", /*definite=*/false, /*retriable=*/false));
  }

  Future<T> future() const { return Future<T>(state_); }  // once

  // Once. A function given to then() runs here; it does not throw.
  void Set(Result<T> answer) {
    const std::shared_ptr<typename Future<T>::State> state = std::move(state_);
    std::function<void(Result<T>)> function;
    {
      std::lock_guard lock(state->mu);
      function = std::move(state->function);
      if (!function) {
        state->answer.emplace(std::move(answer));
        state->arrived.notify_all();
      }
    }
    if (function) state->thread->Run([&] { function(std::move(answer)); });
  }

 private:
  std::shared_ptr<typename Future<T>::State> state_;
};

}  // namespace cordwood
