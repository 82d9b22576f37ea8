// SPDX-License-Identifier: Apache-2.0
// RocksDB's FileSystem over a SimulatedDisk, and an Env whose background jobs run only when the test says so.
#pragma once

#include <sys/types.h>

#include <atomic>
#include <condition_variable>
#include <cstdint>
#include <deque>
#include <memory>
#include <mutex>
#include <thread>

#include "rocksdb/env.h"
#include "rocksdb/file_system.h"
#include "tests/fault/simulated_disk.h"

namespace cordwood::testing {

// Every call goes to `disk`, which must outlive it. RocksDB's own log goes nowhere.
std::shared_ptr<rocksdb::FileSystem> MakePowerLossFileSystem(SimulatedDisk& disk);

// Flushes and compactions wait in a queue until RunBackground(), or run at once while a BackgroundAllowed lives: so a seed repeats its
// run, whatever the machine does. One worker thread. Destroy it after the databases that use it.
class PowerLossEnv final : public rocksdb::EnvWrapper {
 public:
  explicit PowerLossEnv(SimulatedDisk& disk);
  ~PowerLossEnv() override;

  // Runs what is queued, and what that queues, and returns when nothing is left.
  void RunBackground();
  // How often the order of calls was left to chance.
  int gate_timeouts() const { return gate_timeouts_; }

  void Schedule(void (*function)(void*), void* arg, Priority priority, void* tag, void (*unschedule)(void*)) override;
  int UnSchedule(void* tag, Priority priority) override;
  unsigned int GetThreadPoolQueueLen(Priority priority) const override;
  void SetBackgroundThreads(int, Priority) override {}
  void IncBackgroundThreadsIfNeeded(int, Priority) override {}
  int ReserveThreads(int, Priority) override { return 0; }
  int ReleaseThreads(int, Priority) override { return 0; }

  // RocksDB's clock moves a microsecond with each look at it, and by what it sleeps: write stalls count with it.
  std::uint64_t NowMicros() override { return ++micros_; }
  std::uint64_t NowNanos() override { return ++micros_ * 1000; }
  std::uint64_t NowCPUNanos() override { return ++micros_ * 1000; }
  void SleepForMicroseconds(int micros) override { micros_ += static_cast<std::uint64_t>(micros); }
  rocksdb::Status GetCurrentTime(std::int64_t* seconds) override {
    *seconds = 1'700'000'000;
    return rocksdb::Status::OK();
  }

 private:
  friend class BackgroundAllowed;
  struct Job {
    void (*function)(void*);
    void* arg;
    Priority priority;
    void* tag;
    void (*unschedule)(void*);
  };
  void Allow();
  void Disallow();  // waits for the job that runs
  void Loop();
  void WaitForBackground();

  std::atomic<std::uint64_t> micros_{1'700'000'000'000'000};
  mutable std::mutex mu_;
  std::condition_variable wake_;
  std::deque<Job> jobs_;
  int allowed_ = 0;
  int waiting_ = 0;  // for the queue to be empty
  pid_t owner_ = 0;  // the thread beside which jobs run
  bool running_ = false;
  bool stop_ = false;
  int gate_timeouts_ = 0;
  std::thread worker_;
};

// While it lives, background jobs run beside the caller, those that were queued before it: around calls that wait for them (a manual
// flush or compaction).
class BackgroundAllowed {
 public:
  explicit BackgroundAllowed(PowerLossEnv& env) : env_(env) { env_.Allow(); }
  ~BackgroundAllowed() { env_.Disallow(); }
  BackgroundAllowed(const BackgroundAllowed&) = delete;
  BackgroundAllowed& operator=(const BackgroundAllowed&) = delete;

 private:
  PowerLossEnv& env_;
};

}  // namespace cordwood::testing
