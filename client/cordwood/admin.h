// SPDX-License-Identifier: Apache-2.0
// Topics and their configuration.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "cordwood/export.h"
#include "cordwood/record.h"
#include "cordwood/result.h"

namespace cordwood {

namespace client {
struct SharedConnection;
}

struct NewTopic {
  std::string name = {};                       // 1 to 249 of [a-zA-Z0-9._-], not "." or ".."
  std::int32_t partitions = 1;                 // 0: the broker's default
  std::int32_t replication_factor = 0;         // 0: the broker's default
  std::map<std::string, std::string> configs = {};  // Kafka's topic keys: "retention.ms" -> "60000"
};

struct TopicDescription {
  std::string name;
  std::string id;                              // 8-4-4-4-12 hexadecimal digits
  std::vector<std::int32_t> leaders;           // broker by partition; -1: none at the moment
  std::map<std::string, std::string> configs;  // all, with defaults
};

// A cheap handle, which keeps the connection alive. Every call asks a broker, once, and waits up to the client's request_timeout.
// Errors: those of the broker, and kTransport: after a call that changes something ask what became of it before trying again.
// Threading: any thread; it blocks, so not from a callback.
class CORDWOOD_EXPORT Admin {
 public:
  Result<void> CreateTopic(const NewTopic& topic);         // kTopicAlreadyExists, kInvalidTopic, kInvalidConfig, …
  Result<void> DeleteTopic(std::string_view name);         // kUnknownTopicOrPartition
  Result<std::vector<std::string>> ListTopics();           // sorted, without those of the broker itself ("__…")
  Result<TopicDescription> DescribeTopic(std::string_view name);
  Result<void> AddPartitions(std::string_view topic, std::int32_t count);  // the new total
  // All or none; keys that are not named stay.
  Result<void> SetConfigs(std::string_view topic, const std::map<std::string, std::string>& configs);
  // Deletes the records below offset `before` (>= 0); the log start afterwards. kOffsetOutOfRange: beyond the high watermark.
  Result<std::int64_t> DeleteRecords(const TopicPartition& partition, std::int64_t before);

 private:
  friend class Client;
  explicit Admin(std::shared_ptr<client::SharedConnection> connection);
  std::shared_ptr<client::SharedConnection> connection_;
};

}  // namespace cordwood
