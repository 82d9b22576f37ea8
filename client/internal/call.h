// SPDX-License-Identifier: Apache-2.0
// The one client-side class on gRPC's completion queue: a thread that runs calls, tasks and timers.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <unordered_set>
#include <utility>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "storage/base/mailbox.h"
#include "storage/base/mutex.h"
#include "storage/base/reason.h"
#include "storage/base/shared_bytes.h"

namespace grpc {
class Channel;
class CompletionQueue;
}  // namespace grpc

namespace cordwood::client {

class ClientLoop;

// One message on its way out: pieces in order, shared ones leave without a copy.
using OutgoingMessage = std::vector<std::variant<std::string, SharedBytes>>;

// What a call tells its owner, always on the loop's thread. After on_end nothing more comes.
struct CallEvents {
  std::function<void()> on_started;              // there is a connection: before this nothing that was written has left
  std::function<void(SharedBytes message)> on_message;
  std::function<void()> on_written;              // the last Write() was taken over: another may follow
  std::function<void(const Status& status)> on_end;  // exactly once
};

// One RPC of any kind, raw bytes both ways; a unary call is a stream of one message. At most one Write() is outstanding.
// Lifetime: counts a reference for each operation that the completion queue still holds and one for its owner's handle, so both
// may go at any time. Dropping the handle cancels the call and silences it.
// Threading: the loop's thread only.
class Call {
 public:
  class Handle;

 private:
  friend class ClientLoop;
  struct Tag;
  struct State;
};

// Owns a call for the side that opened it.
class Call::Handle {
 public:
  Handle() = default;
  Handle(Handle&& other) noexcept : state_(std::exchange(other.state_, nullptr)) {}
  Handle& operator=(Handle&& other) noexcept {
    if (this != &other) {
      Reset();
      state_ = std::exchange(other.state_, nullptr);
    }
    return *this;
  }
  ~Handle() { Reset(); }

  explicit operator bool() const { return state_ != nullptr; }
  // False: one is outstanding or the call is over, so nothing was taken.
  bool Write(const OutgoingMessage& message);
  // No more writes will follow; waits its turn behind an outstanding one.
  void FinishWriting();
  void Cancel();  // on_end follows
  void Reset();   // cancels; no event follows

 private:
  friend class ClientLoop;
  explicit Handle(State* state) : state_(state) {}
  State* state_ = nullptr;
};

// One thread, on which everything of one client happens: calls, timers and posted tasks (a strand).
// Threading: Post() and Stop() from any thread, all else on the loop's own.
class ClientLoop {
 public:
  using TimerId = std::uint64_t;

  explicit ClientLoop(std::string thread_name = "cw-client");
  ~ClientLoop();  // Stop()
  ClientLoop(const ClientLoop&) = delete;
  ClientLoop& operator=(const ClientLoop&) = delete;

  // Tasks run in the order of posting. False, and the task is dropped, once the loop has stopped.
  bool Post(std::function<void()> task);
  // Runs `task` on the loop and waits for it; at once if called there. False if the loop has stopped.
  bool Run(const std::function<void()>& task);
  bool in_loop() const { return std::this_thread::get_id() == thread_id_; }

  TimerId After(absl::Duration delay, std::function<void()> task);  // delay >= 0
  void CancelTimer(TimerId id);                                     // an id that has fired is ignored

  // `method` as "/package.Service/Method". on_end comes later even if the call fails at once. `timeout` bounds the whole call.
  Call::Handle Open(const std::shared_ptr<grpc::Channel>& channel, const std::string& method, CallEvents events,
                    absl::Duration timeout = absl::InfiniteDuration());

  // Cancels every call, waits until each has ended, drops timers and tasks, joins. Not from the loop's thread. Idempotent.
  void Stop();
  std::size_t open_calls() const { return calls_.size(); }

 private:
  friend class Call;
  struct Task : MailboxNode {
    std::function<void()> run;
  };
  struct Wakeup;

  void Loop();
  bool RunTasks();   // false: the stop task was among them
  absl::Duration RunTimers();  // how long until the next

  const std::string thread_name_;
  std::unique_ptr<grpc::CompletionQueue> queue_;
  std::unique_ptr<Wakeup> wakeup_;
  Mailbox<Task> tasks_;
  std::thread::id thread_id_;  // set before the constructor returns

  // The loop's thread.
  std::unordered_set<Call::State*> calls_;  // that have not ended
  std::map<std::pair<absl::Duration, TimerId>, std::function<void()>> timers_;  // by time due
  std::map<TimerId, absl::Duration> timer_due_;
  TimerId last_timer_ = 0;
  bool stopping_ = false;  // calls are cancelled as they are opened

  Mutex mu_;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;  // no further tasks are taken

  Mutex join_mu_;  // taken by Stop() alone
  bool joined_ ABSL_GUARDED_BY(join_mu_) = false;
  std::thread thread_;
};

}  // namespace cordwood::client
