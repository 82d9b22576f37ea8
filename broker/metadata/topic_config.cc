// SPDX-License-Identifier: Apache-2.0
// The table of topic configuration keys: how each is read, bounded, shown and explained.
#include "broker/metadata/topic_config.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <optional>
#include <vector>

#include "storage/base/names.h"

namespace cordwood::broker {
namespace {

constexpr std::int64_t kMillisecondsMax = INT64_MAX;
constexpr std::int64_t kBatchBytesMin = 1024;
constexpr std::int64_t kBatchBytesMax = 8'000'000;  // fits a request of 8 MiB with its framing

struct KeyRow {
  TopicConfigKey key;
  Status (*parse)(std::string_view value, TopicConfig& config);
  std::string (*show)(const TopicConfig& config);
};

Status Refuse(std::string_view expected, std::string_view value) {
  return Error(Reason::kInvalidConfig, "must be " + std::string(expected) + ", not \"" + NameToShow(value) + "\"");
}

StatusOr<std::int64_t> ParseInteger(std::string_view value, std::int64_t min, std::int64_t max) {
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), number);
  if (error != std::errc() || end != value.data() + value.size() || number < min || number > max) {
    return Refuse("an integer from " + std::to_string(min) + " to " + std::to_string(max), value);
  }
  return number;
}

Status ParseCleanupPolicy(std::string_view value, TopicConfig& config) {
  if (value == "delete") {
    config.cleanup = CleanupPolicy::kDelete;
  } else if (value == "compact") {
    config.cleanup = CleanupPolicy::kCompact;
  } else if (value == "compact,delete" || value == "delete,compact") {
    config.cleanup = CleanupPolicy::kCompactAndDelete;
  } else {
    return Refuse("delete, compact or compact,delete", value);
  }
  return absl::OkStatus();
}

std::string ShowCleanupPolicy(const TopicConfig& config) {
  switch (config.cleanup) {
    case CleanupPolicy::kDelete: return "delete";
    case CleanupPolicy::kCompact: return "compact";
    case CleanupPolicy::kCompactAndDelete: return "compact,delete";
  }
  return "";
}

Status ParseDirtyRatio(std::string_view value, TopicConfig& config) {
  double ratio = 0;
  const auto [end, error] = std::from_chars(value.data(), value.data() + value.size(), ratio);
  if (error != std::errc() || end != value.data() + value.size() || !(ratio >= 0 && ratio <= 1)) return Refuse("a number from 0 to 1", value);
  config.compaction.min_dirty_ratio = ratio;
  return absl::OkStatus();
}

std::string ShowDirtyRatio(const TopicConfig& config) {
  char text[32];
  return std::string(text, std::to_chars(text, text + sizeof text, config.compaction.min_dirty_ratio).ptr);
}

Status ParseMinLag(std::string_view value, TopicConfig& config) {
  CORDWOOD_ASSIGN_OR_RETURN(config.compaction.min_lag_ms, ParseInteger(value, 0, kMillisecondsMax));
  return absl::OkStatus();
}

Status ParseMaxLag(std::string_view value, TopicConfig& config) {
  CORDWOOD_ASSIGN_OR_RETURN(config.compaction.max_lag_ms, ParseInteger(value, 1, kMillisecondsMax));
  return absl::OkStatus();
}

Status ParseDeleteRetention(std::string_view value, TopicConfig& config) {
  CORDWOOD_ASSIGN_OR_RETURN(config.compaction.delete_retention_ms, ParseInteger(value, 0, kMillisecondsMax));
  return absl::OkStatus();
}

Status ParseDurability(std::string_view value, TopicConfig& config) {
  if (value != "os" && value != "fsync") return Refuse("fsync or os", value);
  config.durability = value == "os" ? Durability::kOs : Durability::kFsync;
  return absl::OkStatus();
}

Status ParseBatchBytes(std::string_view value, TopicConfig& config) {
  CORDWOOD_ASSIGN_OR_RETURN(const std::int64_t bytes, ParseInteger(value, kBatchBytesMin, kBatchBytesMax));
  config.batch.batch_bytes_max = static_cast<std::size_t>(bytes);
  return absl::OkStatus();
}

Status ParseAfterMs(std::string_view value, TopicConfig& config) {
  CORDWOOD_ASSIGN_OR_RETURN(config.batch.after_ms_max, ParseInteger(value, 0, kMillisecondsMax));
  return absl::OkStatus();
}

Status ParseBeforeMs(std::string_view value, TopicConfig& config) {
  CORDWOOD_ASSIGN_OR_RETURN(config.batch.before_ms_max, ParseInteger(value, 0, kMillisecondsMax));
  return absl::OkStatus();
}

Status ParseTimestampType(std::string_view value, TopicConfig& config) {
  if (value != "CreateTime" && value != "LogAppendTime") return Refuse("CreateTime or LogAppendTime", value);
  config.batch.log_append_time = value == "LogAppendTime";
  return absl::OkStatus();
}

Status ParseMinInsync(std::string_view value, TopicConfig& config) {
  CORDWOOD_ASSIGN_OR_RETURN(const std::int64_t replicas, ParseInteger(value, 1, INT16_MAX));
  config.min_insync_replicas = static_cast<std::int32_t>(replicas);
  return absl::OkStatus();
}

Status ParseRetentionBytes(std::string_view value, TopicConfig& config) {
  CORDWOOD_ASSIGN_OR_RETURN(config.retention.retention_bytes, ParseInteger(value, -1, INT64_MAX));
  return absl::OkStatus();
}

