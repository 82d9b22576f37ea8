// SPDX-License-Identifier: Apache-2.0
// Facts about futures, without a broker.
#include "cordwood/future.h"

#include <gtest/gtest.h>

#include <exception>
#include <memory>
#include <stdexcept>
#include <string>
#include <thread>
#include <utility>

#include "cordwood/coroutine.h"

namespace cordwood {
namespace {

using std::chrono::milliseconds;

std::string Text(const Result<std::string>& answer) { return answer.ok() ? *answer : std::string(answer.error().name()); }

TEST(FutureTest, GetGivesWhatAnotherThreadSets) {
  Promise<std::string> promise;
  Future<std::string> future = promise.future();
  EXPECT_FALSE(future.ready());
  EXPECT_FALSE(future.wait_for(milliseconds(0)));
  EXPECT_FALSE(future.wait_for(std::chrono::hours(24 * 365 * -295)));  // more nanoseconds than there are
  std::thread other([&] { promise.Set(std::string("seven")); });
  EXPECT_EQ(Text(future.get()), "seven");
  EXPECT_FALSE(future.valid());
  other.join();
}

TEST(FutureTest, WaitForTheLongestTimeIsNoOverflow) {
  Promise<std::string> promise;
  const Future<std::string> future = promise.future();
  std::thread other([&] { promise.Set(std::string("seven")); });
  EXPECT_TRUE(future.wait_for(milliseconds::max()));
  EXPECT_TRUE(future.ready());
  other.join();
}

TEST(FutureTest, ThenBeforeTheAnswerRunsWithIt) {
  Promise<std::string> promise;
  std::string seen;
  promise.future().then([&](const Result<std::string>& answer) { seen = Text(answer); });
  EXPECT_EQ(seen, "");
  promise.Set(Failure(Errc::kInvalidTopic, "no"));
  EXPECT_EQ(seen, "INVALID_TOPIC_EXCEPTION");
}

TEST(FutureTest, ThenAfterTheAnswerRunsHere) {
  Promise<std::string> promise;
  Future<std::string> future = promise.future();
  promise.Set(std::string("seven"));
  std::string seen;
  future.then([&](const Result<std::string>& answer) { seen = Text(answer); });
  EXPECT_EQ(seen, "seven");
  EXPECT_FALSE(future.valid());
}

TEST(FutureTest, ThenTakesAFunctionThatCanOnlyBeMoved) {
  Promise<std::string> promise;
  std::string seen;
  promise.future().then([&seen, owned = std::make_unique<int>(7)](const Result<std::string>& answer) { seen = Text(answer) + std::to_string(*owned); });
  promise.Set(std::string("seven"));
  EXPECT_EQ(seen, "seven7");
}

TEST(FutureTest, OfADroppedPromiseFailsAndIsNotDefinite) {
  Future<std::string> future;
  std::string seen;
  {
    Promise<std::string> waited_for;
    future = waited_for.future();
    Promise<std::string> called;
    called.future().then([&](const Result<std::string>& answer) { seen = Text(answer); });
  }
  const Result<std::string> answer = future.get();
  EXPECT_EQ(Text(answer), "UNKNOWN_SERVER_ERROR");
  EXPECT_FALSE(answer.error().definite());
  EXPECT_EQ(seen, "UNKNOWN_SERVER_ERROR");
}

TEST(FutureTest, AssigningAPromiseBreaksTheOldOne) {
  Promise<std::string> promise;
  Future<std::string> old = promise.future();
  promise = Promise<std::string>();
  EXPECT_EQ(Text(old.get()), "UNKNOWN_SERVER_ERROR");
}

TEST(FutureTest, DroppedBeforeTheAnswerIsNoHarm) {
  Promise<std::string> promise;
  { const Future<std::string> dropped = promise.future(); }
  promise.Set(std::string("nobody asks"));
}

TEST(FutureTest, ThatIsEmptyAnswersAtOnce) {
  Future<std::string> empty;
  EXPECT_FALSE(empty.ready());
  EXPECT_FALSE(empty.wait_for(milliseconds(0)));
  EXPECT_EQ(Text(empty.get()), "INVALID_REQUEST");
  bool ran = false;
  empty.then([&](const Result<std::string>&) { ran = true; });
  EXPECT_FALSE(ran);
}

TEST(FutureTest, GetOnTheThreadThatWouldAnswerIsRefused) {
  Promise<std::string> promise(std::make_shared<CallbackThread>(std::this_thread::get_id()));
  Future<std::string> future = promise.future();
  EXPECT_EQ(Text(future.get()), "INVALID_REQUEST");
  promise.Set(std::string("seven"));
  EXPECT_EQ(Text(future.get()), "seven");
}

TEST(CallbackThreadTest, WhatAFunctionThrowsIsCountedAndHandedToTheHook) {
  std::string told;
  const auto thread = std::make_shared<CallbackThread>(std::thread::id(), [&](const std::exception_ptr& exception) {
    try {
      std::rethrow_exception(exception);
    } catch (const std::exception& thrown) {
      told += thrown.what();
    }
    throw std::runtime_error("the hook, too");
  });
  Promise<std::string> before(thread);
  before.future().then([](const Result<std::string>&) { throw std::runtime_error("before "); });
  before.Set(std::string("x"));
  Promise<std::string> after(thread);
  Future<std::string> future = after.future();
  after.Set(std::string("x"));
  future.then([](const Result<std::string>&) { throw std::runtime_error("after"); });
  EXPECT_EQ(told, "before after");
  EXPECT_EQ(thread->exceptions_caught(), 2u);
}

// The least task type: runs at once, ends by itself.
struct Task {
  struct promise_type {
    Task get_return_object() { return {}; }
    std::suspend_never initial_suspend() noexcept { return {}; }
    std::suspend_never final_suspend() noexcept { return {}; }
    void return_void() {}
    void unhandled_exception() { std::terminate(); }
  };
};

Task Collect(Future<std::string> first, Future<std::string> second, std::string* seen) {
  *seen += Text(co_await std::move(first));
  *seen += Text(co_await std::move(second));
  *seen += Text(co_await Future<std::string>());
}

TEST(CoroutineTest, AwaitsAnswersThatAreThereAndThatAreNot) {
  Promise<std::string> first, second;
  std::string seen;
  Collect(first.future(), second.future(), &seen);
  EXPECT_EQ(seen, "");
  second.Set(std::string("two "));
  first.Set(std::string("one "));
  EXPECT_EQ(seen, "one two INVALID_REQUEST");
}

TEST(CoroutineTest, GoesOnOnTheThreadThatAnswers) {
  Promise<std::string> promise;
  std::thread::id resumed_on;
  const auto wait = [](Future<std::string> future, std::thread::id* on) -> Task {
    (void)co_await std::move(future);
    *on = std::this_thread::get_id();
  };
  wait(promise.future(), &resumed_on);
  std::thread::id answered_on;
  std::thread other([&] {
    answered_on = std::this_thread::get_id();
    promise.Set(std::string("x"));
  });
  other.join();
  EXPECT_EQ(resumed_on, answered_on);
}

TEST(CoroutineTest, WakesWhenThePromiseIsDropped) {
  std::string seen;
  {
    Promise<std::string> second;
    Promise<std::string> first;
    Collect(first.future(), second.future(), &seen);
  }
  EXPECT_EQ(seen, "UNKNOWN_SERVER_ERRORUNKNOWN_SERVER_ERRORINVALID_REQUEST");
}

}  // namespace
}  // namespace cordwood
