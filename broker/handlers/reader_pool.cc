// SPDX-License-Identifier: Apache-2.0
// One queue under one lock: a read costs a thousand times what the lock does.
#include "broker/handlers/reader_pool.h"

#include <string>
#include <utility>

#include "broker/replication/shard_driver.h"
#include "storage/base/thread_name.h"

namespace cordwood::broker {

ReaderPool::ReaderPool(int threads, RecordEncoder encode) : thread_count_(threads), encode_(std::move(encode)) {}

ReaderPool::~ReaderPool() { Stop(); }

void ReaderPool::Start() {
  for (int i = 0; i < thread_count_; ++i) threads_.emplace_back([this, i] { Loop(i); });
}

void ReaderPool::Stop() {
  {
    MutexLock lock(mu_);
    stopped_ = true;
    work_.SignalAll();
  }
  for (std::thread& thread : threads_) thread.join();
  threads_.clear();
}

void ReaderPool::Submit(ReadJob* job) {
  job->next_in_mailbox = nullptr;
  {
    MutexLock lock(mu_);
    if (!stopped_) {
      if (newest_ == nullptr) {
        oldest_ = job;
      } else {
        newest_->next_in_mailbox = job;
      }
      newest_ = job;
      queued_.Add(1);
      work_.Signal();
      return;
    }
  }
  job->status = Error(Reason::kShuttingDown, "the broker is stopping");
  job->outbox->Push(job);
}

void ReaderPool::Loop(int index) {
  SetThreadName("reader-" + std::to_string(index));
  for (;;) {
    ReadJob* job;
    bool stopped;
    {
      MutexLock lock(mu_);
      while (oldest_ == nullptr && !stopped_) work_.Wait(mu_);
      if (oldest_ == nullptr) return;
      job = oldest_;
      queued_.Add(-1);
      oldest_ = static_cast<ReadJob*>(job->next_in_mailbox);
      if (oldest_ == nullptr) newest_ = nullptr;
      stopped = stopped_;
    }
    if (stopped) {
      job->status = Error(Reason::kShuttingDown, "the broker is stopping");
    } else if (job->unwanted.load(std::memory_order_relaxed)) {
      job->unread = true;
    } else {
      Execute(*job);
    }
    job->outbox->Push(job);
  }
}

void ReaderPool::Execute(ReadJob& job) const {
  StatusOr<ReadResult> read = LogReader(job.partition->driver.store()).Read(job.partition->id, job.range);
  if (!read.ok()) {
    job.status = read.status();
    return;
  }
  job.log_bytes = read->batches.size();
  job.bytes = std::move(read->batches);
  job.next = read->next;
  job.cleaned = read->cleaned;
  if (!job.as_records || job.bytes.empty()) return;
  StatusOr<EncodedRecords> encoded = encode_(job.bytes.view(), job.range.from, job.range.bytes_max);
  if (!encoded.ok()) {
    job.status = encoded.status();
    return;
  }
  job.bytes = std::move(encoded->bytes);
  job.next = encoded->next;
}

}  // namespace cordwood::broker
