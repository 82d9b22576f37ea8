// SPDX-License-Identifier: Apache-2.0
// The library's thread on which functions of a user run.
#pragma once

#include <atomic>
#include <cstdint>
#include <exception>
#include <functional>
#include <thread>
#include <utility>

#include "cordwood/export.h"

namespace cordwood {

using ExceptionHook = std::function<void(std::exception_ptr)>;

// Which thread it is, and what the functions threw: an exception never leaves the thread nor ends it. It is counted and handed to the hook;
// what the hook throws is dropped.
// Threading: any thread.
class CORDWOOD_EXPORT CallbackThread {
 public:
  explicit CallbackThread(std::thread::id id = {}, ExceptionHook hook = {}) : id_(id), hook_(std::move(hook)) {}

  // This process is a fork of the one that has the thread: nothing will come from it here.
  bool is_elsewhere() const { return process_ != Process(); }
  bool is_current() const { return std::this_thread::get_id() == id_; }
  std::uint64_t exceptions_caught() const { return caught_.load(std::memory_order_relaxed); }

  template <class Function>
  void Run(Function&& function) noexcept {
    try {
      std::forward<Function>(function)();
    } catch (...) {
      Caught(std::current_exception());
    }
  }

 private:
  static std::uint32_t Process() noexcept;  // another number in each process that fork() made
  void Caught(std::exception_ptr exception) noexcept;

  const std::uint32_t process_ = Process();
  const std::thread::id id_;
  const ExceptionHook hook_;
  std::atomic<std::uint64_t> caught_{0};
};

}  // namespace cordwood
