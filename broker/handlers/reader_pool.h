// SPDX-License-Identifier: Apache-2.0
// A few threads for what a network thread must not do: reading from RocksDB, decoding records for simple clients.
#pragma once

#include <atomic>
#include <cstddef>
#include <functional>
#include <string_view>
#include <thread>
#include <vector>

#include "broker/replication/outbox.h"
#include "broker/replication/replica_handle.h"
#include "storage/base/mailbox.h"
#include "storage/base/measures.h"
#include "storage/base/mutex.h"
#include "storage/shard/log_reader.h"

namespace cordwood::broker {

struct EncodedRecords {
  SharedBytes bytes;
  Offset next;  // where to go on
};
// Encodes the records of whole batches from offset `from` on, for a client that cannot read batches. Stops after `bytes_max`, but gives at least one record.
// Any thread.
using RecordEncoder = std::function<StatusOr<EncodedRecords>(std::string_view batches, Offset from, std::size_t bytes_max)>;

// A read: goes to a reader, and comes back to `outbox` as the answer.
struct ReadJob : OutboxMessage {
  ReplicaHandlePtr partition;
  ReadRange range;
  bool as_records = false;
  Outbox* outbox = nullptr;
  std::atomic<bool> unwanted{false};  // nobody waits for it any more: it comes back unread, unless a reader has begun. Any thread

  Status status;
  SharedBytes bytes;  // whole batches, or encoded records; empty if no batch ends in the range
  Offset next;
  bool cleaned = false;  // see ReadResult
  std::size_t log_bytes = 0;  // that were read of the log for it
  bool unread = false;  // for it was unwanted
};

// Jobs run oldest first. Bound: FetchOptions::read_bytes_max of each network thread, at the topic's max.message.bytes a job or more.
// Threading: Submit from any thread, Start and Stop from the owner.
class ReaderPool {
 public:
  ReaderPool(int threads, RecordEncoder encode);
  ~ReaderPool();

  void Start();
  // What was submitted still comes back, unread, with SHUTTING_DOWN. So does what is submitted later.
  void Stop();
  void Submit(ReadJob* job);
  std::int64_t queued() const { return queued_.value(); }  // that no reader has begun with; any thread

 private:
  void Loop(int index);
  void Execute(ReadJob& job) const;

  const int thread_count_;
  const RecordEncoder encode_;
  Mutex mu_;
  CondVar work_;
  ReadJob* oldest_ ABSL_GUARDED_BY(mu_) = nullptr;  // linked by next_in_mailbox
  ReadJob* newest_ ABSL_GUARDED_BY(mu_) = nullptr;
  Gauge queued_;  // written under mu_
  bool stopped_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace cordwood::broker
