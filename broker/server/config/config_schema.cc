// SPDX-License-Identifier: Apache-2.0
// The table, and how a value of each kind is read.
#include "broker/server/config/config_schema.h"

#include <algorithm>
#include <array>
#include <charconv>
#include <vector>

#include "broker/server/config/host_port.h"
#include "storage/base/names.h"

namespace cordwood::broker {
namespace {

using Form = ConfigKey::Form;
using C = BrokerConfig;

constexpr std::int64_t kMiB = 1024 * 1024;
constexpr std::int64_t kGiB = 1024 * kMiB;

constexpr auto kKeys = std::to_array<ConfigKey>({
    {"data.dir", &C::data_dir, "", "Directory of everything the broker keeps; created if absent. Required."},
    {"listeners", &C::listeners, "127.0.0.1:9600", "Where gRPC is served; port 0 takes a free one.", 0, 0, Form::kAddress},
    {"advertised.listeners", &C::advertised_listeners, "", "What clients are told to connect to; empty: the address of `listeners`.", 0, 0,
     Form::kAddressOrEmpty},
    {"http.listen", &C::http_listen, "127.0.0.1:9680", "Where HTTP (/livez, /readyz, /metrics) is served; port 0 takes a free one.", 0, 0, Form::kAddress},
    {"insecure", &C::insecure, "false", "Allows listening beyond loopback without TLS: whoever reaches the port may read and write everything."},
    {"broker.id", &C::broker_id, "0", "Number of this broker in its cluster.", 0, INT32_MAX},
    {"broker.rack", &C::broker_rack, "", "Rack or zone of this broker."},
    {"storage.shards", &C::storage_shards, "0", "Shards (one RocksDB and one writing thread each); 0: 1 up to 4 cores, else a quarter of them. Shards that exist stay.",
     0, 64},
    {"storage.write.buffer.bytes", &C::write_buffer_bytes, "67108864", "Bytes a shard gathers before it writes a segment.", kMiB, kGiB},
    {"storage.write.buffers", &C::write_buffers, "3", "Write buffers per shard.", 2, 16},
    {"disk.warn.percent", &C::disk_warn_percent, "10", "Free space, in percent of the disk, below which the broker warns; of this and the bytes the smaller counts."},
    {"disk.warn.bytes", &C::disk_warn_bytes, "21474836480", "Free bytes below which the broker warns. No step is below four write buffers per shard."},
    {"disk.refuse.partitions.percent", &C::disk_refuse_partitions_percent, "7", "Free space, in percent, below which new partitions are refused."},
    {"disk.refuse.partitions.bytes", &C::disk_refuse_partitions_bytes, "10737418240", "Free bytes below which new partitions are refused."},
    {"disk.refuse.produce.percent", &C::disk_refuse_produce_percent, "5",
     "Free space, in percent, below which produce is refused; reads and deletes go on."},
    {"disk.refuse.produce.bytes", &C::disk_refuse_produce_bytes, "5368709120", "Free bytes below which produce is refused; reads and deletes go on."},
    {"num.network.threads", &C::network_threads, "0", "Threads that serve gRPC's data plane; 0: 1 below 8 cores, 2 below 32, else 4.", 0, 16},
    {"num.io.threads", &C::io_threads, "2", "Threads that read older records from disk.", 1, 64},
    {"max.connections", &C::connections_max, "10000",
     "Connections to the gRPC listener; never more than the limit of open files (`ulimit -n`) less 4096, or less half of it where that is smaller.", 1, 10'000'000},
    {"max.connections.per.ip", &C::connections_per_ip_max, "0", "Connections from one address; 0: no limit of its own.", 0, 10'000'000},
    {"connection.calls.max", &C::connection_calls_max, "20000", "Calls open at a time on one connection; more wait in the client.", 1, 1'000'000},
    {"produce.calls.max", &C::produce_calls_max, "1024", "Calls of ProduceStream, and as many of Produce, open at a time on each network thread.", 1, 1'000'000},
    {"fetch.calls.max", &C::fetch_calls_max, "20000", "Calls of FetchStream, and as many of Fetch, open at a time on each network thread.", 1, 1'000'000},
    {"fetch.partitions.max", &C::fetch_partitions_max, "10000", "Partitions in one fetch call.", 1, 1'000'000},
    {"queued.max.requests", &C::queued_requests_max, "10000",
     "Requests other than produce and fetch that wait for a thread, over all connections, and such calls open at a time, of each method on each network thread.", 1,
     1'000'000},
    {"queued.max.request.bytes", &C::request_budget_bytes, "134217728", "Bytes of requests in memory, over all connections; beyond it they wait in their sockets.",
     16 * kMiB, 64 * kGiB},
    {"socket.request.max.bytes", &C::request_bytes_max, "8388608", "Largest request, in bytes.", 64 * 1024, 256 * kMiB},
    {"answer.write.timeout.ms", &C::answer_write_timeout_ms, "300000",
     "Milliseconds that an answer waits for a client that does not read; then its call ends with `UNAVAILABLE`.", 1000, 86'400'000},
    {"tail.ring.bytes", &C::tail_ring_bytes, "67108864", "Bytes of the newest records that are served from memory.", 0, 64 * kGiB},
    {"consumer.catchup.max.bytes.per.second", &C::catchup_bytes_per_second, "209715200",
     "Bytes a second that all consumers which are behind may read together while records are being produced, and four more for each byte produced; 0: no limit.", 0,
     std::int64_t{1} << 40},
    {"channelz.enable", &C::channelz, "false", "Serves gRPC's channelz, to look into connections."},
    {"log.cleaner.enable", &C::cleaner, "true", "Cleans compacted topics in the background."},
    {"log.cleaner.dedupe.buffer.size", &C::cleaner_buffer_bytes, "134217728", "Bytes for the keys that one run of the cleaner looks at, 24 to 27 a key.", kMiB, 64 * kGiB},
    {"log.cleaner.io.max.bytes.per.second", &C::cleaner_bytes_per_second, "0", "Bytes a second that the cleaner may read and write; 0: no limit.", 0,
     std::int64_t{1} << 40},
    {"log.cleaner.backoff.ms", &C::cleaner_backoff_ms, "15000", "Milliseconds that the cleaner rests when no log is dirty enough.", 10, 86'400'000},
    {"num.partitions", &C::default_partitions, "1", "Partitions of a topic created without a number.", 1, 10'000},
    {"topics.max", &C::topics_max, "100000", "Topics in the cluster.", 1, 1'000'000},
    {"partitions.max", &C::partitions_max, "200000", "Partitions on this broker, over all topics.", 1, 1'000'000},
    {"producers.max", &C::producers_max, "100000", "Idempotent producers that one partition remembers.", 1, 10'000'000},
    {"producer.id.expiration.ms", &C::producer_expiration_ms, "604800000", "Milliseconds after which a partition forgets a silent producer.", 1000, INT64_MAX},
    {"group.consumer.session.timeout.ms", &C::group_session_timeout_ms, "15000",
     "Milliseconds after which a member of a group that has not been heard of is put out, and its partitions go to the others.", 1000, 3'600'000},
    {"group.consumer.heartbeat.interval.ms", &C::group_heartbeat_interval_ms, "5000",
     "Milliseconds between the heartbeats of a member; members are told a third of the session timeout where that is less.", 100, 600'000},
    {"group.max.size", &C::group_members_max, "10000", "Members of one group.", 1, 100'000},
    {"group.lag.interval.ms", &C::group_lag_interval_ms, "10000",
     "Milliseconds between two looks at the lag of all groups, which metrics and rates are made from.", 100, 3'600'000},
    {"offsets.topic.num.partitions", &C::offsets_partitions, "50", "Partitions of `__consumer_offsets`, when it is made; fixed from then on.", 1, 10'000},
    {"offsets.topic.durability", &C::offsets_durability, "fsync", "The durability of `__consumer_offsets`, when it is made: of committed offsets and memberships.", 0, 0,
     Form::kDurability},
    {"offsets.retention.minutes", &C::offsets_retention_minutes, "10080", "Minutes that the offsets of a group without members are kept; -1: for ever.", -1,
     50'000'000},
    {"shutdown.timeout.ms", &C::shutdown_timeout_ms, "10000", "Milliseconds from SIGTERM to the end of the process, whatever is still open.", 100, 600'000},
});

Status MustBe(const ConfigKey& key, std::string_view value) {
  return Error(Reason::kInvalidConfig, "must be " + key.Bounds() + ", not \"" + std::string(value) + "\"");
}

// Whether ParseConfigText() would read the value back as it is: what --print-config prints is a file again.
bool FitsOnALine(std::string_view value) {
  const auto is_blank = [](char c) { return c == ' ' || c == '\t' || c == '\r'; };
  if (value.empty()) return true;
  if (is_blank(value.front()) || is_blank(value.back()) || value.front() == '#') return false;
  for (std::size_t i = 0; i < value.size(); ++i) {
    if (value[i] == '\n' || (value[i] == '#' && is_blank(value[i - 1]))) return false;
  }
  return true;
}

}  // namespace

std::string ConfigKey::EnvironmentName() const {
  std::string result = "CORDWOOD_";
  for (const char c : name) result += c == '.' ? '_' : static_cast<char>(c >= 'a' && c <= 'z' ? c - 'a' + 'A' : c);
  return result;
}

std::string ConfigKey::Bounds() const {
  if (std::holds_alternative<Switch>(field)) return "true or false";
  if (std::holds_alternative<Percent>(field)) return "a number from 0 to 100";
  if (std::holds_alternative<Integer>(field)) {
    if (max == INT64_MAX) return "an integer from " + std::to_string(min) + " on";
    return "an integer from " + std::to_string(min) + " to " + std::to_string(max);
  }
  switch (form) {
    case Form::kAny: return "text";
    case Form::kAddress: return "HOST:PORT";
    case Form::kAddressOrEmpty: return "HOST:PORT or empty";
    case Form::kDurability: return "os or fsync";
  }
  return "";
}

std::string ConfigKey::ReferenceRow() const {
  const std::string shown = default_value.empty() ? "" : "`" + std::string(default_value) + "`";
  return "| `" + std::string(name) + "` | " + shown + " | " + Bounds() + " | " + std::string(documentation) + " |";
}

Status ConfigKey::Set(BrokerConfig& config, std::string_view value) const {
  if (const auto* text = std::get_if<Text>(&field)) {
    const bool is_address = form == Form::kAddress || form == Form::kAddressOrEmpty;
    if (is_address && !(value.empty() && form == Form::kAddressOrEmpty) && !ParseHostPort(value).has_value()) return MustBe(*this, value);
    if (form == Form::kDurability && value != "os" && value != "fsync") return MustBe(*this, value);
    if (!FitsOnALine(value)) {
      return Error(Reason::kInvalidConfig, "must be what a line of a configuration file can hold (one line, no blank at its ends, no comment), not \"" +
                                               std::string(value) + "\"");
    }
    config.*(*text) = value;
    return absl::OkStatus();
  }
  if (const auto* flag = std::get_if<Switch>(&field)) {
    if (value != "true" && value != "false") return MustBe(*this, value);
    config.*(*flag) = value == "true";
    return absl::OkStatus();
  }
  const char* const last = value.data() + value.size();
  if (const auto* percent = std::get_if<Percent>(&field)) {
    double number = 0;
    const auto [end, error] = std::from_chars(value.data(), last, number);
    if (error != std::errc() || end != last || !(number >= 0 && number <= 100)) return MustBe(*this, value);
    config.*(*percent) = number;
    return absl::OkStatus();
  }
  std::int64_t number = 0;
  const auto [end, error] = std::from_chars(value.data(), last, number);
  if (error != std::errc() || end != last || number < min || number > max) return MustBe(*this, value);
  config.*(*std::get_if<Integer>(&field)) = number;
  return absl::OkStatus();
}

std::span<const ConfigKey> ConfigKeys() { return kKeys; }

const ConfigKey* FindConfigKey(std::string_view name) {
  const auto found = std::find_if(kKeys.begin(), kKeys.end(), [&](const ConfigKey& key) { return key.name == name; });
  return found == kKeys.end() ? nullptr : &*found;
}

std::string UnknownKey(std::string_view name) {
  std::vector<std::string_view> names;
  for (const ConfigKey& key : kKeys) names.push_back(key.name);
  const auto nearest = NearestName(name, names);
  return "unknown key \"" + std::string(name) + "\"" + (nearest.has_value() ? " (did you mean " + *nearest + "?)" : "");
}

}  // namespace cordwood::broker
