// SPDX-License-Identifier: Apache-2.0
// What the process needs before there is any thread, and the deadline of its end.
#pragma once

#include <cstdint>
#include <thread>

#include "absl/time/time.h"
#include "storage/base/mutex.h"

namespace cordwood::broker {

// Early in main(): malloc's thresholds, absl's deadlock detector off, gRPC's log quiet.
void TuneProcess();
// As many files as the hard limit allows: RocksDB keeps all of its open.
void RaiseFileLimit();
// `wanted`, or what `files` descriptors leave room for beside the storage's: all but 4096, or half where that is more.
std::int64_t ConnectionsWithin(std::int64_t wanted, std::uint64_t files);
// The same for this process, with a warning in the log if it is less.
std::int64_t ConnectionsAllowed(std::int64_t wanted);
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
