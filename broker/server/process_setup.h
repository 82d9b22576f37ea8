// SPDX-License-Identifier: Apache-2.0
// What the process needs before there is any thread, and the deadline of its end.
#pragma once

#include <thread>

#include "absl/time/time.h"
#include "storage/base/mutex.h"

namespace cordwood::broker {

// Early in main(): malloc's thresholds, absl's deadlock detector off, gRPC's log quiet.
void TuneProcess();
// As many files as the hard limit allows: RocksDB keeps all of its open.
void RaiseFileLimit();
// First thing in main(). SIGTERM and SIGINT are only taken by AwaitStopSignal(), in every thread made from here on; SIGPIPE is ignored.
void BlockStopSignals();
// True if SIGTERM or SIGINT has come; false after `timeout`.
bool AwaitStopSignal(absl::Duration timeout);

// Ends the process with code 1 and a line in the log unless it is destroyed in time.
class ShutdownDeadline {
 public:
  explicit ShutdownDeadline(absl::Duration timeout);
  ~ShutdownDeadline();

 private:
  Mutex mu_;
  CondVar wake_;
  bool done_ ABSL_GUARDED_BY(mu_) = false;
  std::thread thread_;
};

}  // namespace cordwood::broker
