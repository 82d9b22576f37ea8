// SPDX-License-Identifier: Apache-2.0
// cord topic …, cord cluster …, cord broker …: one RPC each, as a table or as its JSON.
#include <algorithm>
#include <string>
#include <vector>

#include "client/cli/commands.h"
#include "client/cli/one_call.h"
#include "client/cli/position.h"
#include "client/cli/record_format.h"
#include "client/cli/table.h"
#include "cordwood/v1/admin.grpc.pb.h"
#include "cordwood/v1/log.grpc.pb.h"
#include "storage/base/clock.h"

namespace cordwood::client {
namespace {

constexpr int kTrimTargetsMax = 10'000;  // a broker takes no more in one request

// "key=value" each.
Status AddConfigs(const std::vector<std::string>& configs, google::protobuf::RepeatedPtrField<v1::ConfigEntry>* entries) {
  for (const std::string& config : configs) {
    const std::size_t equals = config.find('=');
    if (equals == std::string::npos || equals == 0) return Error(Reason::kInvalidRequest, "config \"" + config + "\": write it as key=value");
    v1::ConfigEntry* entry = entries->Add();
    entry->set_key(config.substr(0, equals));
    entry->set_value(config.substr(equals + 1));
  }
  return absl::OkStatus();
}

std::string SourceName(v1::ConfigEntry::Source source) {
  switch (source) {
    case v1::ConfigEntry::TOPIC: return "topic";
    case v1::ConfigEntry::BROKER: return "broker";
    default: return "default";
  }
}

std::string ConfigTable(const google::protobuf::RepeatedPtrField<v1::ConfigEntry>& configs) {
  Table table({"CONFIG", "VALUE", "SOURCE"});
  for (const v1::ConfigEntry& config : configs) table.Add({config.key(), config.value(), SourceName(config.source())});
  return table.Text();
}

std::string PartitionTable(const v1::TopicDescription& topic) {
  Table table({"PARTITION", "LEADER", "EPOCH", "START", "END", "RECORDS", "SIZE", "STATE"});
  for (const v1::PartitionDescription& p : topic.partitions()) {
    table.Add({std::to_string(p.partition()), std::to_string(p.leader()), std::to_string(p.leader_epoch()), std::to_string(p.log_start()),
               std::to_string(p.high_watermark()), std::to_string(p.high_watermark() - p.log_start()), HumanBytes(p.size_bytes()), p.state()});
  }
  return table.Text();
}

// Of a compacted topic; empty of any other.
std::string CleaningTable(const v1::TopicDescription& topic) {
  Table table({"PARTITION", "CLEAN TO", "DIRTY", "RATIO", "RUNS", "LAST RUN", "TOOK", "READ", "REMOVED"});
  bool any = false;
  for (const v1::PartitionDescription& p : topic.partitions()) {
    if (!p.has_cleaning()) continue;
    const v1::CleaningDescription& c = p.cleaning();
    char ratio[16];
    std::snprintf(ratio, sizeof ratio, "%.2f", c.dirty_ratio());
    any = true;
    std::vector<std::string> row = {std::to_string(p.partition()), std::to_string(c.clean_end()), HumanBytes(c.dirty_bytes()), ratio, std::to_string(c.runs())};
    for (int i = 0; i < 4 && c.runs() == 0; ++i) row.emplace_back("-");
    if (c.runs() > 0) {
      row.push_back(Rfc3339(c.last_ended_ms()));
      row.push_back(std::to_string(c.last_took_ms()) + " ms");
      row.push_back(HumanBytes(c.last_read_bytes()));
      row.push_back(HumanBytes(c.last_removed_bytes()));
    }
    table.Add(std::move(row));
  }
  return any ? table.Text() + "\n" : "";
}

std::string OffsetTable(const v1::TopicDescription& topic) {
  Table table({"PARTITION", "START", "END", "RECORDS"});
  for (const v1::PartitionDescription& p : topic.partitions()) {
    table.Add({std::to_string(p.partition()), std::to_string(p.log_start()), std::to_string(p.high_watermark()),
               std::to_string(p.high_watermark() - p.log_start())});
  }
  return table.Text();
}

// The log start that each partition is to have; `wanted` < 0: all of them.
StatusOr<v1::DeleteRecordsRequest> PlanTrim(const v1::TopicDescription& topic, const Position& position, std::int32_t wanted) {
  if (wanted >= topic.partitions_size()) return NoSuchPartition(topic.name(), wanted, topic.partitions_size());
  v1::DeleteRecordsRequest request;
  for (const v1::PartitionDescription& p : topic.partitions()) {
    if (wanted >= 0 && wanted != p.partition()) continue;
    const auto before = ResolvePosition(position, Offset(p.log_start()), Offset(p.high_watermark()));
    if (!before.ok()) return Annotate(before.status(), topic.name() + "/" + std::to_string(p.partition()));
    auto* target = request.add_targets();
    target->mutable_partition()->set_topic(topic.name());
    target->mutable_partition()->set_partition(p.partition());
    target->set_before_offset(before->value());
  }
  return request;
}

// Until one fails: `response` has the answers of those before it.
Status DeleteInPieces(BrokerConnection& connection, const v1::DeleteRecordsRequest& request, v1::DeleteRecordsResponse* response) {
  for (int done = 0; done < request.targets_size();) {
    v1::DeleteRecordsRequest piece;
    while (done < request.targets_size() && piece.targets_size() < kTrimTargetsMax) *piece.add_targets() = request.targets(done++);
    v1::DeleteRecordsResponse answer;
    CORDWOOD_RETURN_IF_ERROR(CallUnary<v1::Log>(connection, &v1::Log::Stub::DeleteRecords, piece, &answer));
    response->MergeFrom(answer);
  }
  return absl::OkStatus();
}

ExitCode TellTrimmed(const GlobalOptions& global, const v1::TopicDescription& topic, const v1::DeleteRecordsRequest& request,
                     const v1::DeleteRecordsResponse& response) {
  ExitCode worst = kExitOk;
  std::int64_t offsets = 0;
  for (int i = 0; i < std::min(request.targets_size(), response.answers_size()); ++i) {
    const std::int32_t partition = request.targets(i).partition().partition();
    const Status status = Annotate(FromEntryError(response.answers(i).error()), topic.name() + "/" + std::to_string(partition));
    if (!status.ok()) {
      worst = Report(global, status);
    } else {
      offsets += std::max<std::int64_t>(response.answers(i).log_start() - topic.partitions(partition).log_start(), 0);
    }
  }
  Note(global, "trimmed topic " + topic.name() + ": " + WithCommas(static_cast<std::uint64_t>(offsets)) + (offsets == 1 ? " record" : " records") + " deleted");
  if (global.output != OutputForm::kJson) return worst;
  const ExitCode printed = Report(global, PrintJson(response));
  return worst == kExitOk ? printed : worst;
}

}  // namespace

ExitCode TopicCreate(const GlobalOptions& global, const TopicOptions& options) {
  v1::CreateTopicRequest request;
  request.set_name(options.topic);
  request.set_partitions(options.partitions);
  request.set_replication_factor(options.replication);
  request.set_validate_only(options.validate_only);
  if (const Status status = AddConfigs(options.configs, request.mutable_configs()); !status.ok()) return ReportUsage(global, MessageOf(status));
  v1::CreateTopicResponse response;
  return OneCall<v1::Admin>(global, &v1::Admin::Stub::CreateTopic, request, &response, [&] {
    const int partitions = response.topic().partitions_size();
    Note(global, (options.validate_only ? "can be created: topic " : "created topic ") + options.topic + " with " + std::to_string(partitions) +
                     (partitions == 1 ? " partition" : " partitions"));
    return kExitOk;
  }, [&] {
    if (!options.validate_only) return;
    for (v1::PartitionDescription& partition : *response.mutable_topic()->mutable_partitions()) partition.set_state("not created");
  });
}

ExitCode TopicList(const GlobalOptions& global, bool internal) {
  v1::ListTopicsRequest request;
  request.set_include_internal(internal);
  v1::ListTopicsResponse response;
  return OneCall<v1::Admin>(global, &v1::Admin::Stub::ListTopics, request, &response, [&] {
    Table table({"TOPIC", "PARTITIONS", "REPLICAS", "DURABILITY"});
    for (const v1::TopicListing& topic : response.topics()) {
      table.Add({topic.name(), std::to_string(topic.partitions()), std::to_string(topic.replication_factor()), topic.durability()});
    }
    if (response.topics().empty()) Note(global, "no topics yet; create one with  cord topic create NAME -p 4");
    return PrintText(global, table.Text());
  });
}

ExitCode TopicDescribe(const GlobalOptions& global, const TopicOptions& options) {
  v1::DescribeTopicRequest request;
  request.set_name(options.topic);
  v1::DescribeTopicResponse response;
  return OneCall<v1::Admin>(global, &v1::Admin::Stub::DescribeTopic, request, &response, [&] {
    const v1::TopicDescription& topic = response.topic();
    Uuid id;
    Uuid::FromBytes(topic.topic_id(), &id);
    return PrintText(global, "TOPIC " + topic.name() + "   ID " + id.ToString() + "   CREATED " + Rfc3339(topic.created_ms()) + "\n\n" + PartitionTable(topic) +
                     "\n" + CleaningTable(topic) + ConfigTable(topic.configs()));
  });
}

ExitCode TopicRemove(const GlobalOptions& global, const TopicOptions& options) {
  if (const ExitCode refused = Confirm(global, options.yes, "remove", "topic", options.topic); refused != kExitOk) return refused;
  v1::DeleteTopicRequest request;
  request.set_name(options.topic);
  v1::DeleteTopicResponse response;
  return OneCall<v1::Admin>(global, &v1::Admin::Stub::DeleteTopic, request, &response, [&] {
    Note(global, "removed topic " + options.topic);
    return kExitOk;
  });
}

ExitCode TopicSet(const GlobalOptions& global, const TopicOptions& options) {
  v1::AlterTopicConfigRequest request;
  request.set_name(options.topic);
  if (const Status status = AddConfigs(options.configs, request.mutable_set()); !status.ok()) return ReportUsage(global, MessageOf(status));
  for (const std::string& key : options.reset) request.add_reset(key);
  if (options.configs.empty() && options.reset.empty()) {
    return ReportUsage(global, "nothing to set", "cord topic set " + options.topic + " -c retention.ms=60000    or    --reset retention.ms");
  }
  v1::AlterTopicConfigResponse response;
  return OneCall<v1::Admin>(global, &v1::Admin::Stub::AlterTopicConfig, request, &response, [&] { return PrintText(global, ConfigTable(response.configs())); });
}

ExitCode TopicOffsets(const GlobalOptions& global, const TopicOptions& options) {
  v1::DescribeTopicRequest request;
  request.set_name(options.topic);
  v1::DescribeTopicResponse response;
  return OneCall<v1::Admin>(global, &v1::Admin::Stub::DescribeTopic, request, &response, [&] { return PrintText(global, OffsetTable(response.topic())); });
}

ExitCode TopicGrow(const GlobalOptions& global, const TopicOptions& options) {
  v1::CreatePartitionsRequest request;
  request.set_name(options.topic);
  request.set_total(options.partitions);
  v1::CreatePartitionsResponse response;
  return OneCall<v1::Admin>(global, &v1::Admin::Stub::CreatePartitions, request, &response, [&] {
    Note(global, "topic " + options.topic + " has " + std::to_string(response.topic().partitions_size()) + " partitions");
    return kExitOk;
  });
}

ExitCode TopicTrim(const GlobalOptions& global, const TopicOptions& options) {
  const auto position = ParsePosition(options.before, Clock::System().WallMs());
  if (!position.ok()) return ReportUsage(global, "--before: " + MessageOf(position.status()));
  if (position->kind == Position::Kind::kTimestamp) return ReportUsage(global, "--before: trim takes start, end, an offset or -N");
  if (const ExitCode refused = Confirm(global, options.yes, "trim", "topic", options.topic); refused != kExitOk) return refused;
  auto connection = ConnectToBroker(global);
  if (!connection.ok()) return Report(global, connection.status());
  v1::DescribeTopicRequest describe;
  describe.set_name(options.topic);
  v1::DescribeTopicResponse topic;
  if (const Status status = CallUnary<v1::Admin>(**connection, &v1::Admin::Stub::DescribeTopic, describe, &topic); !status.ok()) return Report(global, status);
  const auto request = PlanTrim(topic.topic(), *position, options.partition);
  if (!request.ok()) return Report(global, request.status());
  v1::DeleteRecordsResponse response;
  const Status status = DeleteInPieces(**connection, *request, &response);
  if (!status.ok() && response.answers().empty()) return Report(global, status);
  const ExitCode told = TellTrimmed(global, topic.topic(), *request, response);
  return status.ok() ? told : Report(global, status);
}

ExitCode ClusterStatus(const GlobalOptions& global) {
  v1::DescribeClusterResponse response;
  return OneCall<v1::Admin>(global, &v1::Admin::Stub::DescribeCluster, v1::DescribeClusterRequest(), &response, [&] {
    const bool healthy = response.leaderless_partitions() == 0;
    Table table({"BROKER", "ADDRESS", "RACK", "STATE", "LEADERS", "REPLICAS", "DISK FREE", "DISK", "VERSION", "STARTED"});
    for (const v1::ClusterBroker& broker : response.brokers()) {
      table.Add({std::to_string(broker.broker_id()) + (broker.broker_id() == response.controller_id() ? "*" : ""),
                 broker.host() + ":" + std::to_string(broker.port()), broker.rack().empty() ? "-" : broker.rack(), broker.state(),
                 std::to_string(broker.leaders()), std::to_string(broker.replicas()), HumanBytes(broker.disk_free_bytes()),
                 HumanBytes(broker.disk_total_bytes()), broker.version(), Rfc3339(broker.started_ms())});
    }
    return PrintText(global, "CLUSTER " + response.cluster_id() + "   " + (healthy ? "HEALTHY" : "DEGRADED") + "   controller: broker " +
                     std::to_string(response.controller_id()) + "\n" + table.Text() + "TOPICS " + std::to_string(response.topics()) + "   PARTITIONS " +
                     std::to_string(response.partitions()) + "   leaderless " + std::to_string(response.leaderless_partitions()) + "\n");
  });
}

ExitCode BrokerDescribe(const GlobalOptions& global) {
  v1::DescribeBrokerResponse response;
  return OneCall<v1::Admin>(global, &v1::Admin::Stub::DescribeBroker, v1::DescribeBrokerRequest(), &response, [&] {
    Table shards({"SHARD", "STATE", "PARTITIONS", "DISK"});
    for (const v1::ShardDescription& shard : response.shards()) {
      shards.Add({std::to_string(shard.shard()), shard.state(), std::to_string(shard.partitions()), HumanBytes(shard.disk_bytes())});
    }
    return PrintText(global, "BROKER " + std::to_string(response.broker_id()) + "   VERSION " + response.version() + "   STARTED " + Rfc3339(response.started_ms()) +
                     "\nDATA " + response.data_dir() + "   DISK FREE " + HumanBytes(response.disk_free_bytes()) + " of " +
                     HumanBytes(response.disk_total_bytes()) + " (" + response.disk_level() + ")\n\n" + shards.Text() + "\n" +
                     ConfigTable(response.configs()));
  });
}

}  // namespace cordwood::client
