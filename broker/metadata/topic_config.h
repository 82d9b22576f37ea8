// SPDX-License-Identifier: Apache-2.0
// A topic's configuration: typed, and as the key = value pairs that users see.
#pragma once

#include <cstddef>
#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <string_view>

#include "storage/base/reason.h"
#include "storage/log/compaction/compaction_limits.h"
#include "storage/log/retention_plan.h"
#include "storage/record/record_batch_check.h"

namespace cordwood::broker {

enum class Durability : std::uint8_t { kOs, kFsync };
enum class CleanupPolicy : std::uint8_t { kDelete, kCompact, kCompactAndDelete };

struct TopicConfig {
  Durability durability = Durability::kFsync;   // durability = fsync | os
  RetentionLimits retention;                    // retention.ms, retention.bytes
  BatchLimits batch;                            // max.message.bytes, message.timestamp.type / before.max.ms / after.max.ms
  std::int32_t min_insync_replicas = 1;         // min.insync.replicas
  CleanupPolicy cleanup = CleanupPolicy::kDelete;  // cleanup.policy = delete | compact | compact,delete
  CompactionLimits compaction;                  // min.cleanable.dirty.ratio, min. and max.compaction.lag.ms, delete.retention.ms

  bool compacts() const { return cleanup != CleanupPolicy::kDelete; }  // for life: its partitions are in the shard of kind compact
  bool deletes() const { return cleanup != CleanupPolicy::kCompact; }
};

using ConfigMap = std::map<std::string, std::string>;

struct TopicConfigKey {
  std::string_view name;
  std::string_view documentation;  // unit and bounds in one line
};
// Every key, in order of name; docs/reference/configuration.md is checked against it.
std::span<const TopicConfigKey> TopicConfigKeys();

// INVALID_CONFIG with the nearest known key unless `key` is one.
Status CheckTopicConfigKey(std::string_view key);
// `set` over the defaults. INVALID_CONFIG names the key, what it may be, and for an unknown key the nearest known one.
StatusOr<TopicConfig> ParseTopicConfig(const ConfigMap& set);
// The value of a key as it is in force.
std::string TopicConfigValue(const TopicConfig& config, std::string_view key);

}  // namespace cordwood::broker
