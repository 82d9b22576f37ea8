// SPDX-License-Identifier: Apache-2.0
// A reader of partitions: positions in, checked batches out, through broken connections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/time/time.h"
#include "client/internal/broker_connection.h"
#include "client/internal/call.h"
#include "client/internal/fetch_core.h"

namespace cordwood::client {

struct FetchFrom {
  TopicId topic;
  PartitionIndex partition;
  Offset offset;  // first wanted, inclusive
};

// Reads ahead as far as its credit reaches, over one stream for all partitions.
// Threading: one caller's thread at a time, but for Wakeup(). Shutdown: the destructor cancels and returns at once. `loop` must outlive it.
class FetchClient {
 public:
  FetchClient(ClientLoop& loop, BrokerConnection& connection, const FetchCoreOptions& options = {});
  ~FetchClient();  // Shutdown()
  FetchClient(const FetchClient&) = delete;
  FetchClient& operator=(const FetchClient&) = delete;

  // A slot for each, all or none. LIMIT_EXCEEDED: more than kFetchPartitionsMax.
  StatusOr<std::vector<std::size_t>> Add(const std::vector<FetchFrom>& partitions);
  // All there is, in order per partition, or empty after `timeout` or a Wakeup(). A partition's error comes as a chunk with a status.
  std::vector<FetchedChunk> Take(absl::Duration timeout) { return Take(timeout, nullptr); }
  // *woken: whether there was a Wakeup() since the last time one was told here.
  std::vector<FetchedChunk> Take(absl::Duration timeout, bool* woken);
  // The next Take(), or the one that is waiting, returns what there is without waiting. Any thread.
  void Wakeup();
  std::size_t untaken_bytes() const;  // memory_bytes of what Take() would give
  // Chunks of such memory_bytes are done with: as much may be read ahead again.
  void Consumed(std::size_t memory_bytes);

  struct Place {
    std::size_t slot;
    Offset offset;  // inclusive
  };
  // What was not taken yet is dropped. Also wakes a partition that is silent.
  void Seek(const std::vector<Place>& places);
  void Silence(const std::vector<std::size_t>& slots);  // what was not taken yet is dropped; nothing comes until Seek()
  void Remove(const std::vector<std::size_t>& slots);   // the slot numbers may be given again
  // Nothing comes any more; waits for nobody. Idempotent.
  void Shutdown();

  // OK while a stream is open or being opened for the first time; otherwise why it broke. The client keeps trying.
  Status connection_status() const;

 private:
  class Session;

  void Deliver(std::vector<FetchedChunk> chunks);     // loop
  void SetConnectionStatus(const Status& status);     // loop
  void DropAhead(std::size_t slot);                   // loop

  ClientLoop& loop_;
  std::unique_ptr<Session> session_;  // used on the loop alone

  mutable Mutex mu_;
  CondVar changed_;
  std::vector<FetchedChunk> ahead_ ABSL_GUARDED_BY(mu_);  // bounded by the credit
  bool woken_ ABSL_GUARDED_BY(mu_) = false;
  Status connection_status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cordwood::client
