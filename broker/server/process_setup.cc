// SPDX-License-Identifier: Apache-2.0
// Settings of libc, absl and the kernel.
#include "broker/server/process_setup.h"

#include <malloc.h>
#include <pthread.h>
#include <signal.h>
#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "absl/synchronization/mutex.h"
#include "absl/time/clock.h"
#include "broker/grpc/grpc_server.h"
#include "broker/server/event_log.h"

namespace cordwood::broker {
namespace {

sigset_t StopSignals() {
  sigset_t signals;
  sigemptyset(&signals);
  sigaddset(&signals, SIGTERM);
  sigaddset(&signals, SIGINT);
  return signals;
}

}  // namespace

void TuneProcess() {
  // Debian builds absl without NDEBUG: every lock would feed the detector, behind one spinlock.
  absl::SetMutexDeadlockDetectionMode(absl::OnDeadlockCycle::kIgnore);
  // gRPC reads into fresh 8 and 64 KiB blocks; without these glibc gives their pages back to the kernel and faults them in again.
  mallopt(M_TRIM_THRESHOLD, 64 << 20);
  mallopt(M_MMAP_THRESHOLD, 32 << 20);
  mallopt(M_TOP_PAD, 1 << 20);
  QuietGrpcLog();
}

void RaiseFileLimit() {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0 || limit.rlim_cur == limit.rlim_max) return;
  limit.rlim_cur = limit.rlim_max;
  if (setrlimit(RLIMIT_NOFILE, &limit) != 0) LogEvent(EventLevel::kWarning, "cannot raise the limit of open files");
}

std::int64_t ConnectionsWithin(std::int64_t wanted, std::uint64_t files) {
  constexpr std::uint64_t kStorageFiles = 4096;
  const std::uint64_t room = files - std::min(files / 2, kStorageFiles);
  return room < static_cast<std::uint64_t>(wanted) ? static_cast<std::int64_t>(room) : wanted;
}

std::int64_t ConnectionsAllowed(std::int64_t wanted) {
  rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return wanted;
  const std::int64_t allowed = ConnectionsWithin(wanted, limit.rlim_cur);
  if (allowed < wanted) {
    LogEvent(EventLevel::kWarning, "max.connections is " + std::to_string(allowed) + " and not " + std::to_string(wanted) + ": the limit of open files is " +
                                       std::to_string(limit.rlim_cur));
  }
  return allowed;
}

void BlockStopSignals() {
  signal(SIGPIPE, SIG_IGN);
  const sigset_t signals = StopSignals();
  pthread_sigmask(SIG_BLOCK, &signals, nullptr);
}

bool AwaitStopSignal(absl::Duration timeout) {
  const sigset_t signals = StopSignals();
  const timespec wait = absl::ToTimespec(timeout);
  const int signal = sigtimedwait(&signals, nullptr, &wait);
  return signal == SIGTERM || signal == SIGINT;
}

ShutdownDeadline::ShutdownDeadline(absl::Duration timeout) {
  thread_ = std::thread([this, timeout] {
    const absl::Time end = absl::Now() + timeout;
    MutexLock lock(mu_);
    while (!done_) {
      const absl::Duration left = end - absl::Now();
      if (left <= absl::ZeroDuration()) {
        LogEvent(EventLevel::kError, "not stopped after shutdown.timeout.ms = " + std::to_string(absl::ToInt64Milliseconds(timeout)) +
                                         ": ending at once; the next start recovers as after a crash");
        _exit(1);
      }
      wake_.WaitFor(mu_, absl::ToChronoNanoseconds(left));
    }
  });
}

ShutdownDeadline::~ShutdownDeadline() {
  {
    MutexLock lock(mu_);
    done_ = true;
    wake_.Signal();
  }
  thread_.join();
}

}  // namespace cordwood::broker
