// SPDX-License-Identifier: Apache-2.0
// Keys and units of the file become options and bytes of the parts.
#include "broker/server/part_options.h"

#include <algorithm>
#include <cstddef>

#include "broker/server/event_log.h"
#include "broker/server/shard_opening.h"

namespace cordwood::broker {

NetworkOptions NetworkOptionsOf(const BrokerConfig& config) {
  NetworkOptions options;
  options.threads = NetworkThreadCount(config);
  options.request_bytes_max = static_cast<std::size_t>(config.request_bytes_max);
  options.answer_write_timeout = absl::Milliseconds(config.answer_write_timeout_ms);
  return options;
}

ControlOptions ControlOptionsOf(const BrokerConfig& config) {
  ControlOptions options;
  options.pool.queued_max = static_cast<std::size_t>(config.queued_requests_max);
  options.request_bytes_max = static_cast<std::size_t>(config.request_bytes_max);
  return options;
}

CleanerOptions CleanerOptionsOf(const BrokerConfig& config) {
  CleanerOptions options;
  options.dedupe_buffer_bytes = static_cast<std::size_t>(config.cleaner_buffer_bytes);
  options.bytes_per_second = config.cleaner_bytes_per_second;
  options.backoff = absl::Milliseconds(config.cleaner_backoff_ms);
  options.warn = [](std::string_view text) { LogEvent(EventLevel::kWarning, text); };
  return options;
}

GroupDriverOptions GroupDriverOptionsOf(const BrokerConfig& config) {
  GroupDriverOptions options;
  options.groups.session_timeout_ms = config.group_session_timeout_ms;
  options.groups.members_max = static_cast<std::size_t>(config.group_members_max);
  options.groups.offsets_retention_ms = config.offsets_retention_minutes * 60'000;
  options.warn = [](std::string_view text) { LogEvent(EventLevel::kError, text); };
  return options;
}

GroupDoorsOptions GroupDoorsOptionsOf(const BrokerConfig& config) {
  GroupDoorsOptions options;
  options.session_timeout_ms = config.group_session_timeout_ms;
  options.heartbeat_interval_ms = std::min(config.group_heartbeat_interval_ms, config.group_session_timeout_ms / 3);
  return options;
}

LagDriverOptions LagDriverOptionsOf(const BrokerConfig& config) {
  LagDriverOptions options;
  options.interval = absl::Milliseconds(config.group_lag_interval_ms);
  return options;
}

TopicSpec OffsetsTopicSpec(const BrokerConfig& config) {
  TopicSpec spec;
  spec.name = kOffsetsTopic;
  spec.partitions = static_cast<std::int32_t>(config.offsets_partitions);
  spec.configs = {{"cleanup.policy", "compact"}, {"durability", config.offsets_durability}};  // of each key the newest is kept
  return spec;
}

}  // namespace cordwood::broker
