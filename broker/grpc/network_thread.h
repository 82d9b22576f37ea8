// SPDX-License-Identifier: Apache-2.0
// The threads that serve gRPC's completion queues: calls, outbox, timers, handlers, all without a lock.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <vector>

#include "absl/time/time.h"
#include "broker/grpc/call.h"
#include "broker/handlers/byte_budget.h"
#include "broker/handlers/timer_wheel.h"
#include "broker/replication/outbox.h"
#include "storage/base/clock.h"
#include "storage/base/mutex.h"

namespace grpc {
class ServerBuilder;
}

namespace cordwood::broker {

class NetworkThreads;

struct NetworkOptions {
  int threads = 1;
  std::size_t request_bytes_max = 8 * 1024 * 1024;           // socket.request.max.bytes
  absl::Duration answer_write_timeout = absl::Minutes(5);    // answer.write.timeout.ms
};

// One completion queue and its thread. A turn is one event of the queue, then everything in the outbox, then what is due, then the handlers' turn end.
// Threading: outbox() may be pushed to from any thread; everything else before Start() or on the thread itself.
class NetworkThread {
 public:
  NetworkThread(int index, const NetworkOptions& options, ByteBudget& budget, Clock& clock);
  ~NetworkThread();

  int index() const { return index_; }
  Outbox& outbox() { return outbox_; }
  TimerWheel& timers() { return timers_; }
  CallSet& calls() { return calls_; }
  Clock& clock() { return clock_; }
  // Runs at the end of each turn; true: there is more to do, come back without waiting.
  void AtTurnEnd(std::function<bool()> work) { turn_end_.push_back(std::move(work)); }
  // Any thread: `task` on this one, in order with everything else in the outbox.
  void Run(std::function<void()> task);

 private:
  friend class NetworkThreads;
  struct Queue;  // of gRPC: completion queue and alarm
  void Kick();
  void Loop();
  void EndTurn();
  void CloseQueue();

  const int index_;
  Clock& clock_;
  bool closing_ = false;  // these six: of the thread
  ByteLease lease_;
  TimerWheel timers_;
  CallSet calls_;
  std::vector<std::function<bool()>> turn_end_;
  bool more_work_ = false;
  Outbox outbox_;

  Mutex mu_;
  const std::unique_ptr<Queue> queue_;               // its alarm is guarded by mu_
  bool closed_ ABSL_GUARDED_BY(mu_) = true;          // no kicks before Start() and after Stop()
  bool kicked_ ABSL_GUARDED_BY(mu_) = false;         // the alarm is set and has not come through
  std::atomic<std::size_t> open_calls_{0};           // for Drain(): a count to look at
  std::thread thread_;
};

// All of them, and the generic service that they share. Beside it a server may have synchronous services.
//
//     AddTo(builder) → builder.BuildAndStart() → Start() → … → Drain(t) → server.Shutdown(t) → shards and readers stop → Stop()
class NetworkThreads {
 public:
  NetworkThreads(const NetworkOptions& options, ByteBudget& budget, Clock& clock);
  ~NetworkThreads();  // after Stop(), or before AddTo()

  int size() const { return static_cast<int>(threads_.size()); }
  NetworkThread& at(int index) { return *threads_[static_cast<std::size_t>(index)]; }

  // Completion queues, the generic service, and the transport's limits and windows.
  void AddTo(grpc::ServerBuilder& builder);
  void Start();
  // Refuses new calls, lets every open one finish. True if all did within `timeout`.
  bool Drain(absl::Duration timeout);
  // After the server is shut down, and nothing pushes to an outbox any more: runs what is left, joins.
  void Stop();

 private:
  struct Service;
  const NetworkOptions options_;
  const std::unique_ptr<Service> service_;
  std::vector<std::unique_ptr<NetworkThread>> threads_;
};

}  // namespace cordwood::broker
