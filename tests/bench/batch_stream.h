// SPDX-License-Identifier: Apache-2.0
// Sends batches that were built before over a produce stream: what the broker takes when no client encodes.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <vector>

#include "client/internal/broker_connection.h"
#include "client/internal/call.h"
#include "client/internal/metadata_cache.h"
#include "storage/base/mutex.h"
#include "storage/base/shared_bytes.h"

namespace cordwood::testing {

// Threading: Run() from one thread; all else is the loop's.
class BatchStream {
 public:
  // Every message is of about 1 MiB, over the partitions in turn. Unanswered bytes stay within the broker's window.
  BatchStream(client::ClientLoop& loop, client::BrokerConnection& connection, client::TopicImage topic, SharedBytes batch)
      : loop_(loop), connection_(connection), topic_(std::move(topic)), batch_(std::move(batch)), bound_(topic_.leaders.size()) {}

  // Until so many batches are acknowledged by all; the first refusal or the end of the stream ends it.
  Status Run(std::uint64_t batches);

 private:
  void Open();
  void Pump();
  bool WriteNext();
  void Answered(const SharedBytes& message);
  void Finish(const Status& status);

  client::ClientLoop& loop_;
  client::BrokerConnection& connection_;
  const client::TopicImage topic_;
  const SharedBytes batch_;

  // The loop's thread.
  client::Call::Handle call_;
  std::vector<bool> bound_;                    // by partition: its handle is known to the broker
  std::uint64_t wanted_ = 0;
  std::uint64_t sent_ = 0;
  std::uint64_t answered_ = 0;
  std::uint64_t next_seq_ = 1;
  std::map<std::uint64_t, std::uint64_t> unanswered_;  // batches by seq
  std::size_t unanswered_bytes_ = 0;
  std::size_t window_bytes_ = 1 << 20;         // until the broker says another
  bool writing_ = false;

  Mutex mu_;
  CondVar changed_;
  bool finished_ ABSL_GUARDED_BY(mu_) = false;
  Status status_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cordwood::testing
