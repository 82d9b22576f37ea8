// SPDX-License-Identifier: Apache-2.0
// A reader of partitions: positions in, checked batches out, through broken connections.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <optional>
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

// Reads ahead as far as its credit reaches; slots are the indices of `partitions`.
// Threading: one caller's thread at a time. Shutdown: the destructor cancels and returns at once. `loop` must outlive it.
class FetchClient {
 public:
  FetchClient(ClientLoop& loop, BrokerConnection& connection, const std::vector<FetchFrom>& partitions, const FetchCoreOptions& options = {});
  ~FetchClient();
  FetchClient(const FetchClient&) = delete;
  FetchClient& operator=(const FetchClient&) = delete;

  // The next chunk, in order per partition; nullopt after `timeout`. A partition's error comes as a chunk with a status.
  std::optional<FetchedChunk> Next(absl::Duration timeout);
  // Chunks read ahead are dropped. Also wakes a partition that an error silenced.
  void Seek(std::size_t slot, Offset to);
  void Remove(std::size_t slot);

  // OK while a stream is open or being opened for the first time; otherwise why it broke. The client keeps trying.
  Status connection_status();

 private:
  class Session;

  void Deliver(std::vector<FetchedChunk> chunks);     // loop
  void SetConnectionStatus(const Status& status);     // loop
  void DropAhead(std::size_t slot);

  ClientLoop& loop_;
  std::unique_ptr<Session> session_;  // used on the loop alone

  Mutex mu_;
  CondVar changed_;
  std::deque<FetchedChunk> ahead_ ABSL_GUARDED_BY(mu_);  // bounded by the credit
  Status connection_status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cordwood::client
