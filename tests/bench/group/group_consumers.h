// SPDX-License-Identifier: Apache-2.0
// Members of a group as users have them: consumers of the library, each with a connection and a thread of its own; and the records that they get.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <set>
#include <string>
#include <thread>
#include <utility>

#include "cordwood/client.h"
#include "storage/base/mutex.h"

namespace cordwood::testing {

// What a consumer has met; partitions by number, there is one topic.
struct Seen {
  std::set<std::int32_t> owned;
  int taken = 0;                            // partitions, by on_assigned
  int given_up = 0;                         // by on_revoked and on_lost
  std::int32_t epoch = 0;                   // of its membership, after its last poll
  int polls = 0;
  std::map<std::int32_t, double> seconds;   // by partition; the bench's
};

// Polls without a rest from construction to destruction, which leaves the group.
// Threading: any thread; on_record runs on the consumer's, one at a time with With().
class BenchConsumer {
 public:
  using OnRecord = std::function<void(Seen& seen, const ConsumerRecord& record)>;

  BenchConsumer(const std::string& address, const std::string& topic, OnRecord on_record);
  ~BenchConsumer();
  BenchConsumer(const BenchConsumer&) = delete;
  BenchConsumer& operator=(const BenchConsumer&) = delete;

  template <class Function>
  auto With(Function function) {
    MutexLock lock(mu_);
    return function(seen_);
  }

 private:
  void Poll(Consumer consumer);

  const OnRecord on_record_;
  std::atomic<bool> stopping_{false};
  Mutex mu_;
  Seen seen_ ABSL_GUARDED_BY(mu_);
  std::thread thread_;
};

// Records over all partitions in turn, from construction to destruction. A value is WallSeconds() when it was sent, and padding.
class RecordFlow {
 public:
  RecordFlow(const std::string& address, std::string topic, int partitions, double per_second);
  ~RecordFlow();
  static double SentSeconds(const ConsumerRecord& record);

 private:
  void Send(Producer producer, int partitions, double per_second);

  const std::string topic_;
  std::atomic<bool> stopping_{false};
  std::thread thread_;
};

// So many records of `bytes` in each partition.
void FillPartitions(const std::string& address, const std::string& topic, int partitions, int records, std::size_t bytes);

}  // namespace cordwood::testing
