// SPDX-License-Identifier: Apache-2.0
// One queue under one lock: a control request costs a thousand times what the lock does.
#include "broker/grpc/control/control_pool.h"

#include <string>
#include <utility>

#include "storage/base/thread_name.h"

namespace cordwood::broker {
namespace {

std::size_t AnswerBytes(const ControlJob& job) { return job.outcome.ok() ? job.outcome->Length() : 0; }

}  // namespace

void ControlJob::Run() {
  pool->Took(*this);
  if (listener != nullptr) listener->OnOutcome(*this);
  delete this;
}

ControlPool::ControlPool(const ControlPoolOptions& options, Clock& clock) : options_(options), clock_(clock), queue_(options.queued_max) {}

ControlPool::~ControlPool() { Stop(); }

void ControlPool::Start() {
  for (int i = 0; i < options_.threads; ++i) threads_.emplace_back([this, i] { Loop(i); });
}

void ControlPool::Stop() {
  std::vector<ControlJob*> waiting;
  {
    MutexLock lock(mu_);
    stopped_ = true;
    while (ControlJob* job = queue_.Pop()) waiting.push_back(job);
    queued_.Set(0);
    work_.SignalAll();
  }
  for (ControlJob* job : waiting) {
    job->outcome = Error(Reason::kShuttingDown, "the broker is stopping");
    Return(job);
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ControlPool::Submit(ControlJob* job) {
  job->pool = this;
  ControlJob* refused = job;
  {
    MutexLock lock(mu_);
    if (stopped_) {
      job->outcome = Error(Reason::kShuttingDown, "the broker is stopping");
    } else {
      refused = queue_.Push(*job);
      queued_.Set(static_cast<std::int64_t>(queue_.size()));
      work_.Signal();
      if (refused != nullptr) {
        refused->outcome = Error(Reason::kThrottled, "queued.max.requests = " + std::to_string(options_.queued_max) + " requests wait for a thread");
      }
    }
  }
  if (refused != nullptr) Return(refused);
}

bool ControlPool::Withdraw(ControlJob& job) {
  MutexLock lock(mu_);
  const bool was_waiting = queue_.Remove(job);
  queued_.Set(static_cast<std::int64_t>(queue_.size()));
  return was_waiting;
}

void ControlPool::Took(const ControlJob& job) {
  const std::size_t bytes = AnswerBytes(job);
  if (bytes == 0) return;
  MutexLock lock(mu_);
  const bool was_full = returning_bytes_ >= options_.returning_bytes_max;
  returning_bytes_ -= bytes;
  if (was_full && returning_bytes_ < options_.returning_bytes_max) work_.SignalAll();
}

void ControlPool::Return(ControlJob* job) { job->outbox->Push(job); }

void ControlPool::Loop(int index) {
  SetThreadName("control-" + std::to_string(index));
  while (ControlJob* job = Next()) {
    Execute(*job);
    {
      MutexLock lock(mu_);
      returning_bytes_ += AnswerBytes(*job);
    }
    Return(job);
  }
}

ControlJob* ControlPool::Next() {
  MutexLock lock(mu_);
  while (!stopped_) {
    if (returning_bytes_ < options_.returning_bytes_max) {
      if (ControlJob* job = queue_.Pop()) {
        queued_.Set(static_cast<std::int64_t>(queue_.size()));
        return job;
      }
    }
    work_.Wait(mu_);
  }
  return nullptr;
}

void ControlPool::Execute(ControlJob& job) const {
  if (clock_.Monotonic() >= job.context.deadline) {
    job.outcome = Error(Reason::kThrottled, "the call's deadline passed before a thread took it; nothing was done");
  } else {
    job.outcome = (*job.handler)(job.request);
  }
  job.request.Clear();
}

}  // namespace cordwood::broker
