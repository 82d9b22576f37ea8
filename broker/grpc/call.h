// SPDX-License-Identifier: Apache-2.0
// The one server-side class on gRPC's completion queue: a call of raw bytes, unary or a stream, with its window and its share of the byte budget.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include <grpcpp/support/byte_buffer.h>

#include "broker/handlers/byte_budget.h"
#include "broker/handlers/request_context.h"
#include "broker/handlers/timer_wheel.h"
#include "storage/base/clock.h"
#include "storage/base/measures.h"
#include "storage/base/strings.h"

namespace grpc {
class AsyncGenericService;
class ServerCompletionQueue;
}  // namespace grpc

namespace cordwood::broker {

class Call;
class CallSet;

// What a call is for: one per call, made when its method is known, destroyed with it. All on the call's thread.
class CallDoor {
 public:
  virtual ~CallDoor() = default;
  // `charge` is the message's share of the budget: to be kept as long as its bytes are. Its charge.bytes() are unanswered until Call::Answered().
  virtual void OnMessage(grpc::ByteBuffer message, ByteCharge charge) = 0;
  // A message that was not taken: the call is to end with `status`, once what came before it is answered. Nothing more is read.
  virtual void OnRefused(const Status& status) = 0;
  virtual void OnHalfClose() = 0;  // the client sends no more
  virtual void OnWritten() {}      // an answer went out: Call::unwritten() is one less
  virtual void OnStop() = 0;       // the broker stops: finish soon
  virtual void OnEnd() = 0;        // once, last: finished, cancelled or broken. What is still written goes nowhere
};

struct MethodOptions {
  bool unary = false;                // one message in, one answer out
  bool always_reads = false;         // a read is posted at all times; for small requests only. Else: only while window and lease have room
  std::size_t message_bytes_max = 8 * 1024 * 1024;
  std::string message_limit_name = "socket.request.max.bytes";
  std::size_t window_bytes = 4 * 1024 * 1024;  // of unanswered messages; one message is read whatever its size
  int calls_max = 20'000;            // open at a time, per thread
  std::string calls_limit_name;      // the setting that raises it; empty: none does
};

// Counts a reference for each operation that the completion queue still holds; the last one deletes it. Finish() and everything after OnEnd() may be
// called at any time and in any number: what no longer makes sense is ignored.
// Threading: the thread of its completion queue only.
class Call {
 public:
  using DoorFactory = std::function<std::unique_ptr<CallDoor>(Call&)>;

  // Answers go out in order, one at a time.
  void Write(grpc::ByteBuffer answer);
  // After what was written: OK, or the error with its Reason in grpc-status-details-bin.
  void Finish(const Status& status);
  // Ends a call whose answers are not read: UNAVAILABLE, without a reason, past whatever was still to be written.
  void Cut(const std::string& why);
  // `bytes` of messages have been answered: room in the window.
  void Answered(std::size_t bytes);
  // A message counts `bytes` more in the window than it had, until they too have been answered: its answer holds more than it did.
  void Owe(std::size_t bytes);
  std::size_t unwritten() const;  // answers that are not yet handed to the transport
  bool ended() const;
  const RequestContext& context() const { return context_; }

 private:
  friend class CallSet;
  struct Wire;  // everything of gRPC
  explicit Call(CallSet& set);
  ~Call();
  void Accept();
  void OnAccepted(bool ok);
  void Open();
  void MaybeRead();
  void StopWaiting();  // for the lease
  void OnRead(bool ok);
  void OnWrite(bool ok);
  void OnFinished();
  void OnDone();
  void WriteNext();
  void BeginWrite();
  void OnWriteTimeout();
  void End();
  void Unref();

  CallSet& set_;
  std::unique_ptr<Wire> wire_;
  RequestContext context_;
  std::unique_ptr<CallDoor> door_;
};

inline constexpr std::size_t kTransportWindowBytes = 64 * 1024;  // HTTP/2's, per stream
inline constexpr std::size_t kMessageCostMin = 512;              // what a message counts at least, so that tiny ones are bounded too
inline constexpr std::size_t kUnwrittenMax = 64;                 // a call with so many answers unwritten is not read

// The calls of one network thread.
class CallSet {
 public:
  // A call with an answer that the transport has not taken for `answer_write_timeout` ends: UNAVAILABLE, with whatever was still to be written.
  CallSet(ByteLease& lease, TimerWheel& timers, Clock& clock, absl::Duration answer_write_timeout);
  ~CallSet();

  // Before Start(). Methods not added here are UNIMPLEMENTED. `path` is "/package.Service/Method".
  void AddMethod(const std::string& path, const MethodOptions& options, Call::DoorFactory make_door);
  // From here on calls are accepted. Both outlive the set.
  void Start(grpc::AsyncGenericService& service, grpc::ServerCompletionQueue& queue);
  // Doors are told to finish; new calls are refused with SHUTTING_DOWN.
  void Stop();
  // What the completion queue gave back.
  static void OnEvent(void* tag, bool ok);
  std::size_t open_calls() const { return open_calls_; }  // accepted and not yet deleted

  std::uint64_t ended_calls() const { return ended_calls_.value(); }  // deleted; any thread

  // After Start() from any thread, for every method that was added.
  struct MethodMeasures {
    std::string_view path;
    std::int64_t open = 0;
    int open_max = 0;
    std::string_view limit_name;  // of open_max
    const ReasonCounts* errors = nullptr;  // with which calls ended as a whole
  };
  std::vector<MethodMeasures> measures() const;

 private:
  friend class Call;
  struct Method {
    MethodOptions options;
    Call::DoorFactory make_door;
    Gauge open;
    ReasonCounts errors;
    int open_max = 0;
  };
  void ResumeReads();

  ByteLease& lease_;
  TimerWheel& timers_;
  Clock& clock_;
  const absl::Duration answer_write_timeout_;
  StringMap<std::unique_ptr<Method>> methods_;
  grpc::AsyncGenericService* service_ = nullptr;
  grpc::ServerCompletionQueue* queue_ = nullptr;
  Call* first_open_ = nullptr;     // all open calls, doubly linked through their Wire
  Call* first_waiting_ = nullptr;  // that want to read and wait for the lease, oldest first; each once
  Call* last_waiting_ = nullptr;
  Timer lease_retry_;              // other threads may have given room back
  std::size_t open_calls_ = 0;
  Counter ended_calls_;
  bool stopping_ = false;
};

}  // namespace cordwood::broker
