// SPDX-License-Identifier: Apache-2.0
// The queue of background jobs of PowerLossEnv.
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <fstream>
#include <string>

#include "tests/fault/power_loss_fs.h"

namespace cordwood::testing {
namespace {

// RocksDB may hold its mutex over a disk call, and the job may want it.
constexpr std::chrono::seconds kGateMax(1);
constexpr std::chrono::microseconds kLook(100);
constexpr int kLooksMax = 500;
thread_local bool is_worker = false;

// Whether the kernel says of one of our threads that it sleeps.
bool IsBlocked(pid_t thread) {
  std::ifstream stat("/proc/self/task/" + std::to_string(thread) + "/stat");
  std::string text;
  std::getline(stat, text);
  const std::size_t name_end = text.rfind(')');
  return name_end != std::string::npos && name_end + 2 < text.size() && text[name_end + 2] == 'S';
}

}  // namespace

PowerLossEnv::PowerLossEnv(SimulatedDisk& disk)
    : rocksdb::EnvWrapper(rocksdb::NewCompositeEnv(MakePowerLossFileSystem(disk))), worker_([this] { Loop(); }) {
  disk.SetGate([this] { WaitForBackground(); });
}

PowerLossEnv::~PowerLossEnv() {
  {
    const std::lock_guard<std::mutex> lock(mu_);
    stop_ = true;
  }
  wake_.notify_all();
  worker_.join();
}

// Whoever changes the disk beside a background job does so after it: one order of calls per seed.
void PowerLossEnv::WaitForBackground() {
  if (is_worker) return;
  std::unique_lock<std::mutex> lock(mu_);
  if (allowed_ == 0) return;
  if (!wake_.wait_for(lock, kGateMax, [this] { return jobs_.empty() && !running_; })) ++gate_timeouts_;
}

void PowerLossEnv::Loop() {
  is_worker = true;
  std::unique_lock<std::mutex> lock(mu_);
  while (true) {
    wake_.wait(lock, [this] { return stop_ || (allowed_ > 0 && !jobs_.empty()); });
    if (stop_) return;
    if (waiting_ == 0) {  // someone runs beside us: let who asked for the job reach the place where he waits for it
      const pid_t owner = owner_;
      lock.unlock();
      for (int i = 0; i < kLooksMax && !IsBlocked(owner); ++i) std::this_thread::sleep_for(kLook);
      lock.lock();
      if (stop_ || allowed_ == 0 || jobs_.empty()) continue;
    }
    const Job job = jobs_.front();
    jobs_.pop_front();
    running_ = true;
    lock.unlock();
    job.function(job.arg);
    lock.lock();
    running_ = false;
    wake_.notify_all();
  }
}

// What is queued comes first, so that the caller and an old job do not race for file numbers.
void PowerLossEnv::Allow() {
  std::unique_lock<std::mutex> lock(mu_);
  owner_ = gettid();
  ++allowed_;
  ++waiting_;
  wake_.notify_all();
  wake_.wait(lock, [this] { return jobs_.empty() && !running_; });
  --waiting_;
}

void PowerLossEnv::Disallow() {
  std::unique_lock<std::mutex> lock(mu_);
  --allowed_;
  wake_.wait(lock, [this] { return allowed_ > 0 || !running_; });
}

void PowerLossEnv::RunBackground() { const BackgroundAllowed allowed(*this); }

void PowerLossEnv::Schedule(void (*function)(void*), void* arg, Priority priority, void* tag, void (*unschedule)(void*)) {
  const std::lock_guard<std::mutex> lock(mu_);
  jobs_.push_back({function, arg, priority, tag, unschedule});
  wake_.notify_all();
}

int PowerLossEnv::UnSchedule(void* tag, Priority priority) {
  std::deque<Job> removed;
  {
    const std::lock_guard<std::mutex> lock(mu_);
    const auto stays = [&](const Job& job) { return job.tag != tag || job.priority != priority; };
    const auto gone = std::stable_partition(jobs_.begin(), jobs_.end(), stays);
    removed.assign(gone, jobs_.end());
    jobs_.erase(gone, jobs_.end());
  }
  for (const Job& job : removed) {
    if (job.unschedule != nullptr) job.unschedule(job.arg);
  }
  return static_cast<int>(removed.size());
}

unsigned int PowerLossEnv::GetThreadPoolQueueLen(Priority priority) const {
  const std::lock_guard<std::mutex> lock(mu_);
  return static_cast<unsigned int>(std::count_if(jobs_.begin(), jobs_.end(), [&](const Job& job) { return job.priority == priority; }));
}

}  // namespace cordwood::testing
