// SPDX-License-Identifier: Apache-2.0
// One RPC a call.
#include "cordwood/admin.h"

#include <utility>

#include "client/connection.h"
#include "client/failure.h"
#include "client/fork.h"
#include "cordwood/v1/admin.grpc.pb.h"
#include "cordwood/v1/log.grpc.pb.h"
#include "storage/base/names.h"

namespace cordwood {
namespace {

using AdminStub = v1::Admin::Stub;

// As a broker would say it, which cannot be asked: protobuf does not carry what is not UTF-8.
Status CheckConfigs(const std::map<std::string, std::string>& configs) {
  for (const auto& [key, value] : configs) {
    if (!IsUtf8(key)) return Error(Reason::kInvalidConfig, "unknown topic config \"" + NameToShow(key) + "\"");
    if (!IsUtf8(value)) return Error(Reason::kInvalidConfig, key + ": must be UTF-8, not \"" + NameToShow(value) + "\"");
  }
  return absl::OkStatus();
}

void AddConfigs(const std::map<std::string, std::string>& configs, google::protobuf::RepeatedPtrField<v1::ConfigEntry>* entries) {
  for (const auto& [key, value] : configs) {
    v1::ConfigEntry* entry = entries->Add();
    entry->set_key(key);
    entry->set_value(value);
  }
}

}  // namespace

Admin::Admin(std::shared_ptr<client::SharedConnection> connection) : connection_(std::move(connection)) {}

Result<void> Admin::CreateTopic(const NewTopic& topic) {
  if (client::InForkedChild()) return client::AfterFork();
  if (const Status status = CheckTopicName(topic.name); !status.ok()) return client::ToFailure(status);
  if (const Status status = CheckConfigs(topic.configs); !status.ok()) return client::ToFailure(status);
  v1::CreateTopicRequest request;
  request.set_name(topic.name);
  request.set_partitions(topic.partitions);
  request.set_replication_factor(topic.replication_factor);
  AddConfigs(topic.configs, request.mutable_configs());
  v1::CreateTopicResponse response;
  const Status status = client::CallUnary<v1::Admin>(connection_->broker, &AdminStub::CreateTopic, request, &response);
  connection_->metadata.Forget(topic.name);
  return client::ToResult(status);
}

Result<void> Admin::DeleteTopic(std::string_view name) {
  if (client::InForkedChild()) return client::AfterFork();
  if (const Status status = CheckTopicName(name); !status.ok()) return client::ToFailure(status);
  v1::DeleteTopicRequest request;
  request.set_name(std::string(name));
  v1::DeleteTopicResponse response;
  const Status status = client::CallUnary<v1::Admin>(connection_->broker, &AdminStub::DeleteTopic, request, &response);
  connection_->metadata.Forget(name);
  return client::ToResult(status);
}

Result<std::vector<std::string>> Admin::ListTopics() {
  if (client::InForkedChild()) return client::AfterFork();
  v1::ListTopicsResponse response;
  const Status status = client::CallUnary<v1::Admin>(connection_->broker, &AdminStub::ListTopics, v1::ListTopicsRequest(), &response);
  if (!status.ok()) return client::ToFailure(status);
  std::vector<std::string> names;
  for (const v1::TopicListing& topic : response.topics()) names.push_back(topic.name());
  return names;
}

Result<TopicDescription> Admin::DescribeTopic(std::string_view name) {
  if (client::InForkedChild()) return client::AfterFork();
  if (const Status status = CheckTopicName(name); !status.ok()) return client::ToFailure(status);
  v1::DescribeTopicRequest request;
  request.set_name(std::string(name));
  v1::DescribeTopicResponse response;
  const Status status = client::CallUnary<v1::Admin>(connection_->broker, &AdminStub::DescribeTopic, request, &response);
  if (!status.ok()) return client::ToFailure(status);
  const v1::TopicDescription& topic = response.topic();
  TopicDescription description;
  description.name = topic.name();
  if (TopicId id; TopicId::FromBytes(topic.topic_id(), &id)) description.id = id.ToString();
  for (const v1::PartitionDescription& partition : topic.partitions()) description.leaders.push_back(partition.leader());
  for (const v1::ConfigEntry& config : topic.configs()) description.configs[config.key()] = config.value();
  return description;
}

Result<void> Admin::AddPartitions(std::string_view topic, std::int32_t count) {
  if (client::InForkedChild()) return client::AfterFork();
  if (const Status status = CheckTopicName(topic); !status.ok()) return client::ToFailure(status);
  v1::CreatePartitionsRequest request;
  request.set_name(std::string(topic));
  request.set_total(count);
  v1::CreatePartitionsResponse response;
  const Status status = client::CallUnary<v1::Admin>(connection_->broker, &AdminStub::CreatePartitions, request, &response);
  connection_->metadata.Forget(topic);
  return client::ToResult(status);
}

Result<void> Admin::SetConfigs(std::string_view topic, const std::map<std::string, std::string>& configs) {
  if (client::InForkedChild()) return client::AfterFork();
  if (const Status status = CheckTopicName(topic); !status.ok()) return client::ToFailure(status);
  if (const Status status = CheckConfigs(configs); !status.ok()) return client::ToFailure(status);
  v1::AlterTopicConfigRequest request;
  request.set_name(std::string(topic));
  AddConfigs(configs, request.mutable_set());
  v1::AlterTopicConfigResponse response;
  return client::ToResult(client::CallUnary<v1::Admin>(connection_->broker, &AdminStub::AlterTopicConfig, request, &response));
}

Result<std::int64_t> Admin::DeleteRecords(const TopicPartition& partition, std::int64_t before) {
  if (client::InForkedChild()) return client::AfterFork();
  if (const Status status = CheckTopicName(partition.topic); !status.ok()) return client::ToFailure(status);
  if (before < 0) return Failure(Errc::kOffsetOutOfRange, "delete records before offset " + std::to_string(before) + ": an offset is not negative");
  v1::DeleteRecordsRequest request;
  v1::DeleteRecordsRequest::Target* target = request.add_targets();
  target->mutable_partition()->set_topic(partition.topic);
  target->mutable_partition()->set_partition(partition.partition);
  target->set_before_offset(before);
  v1::DeleteRecordsResponse response;
  Status status = client::CallUnary<v1::Log>(connection_->broker, &v1::Log::Stub::DeleteRecords, request, &response);
  if (status.ok() && response.answers_size() != 1) status = Error(Reason::kUnknownServerError, "DeleteRecords answered about another number of partitions");
  if (status.ok()) status = client::FromEntryError(response.answers(0).error());
  if (!status.ok()) return client::ToFailure(status);
  return response.answers(0).log_start();
}

}  // namespace cordwood
