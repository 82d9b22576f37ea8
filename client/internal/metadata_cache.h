// SPDX-License-Identifier: Apache-2.0
// What a client knows about topics: id, partitions, leaders.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "client/internal/broker_connection.h"
#include "storage/base/ids.h"
#include "storage/base/mutex.h"
#include "storage/base/reason.h"
#include "storage/base/strings.h"

namespace cordwood::client {

struct TopicImage {
  std::string name;
  TopicId id;
  std::vector<BrokerId> leaders;  // by partition index; -1: none at the moment
  std::int32_t partitions() const { return static_cast<std::int32_t>(leaders.size()); }
};

// Threading: any thread but a ClientLoop's, because a miss asks the broker.
class MetadataCache {
 public:
  explicit MetadataCache(BrokerConnection& connection, absl::Duration age_max = absl::Minutes(5))
      : connection_(connection), age_max_(age_max) {}

  // From the cache if younger than age_max, else from a broker: one that is not available is left for the next, each is asked once, and all
  // of it takes `timeout` at most, or the connection's request_timeout if that is shorter.
  // UNKNOWN_TOPIC_OR_PARTITION with the broker's suggestion, or what the call met.
  StatusOr<TopicImage> Get(std::string_view topic, absl::Duration timeout = absl::InfiniteDuration());
  // Asks a broker whatever is known, with the same bounds; what is known passes for fresh if no broker can be asked.
  StatusOr<TopicImage> Refresh(std::string_view topic, absl::Duration timeout);
  // The same of several: an answer for each, in their order, or why no broker answered.
  StatusOr<std::vector<StatusOr<TopicImage>>> Refresh(const std::vector<std::string>& topics, absl::Duration timeout,
                                                      Cancellation* cancellation = nullptr);
  // The next Get() asks the broker.
  void Forget(std::string_view topic);

 private:
  struct Entry {
    TopicImage image;
    absl::Duration fetched;
  };
  StatusOr<std::vector<StatusOr<TopicImage>>> Ask(const std::vector<std::string>& topics, absl::Duration timeout, Cancellation* cancellation);

  BrokerConnection& connection_;
  const absl::Duration age_max_;
  Mutex mu_;
  StringMap<Entry> topics_ ABSL_GUARDED_BY(mu_);
};

}  // namespace cordwood::client
