// SPDX-License-Identifier: Apache-2.0
// What every call of the library gives back: a value, or why there is none.
#pragma once

#include <chrono>
#include <exception>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

#include "cordwood/errc.h"
#include "cordwood/export.h"

namespace cordwood {

// Why something failed. A value: copy it, keep it, print it.
class CORDWOOD_EXPORT Failure {
 public:
  // definite() and retriable() as usual for this code.
  Failure(Errc code, std::string message);
  Failure(Errc code, std::string message, bool definite, bool retriable, std::chrono::milliseconds retry_after = {})
      : code_(code), message_(std::move(message)), definite_(definite), retriable_(retriable), retry_after_(retry_after) {}

  Errc code() const { return code_; }
  std::string_view name() const;                           // as on the wire and in the reference page, "OFFSET_OUT_OF_RANGE"; "TRANSPORT"
  const std::string& message() const { return message_; }  // one line for people: what, where, and what to do
  // True: nothing was appended or changed. False: it may have been.
  bool definite() const { return definite_; }
  // The same call may succeed later. The library has already tried again within its deadlines.
  bool retriable() const { return retriable_; }
  std::chrono::milliseconds retry_after() const { return retry_after_; }  // the broker's advice; zero: none
  std::string ToString() const;                            // "message  [NAME]"

  friend bool operator==(const Failure&, const Failure&) = default;

 private:
  Errc code_;
  std::string message_;
  bool definite_;
  bool retriable_;
  std::chrono::milliseconds retry_after_{};
};

// Thrown by Result::value() alone; the library throws nothing else of its own.
class CORDWOOD_EXPORT BadResult : public std::exception {
 public:
  explicit BadResult(Failure failure) : failure_(std::move(failure)), what_(failure_.ToString()) {}
  const char* what() const noexcept override { return what_.c_str(); }
  const Failure& failure() const { return failure_; }

 private:
  Failure failure_;
  std::string what_;
};

// A T or a Failure. Reads like std::expected<T, Failure>.
template <class T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}             // NOLINT: implicit on purpose
  Result(Failure failure) : state_(std::in_place_index<1>, std::move(failure)) {}   // NOLINT

  bool ok() const { return state_.index() == 0; }
  explicit operator bool() const { return ok(); }
  const Failure& error() const { return std::get<1>(state_); }  // only when !ok()

  // Throws BadResult when !ok().
  T& value() & { return Check(), std::get<0>(state_); }
  const T& value() const& { return Check(), std::get<0>(state_); }
  // By value, so that `for (const auto& x : Call().value())` keeps what it walks over.
  T value() && { return Check(), std::get<0>(std::move(state_)); }
  T value_or(T other) && { return ok() ? std::get<0>(std::move(state_)) : std::move(other); }

  // Only when ok().
  T& operator*() & { return *std::get_if<0>(&state_); }
  const T& operator*() const& { return *std::get_if<0>(&state_); }
  T operator*() && { return std::move(*std::get_if<0>(&state_)); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }

 private:
  void Check() const {
    if (!ok()) throw BadResult(std::get<1>(state_));
  }
  std::variant<T, Failure> state_;
};

template <>
class [[nodiscard]] Result<void> {
 public:
  Result() = default;
  Result(Failure failure) : failure_(std::move(failure)) {}  // NOLINT

  bool ok() const { return !failure_.has_value(); }
  explicit operator bool() const { return ok(); }
  const Failure& error() const { return *failure_; }  // only when !ok()
  void value() const {                                // throws BadResult when !ok()
    if (failure_.has_value()) throw BadResult(*failure_);
  }

 private:
  std::optional<Failure> failure_;
};

}  // namespace cordwood
