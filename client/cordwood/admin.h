// SPDX-License-Identifier: Apache-2.0
// Topics and their configuration.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cordwood/consumer.h"
#include "cordwood/record.h"
#include "cordwood/result.h"

namespace cordwood {

namespace client {
struct SharedConnection;
}

struct NewTopic {
  std::string name;                            // 1 to 249 of [a-zA-Z0-9._-], not "." or ".."
  std::int32_t partitions = 1;                 // >= 1
  std::int32_t replication_factor = 0;         // 0: the broker's default
  std::map<std::string, std::string> configs;  // Kafka's topic keys: "retention.ms" -> "60000"
};

struct TopicDescription {
  std::string name;
  std::string id;                              // 32 hexadecimal digits
  std::vector<std::int32_t> leaders;           // broker by partition; -1: none at the moment
  std::map<std::string, std::string> configs;  // all, with defaults
};

// A cheap handle. Every call asks the broker and waits up to the client's request_timeout. Threading: any thread.
class Admin {
 public:
  Result<void> CreateTopic(const NewTopic& topic);         // kTopicAlreadyExists, kInvalidTopic, kInvalidConfig, …
  Result<void> DeleteTopic(std::string_view name);         // kUnknownTopicOrPartition
  Result<std::vector<std::string>> ListTopics();           // sorted
  Result<TopicDescription> DescribeTopic(std::string_view name);
  Result<void> AddPartitions(std::string_view topic, std::int32_t count);  // the new total
  Result<void> SetConfigs(std::string_view topic, const std::map<std::string, std::string>& configs);
  // Deletes records below `before` (exclusive end); the log start afterwards.
  Result<std::int64_t> DeleteRecords(const TopicPartition& partition, std::int64_t before);

 private:
  friend class Client;
  explicit Admin(std::shared_ptr<client::SharedConnection> connection);
  std::shared_ptr<client::SharedConnection> connection_;
};

}  // namespace cordwood
