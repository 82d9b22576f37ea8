// SPDX-License-Identifier: Apache-2.0
// The one table of the broker's configuration: it drives parsing, defaults, environment names, --print-config and the reference page.
#pragma once

#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <variant>

#include "storage/base/reason.h"

namespace cordwood::broker {

// Every field is filled from the table's defaults; units are in the table.
struct BrokerConfig {
  std::string data_dir;
  std::string listeners;
  std::string advertised_listeners;
  std::string http_listen;
  bool insecure = false;
  std::int64_t broker_id = 0;
  std::string broker_rack;

  std::int64_t storage_shards = 0;
  std::int64_t write_buffer_bytes = 0;
  std::int64_t write_buffers = 0;

  double disk_warn_percent = 0;
  std::int64_t disk_warn_bytes = 0;
  double disk_refuse_partitions_percent = 0;
  std::int64_t disk_refuse_partitions_bytes = 0;
  double disk_refuse_produce_percent = 0;
  std::int64_t disk_refuse_produce_bytes = 0;

  std::int64_t network_threads = 0;
  std::int64_t io_threads = 0;
  std::int64_t connections_max = 0;
  std::int64_t connections_per_ip_max = 0;
  std::int64_t connection_calls_max = 0;
  std::int64_t produce_calls_max = 0;
  std::int64_t fetch_calls_max = 0;
  std::int64_t fetch_partitions_max = 0;
  std::int64_t queued_requests_max = 0;
  std::int64_t request_budget_bytes = 0;
  std::int64_t request_bytes_max = 0;
  std::int64_t answer_write_timeout_ms = 0;
  std::int64_t tail_ring_bytes = 0;
  std::int64_t catchup_bytes_per_second = 0;
  bool channelz = false;

  bool cleaner = true;
  std::int64_t cleaner_buffer_bytes = 0;
  std::int64_t cleaner_bytes_per_second = 0;
  std::int64_t cleaner_backoff_ms = 0;

  std::int64_t default_partitions = 0;
  std::int64_t topics_max = 0;
  std::int64_t partitions_max = 0;
  std::int64_t producers_max = 0;
  std::int64_t producer_expiration_ms = 0;
  std::int64_t group_session_timeout_ms = 0;
  std::int64_t group_heartbeat_interval_ms = 0;
  std::int64_t group_members_max = 0;
  std::int64_t group_lag_interval_ms = 0;
  std::int64_t offsets_partitions = 0;
  std::string offsets_durability;
  std::int64_t offsets_retention_minutes = 0;

  std::int64_t shutdown_timeout_ms = 0;
};

struct ConfigKey {
  using Text = std::string BrokerConfig::*;
  using Integer = std::int64_t BrokerConfig::*;
  using Percent = double BrokerConfig::*;
  using Switch = bool BrokerConfig::*;
  enum class Form : std::uint8_t { kAny, kAddress, kAddressOrEmpty, kDurability };  // of a text

  std::string_view name;
  std::variant<Text, Integer, Percent, Switch> field;
  std::string_view default_value;
  std::string_view documentation;  // one line, with the unit
  std::int64_t min = 0;            // of an integer, inclusive
  std::int64_t max = INT64_MAX;
  Form form = Form::kAny;

  // CORDWOOD_ and the name in capitals, '.' as '_'.
  std::string EnvironmentName() const;
  // What a value may be, for errors and the reference page: "an integer from 1 to 64".
  std::string Bounds() const;
  // "| `name` | default | bounds | documentation |"
  std::string ReferenceRow() const;
  // INVALID_CONFIG: `must be …, not "…"`, without the key.
  Status Set(BrokerConfig& config, std::string_view value) const;
};

// In the order of the reference page.
std::span<const ConfigKey> ConfigKeys();
const ConfigKey* FindConfigKey(std::string_view name);  // nullptr if unknown
// `unknown key "x" (did you mean y?)`
std::string UnknownKey(std::string_view name);

}  // namespace cordwood::broker