Status ParseRetentionMs(std::string_view value, TopicConfig& config) {
  CORDWOOD_ASSIGN_OR_RETURN(config.retention.retention_ms, ParseInteger(value, -1, kMillisecondsMax));
  return absl::OkStatus();
}

constexpr std::array kRows = {
    KeyRow{{"cleanup.policy", "What becomes of old records: delete, compact (the latest of each key stays) or compact,delete. compact is chosen at creation only."},
           ParseCleanupPolicy, ShowCleanupPolicy},
    KeyRow{{"delete.retention.ms", "How long a compacted topic shows that a key was deleted, once cleaned up to there, in ms; 0 or more."}, ParseDeleteRetention,
           [](const TopicConfig& c) { return std::to_string(c.compaction.delete_retention_ms); }},
    KeyRow{{"durability", "When an acknowledged record is safe: fsync survives power loss, os survives a killed process."}, ParseDurability,
           [](const TopicConfig& c) { return std::string(c.durability == Durability::kOs ? "os" : "fsync"); }},
    KeyRow{{"max.compaction.lag.ms", "Age at which records of a compacted topic are cleaned whatever the dirty ratio, in ms; 1 or more."}, ParseMaxLag,
           [](const TopicConfig& c) { return std::to_string(c.compaction.max_lag_ms); }},
    KeyRow{{"max.message.bytes", "Largest record batch, in bytes with its header; 1024 to 8000000."}, ParseBatchBytes,
           [](const TopicConfig& c) { return std::to_string(c.batch.batch_bytes_max); }},
    KeyRow{{"message.timestamp.after.max.ms", "How far ahead of the broker's clock a record's time may lie, in ms; 0 or more."}, ParseAfterMs,
           [](const TopicConfig& c) { return std::to_string(c.batch.after_ms_max); }},
    KeyRow{{"message.timestamp.before.max.ms", "How far behind the broker's clock a record's time may lie, in ms; 0 or more."}, ParseBeforeMs,
           [](const TopicConfig& c) { return std::to_string(c.batch.before_ms_max); }},
    KeyRow{{"message.timestamp.type", "Whose clock sets a record's time: CreateTime (the producer's) or LogAppendTime (the broker's)."},
           ParseTimestampType,
           [](const TopicConfig& c) { return std::string(c.batch.log_append_time ? "LogAppendTime" : "CreateTime"); }},
    KeyRow{{"min.cleanable.dirty.ratio", "Share of a compacted partition's bytes that is not cleaned yet at which it is cleaned; 0 to 1."}, ParseDirtyRatio,
           ShowDirtyRatio},
    KeyRow{{"min.compaction.lag.ms", "Age below which records of a compacted topic are not cleaned, in ms; 0 or more."}, ParseMinLag,
           [](const TopicConfig& c) { return std::to_string(c.compaction.min_lag_ms); }},
    KeyRow{{"min.insync.replicas", "In-sync replicas that acks=all needs; 1 to the number of replicas."}, ParseMinInsync,
           [](const TopicConfig& c) { return std::to_string(c.min_insync_replicas); }},
    KeyRow{{"retention.bytes", "How much of each partition is kept, in bytes of record batches; -1: no limit."}, ParseRetentionBytes,
           [](const TopicConfig& c) { return std::to_string(c.retention.retention_bytes); }},
    KeyRow{{"retention.ms", "How long records are kept after they were appended, in ms; -1: no limit."}, ParseRetentionMs,
           [](const TopicConfig& c) { return std::to_string(c.retention.retention_ms); }},
};

constexpr auto kKeys = [] {
  std::array<TopicConfigKey, kRows.size()> keys{};
  for (std::size_t i = 0; i < kRows.size(); ++i) keys[i] = kRows[i].key;
  return keys;
}();

const KeyRow* FindRow(std::string_view key) {
  const auto row = std::lower_bound(kRows.begin(), kRows.end(), key, [](const KeyRow& r, std::string_view k) { return r.key.name < k; });
  return row != kRows.end() && row->key.name == key ? &*row : nullptr;
}

}  // namespace

std::span<const TopicConfigKey> TopicConfigKeys() { return kKeys; }

Status CheckTopicConfigKey(std::string_view key) {
  if (FindRow(key) != nullptr) return absl::OkStatus();
  std::vector<std::string_view> names;
  for (const TopicConfigKey& known : kKeys) names.push_back(known.name);
  std::string message = "unknown topic config \"" + NameToShow(key) + "\"";
  if (const auto nearest = NearestName(key, names)) message += "; did you mean \"" + *nearest + "\"?";
  return Error(Reason::kInvalidConfig, std::move(message));
}

StatusOr<TopicConfig> ParseTopicConfig(const ConfigMap& set) {
  TopicConfig config;
  for (const auto& [key, value] : set) {
    CORDWOOD_RETURN_IF_ERROR(CheckTopicConfigKey(key));
    CORDWOOD_RETURN_IF_ERROR(Annotate(FindRow(key)->parse(value, config), key));
  }
  if (config.compaction.max_lag_ms < config.compaction.min_lag_ms) {
    return Annotate(Refuse("at least min.compaction.lag.ms, " + std::to_string(config.compaction.min_lag_ms), std::to_string(config.compaction.max_lag_ms)),
                    "max.compaction.lag.ms");
  }
  return config;
}

std::string TopicConfigValue(const TopicConfig& config, std::string_view key) {
  const KeyRow* row = FindRow(key);
  return row == nullptr ? std::string() : row->show(config);
}

}  // namespace cordwood::broker
