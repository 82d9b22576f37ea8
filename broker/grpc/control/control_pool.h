// SPDX-License-Identifier: Apache-2.0
// The few threads that run control requests: those wait for shards, the metadata strand, RocksDB, which a network thread must not.
#pragma once

#include <cstddef>
#include <thread>
#include <vector>

#include "broker/grpc/control/control_queue.h"
#include "storage/base/clock.h"
#include "storage/base/measures.h"
#include "storage/base/mutex.h"

namespace cordwood::broker {

struct ControlPoolOptions {
  int threads = 8;
  std::size_t queued_max = 10'000;                          // queued.max.requests
  std::size_t returning_bytes_max = 64 * 1024 * 1024;       // of answers that network threads have not taken; beyond it no job is begun
};

// Jobs come back through their outbox, each once: with its answer, or
// - THROTTLING_QUOTA_EXCEEDED, and it was not run: queued_max jobs wait already, or its deadline had passed before a thread took it;
// - SHUTTING_DOWN: after Stop().
// Threading: Start and Stop from the owner, everything else from any thread.
class ControlPool {
 public:
  ControlPool(const ControlPoolOptions& options, Clock& clock);
  ~ControlPool();

  void Start();
  // What runs is run to its end, what waits comes back. The outboxes are still emptied by their threads.
  void Stop();
  void Submit(ControlJob* job);
  // True: the job was waiting, and is the caller's again. False: it will come back, or has.
  bool Withdraw(ControlJob& job);

  std::int64_t queued() const { return queued_.value(); }
  std::int64_t queued_max() const { return static_cast<std::int64_t>(options_.queued_max); }

 private:
  friend struct ControlJob;
  void Took(const ControlJob& job);  // a network thread has its answer
  void Loop(int index);
  ControlJob* Next();
  void Execute(ControlJob& job) const;
  void Return(ControlJob* job);

  const ControlPoolOptions options_;
  Clock& clock_;
  Mutex mu_;
  CondVar work_;
  ControlQueue queue_ ABSL_GUARDED_BY(mu_);
  Gauge queued_;  // written under mu_
  std::size_t returning_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace cordwood::broker
