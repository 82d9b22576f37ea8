// SPDX-License-Identifier: Apache-2.0
// From images, snapshots and the file system to messages.
#include "broker/handlers/control/cluster_handler.h"

#include <map>
#include <string_view>
#include <utility>

#include "absl/container/flat_hash_set.h"
#include "broker/handlers/control/partition_access.h"
#include "storage/base/names.h"

namespace cordwood::broker {
namespace {

const char* DiskLevelName(DiskLevel level) {
  switch (level) {
    case DiskLevel::kNormal: return "normal";
    case DiskLevel::kWarn: return "warn";
    case DiskLevel::kRefusePartitions: return "refuse partitions";
    case DiskLevel::kRefuseProduce: return "refuse produce";
  }
  return "";
}

void FillTopicMetadata(const TopicImage& image, const PartitionTable& table, cordwood::v1::TopicMetadata& topic) {
  topic.set_name(image.name);
  topic.set_topic_id(std::string(image.id.raw()));
  std::vector<ReplicaHandlePtr> replicas = table.FindAll(image.id);
  replicas.resize(static_cast<std::size_t>(image.partition_count));
  for (std::int32_t i = 0; i < image.partition_count; ++i) {
    const PartitionAssignment assignment = image.AssignmentOf(PartitionIndex(i));
    cordwood::v1::PartitionMetadata& partition = *topic.add_partitions();
    partition.set_partition(i);
    partition.set_leader(assignment.leader.value());
    const ReplicaHandlePtr& replica = replicas[static_cast<std::size_t>(i)];
    partition.set_leader_epoch(replica == nullptr ? assignment.leader_epoch.value() : replica->snapshot().leader_epoch.value());
    for (const BrokerId broker : assignment.replicas) partition.add_replicas(broker.value());
    for (const BrokerId broker : assignment.isr) partition.add_isr(broker.value());
  }
}

// One GetMetadata. A topic is answered once, by whichever names and ids and however often it was asked for.
class TopicQuestions {
 public:
  TopicQuestions(const ClusterImage& image, const PartitionTable& table, bool suggest, cordwood::v1::GetMetadataResponse& response)
      : image_(image), table_(table), suggest_(suggest), response_(response) {}

  void AskByName(const std::string& name) {
    const std::uint32_t entry = entry_++;
    if (!names_.insert(name).second) return;
    const ClusterImage::TopicPtr found = image_.FindTopic(std::string_view(name));
    if (found != nullptr) return Answer(*found);
    const Status legal = CheckTopicName(name);
    Refuse(entry, legal.ok() ? Unknown(name) : legal).set_name(name);
  }
  void AskById(const std::string& raw) {
    const std::uint32_t entry = entry_++;
    if (!ids_.insert(raw).second) return;
    TopicId id;
    if (!TopicId::FromBytes(raw, &id)) {
      Refuse(entry, Error(Reason::kInvalidRequest, "a topic id has 16 bytes, this one " + std::to_string(raw.size()))).set_topic_id(raw);
      return;
    }
    const ClusterImage::TopicPtr found = image_.FindTopic(id);
    if (found != nullptr) return Answer(*found);
    Refuse(entry, Error(Reason::kUnknownTopicId, "no topic has the id " + id.ToString())).set_topic_id(raw);
  }

 private:
  void Answer(const TopicImage& topic) {
    if (answered_.insert(&topic).second) FillTopicMetadata(topic, table_, *response_.add_topics());
  }
  Status Unknown(const std::string& name) const { return suggest_ ? image_.UnknownTopicAndNearest(name) : ClusterImage::UnknownTopic(name); }
  cordwood::v1::TopicMetadata& Refuse(std::uint32_t entry, const Status& status) {
    cordwood::v1::TopicMetadata& topic = *response_.add_topics();
    FillEntryError(entry, status, nullptr, *topic.mutable_error());
    return topic;
  }

  const ClusterImage& image_;
  const PartitionTable& table_;
  const bool suggest_;
  cordwood::v1::GetMetadataResponse& response_;
  std::uint32_t entry_ = 0;  // in the request: its names, then its ids
  absl::flat_hash_set<std::string_view> names_;  // of the request's
  absl::flat_hash_set<std::string_view> ids_;
  absl::flat_hash_set<const TopicImage*> answered_;  // the image keeps them
};

}  // namespace

ClusterHandler::ClusterHandler(MetadataStrand& strand, const PartitionTable& table, ShardList shards,
                               std::function<DiskLevel()> disk_level, std::function<bool()> draining, BrokerFacts facts)
    : strand_(strand),
      table_(table),
      shards_(std::move(shards)),
      disk_level_(std::move(disk_level)),
      draining_(std::move(draining)),
      facts_(std::move(facts)) {}

StatusOr<cordwood::v1::GetMetadataResponse> ClusterHandler::GetMetadata(const cordwood::v1::GetMetadataRequest& request) const {
  if (request.topics_size() + request.topic_ids_size() > kMetadataTopicsMax) {
    return Error(Reason::kRecordListTooLarge, "more than " + std::to_string(kMetadataTopicsMax) + " topics in one request");
  }
  const ClusterImagePtr image = strand_.image();
  cordwood::v1::GetMetadataResponse response;
  response.set_cluster_id(image->cluster_id().ToString());
  response.set_controller_id(image->controller().value());
  for (const BrokerImage& broker : image->brokers()) {
    cordwood::v1::BrokerNode& node = *response.add_brokers();
    node.set_broker_id(broker.id.value());
    node.set_host(broker.host);
    node.set_port(broker.port);
    node.set_rack(broker.rack);
  }
  TopicQuestions questions(*image, table_, request.topics_size() <= kSuggestedNamesMax, response);
  for (const std::string& name : request.topics()) questions.AskByName(name);
  for (const std::string& id : request.topic_ids()) questions.AskById(id);
  if (request.topics_size() + request.topic_ids_size() == 0 && !request.brokers_only()) {
    for (const ClusterImage::TopicPtr& topic : image->topics()) FillTopicMetadata(*topic, table_, *response.add_topics());
  }
  return response;
}

StatusOr<cordwood::v1::InitProducerResponse> ClusterHandler::InitProducer(const cordwood::v1::InitProducerRequest& request) const {
  if (!request.transactional_id().empty()) {
    return Error(Reason::kInvalidRequest, "transactional_id must be empty: transactions are not available yet");
  }
  CORDWOOD_ASSIGN_OR_RETURN(const ProducerId id, strand_.AllocateProducerId());
  cordwood::v1::InitProducerResponse response;
  response.set_producer_id(id.value());
  response.set_producer_epoch(0);
  return response;
}

StatusOr<cordwood::v1::DescribeBrokerResponse> ClusterHandler::DescribeBroker(const cordwood::v1::DescribeBrokerRequest& request) const {
  if (request.broker_id() != 0 && BrokerId(request.broker_id()) != facts_.id) {
    return Error(Reason::kInvalidRequest, "this is broker " + ToString(facts_.id) + ", broker " + std::to_string(request.broker_id()) + " must be asked itself");
  }
  cordwood::v1::DescribeBrokerResponse response;
  response.set_broker_id(facts_.id.value());
  response.set_version(facts_.version);
  response.set_started_ms(facts_.started_ms);
  response.set_data_dir(facts_.data_dir);
  if (const auto space = ReadDiskSpace(facts_.data_dir); space.ok()) {
    response.set_disk_free_bytes(space->free_bytes);
    response.set_disk_total_bytes(space->total_bytes);
  }
  response.set_disk_level(DiskLevelName(disk_level_()));
  std::map<const ShardDriver*, std::uint64_t> partitions;
  for (const ReplicaHandlePtr& replica : table_.All()) ++partitions[&replica->driver];
  for (const ShardDriver* driver : shards_.All()) {
    cordwood::v1::ShardDescription& shard = *response.add_shards();
    const ShardStore& store = driver->store();
    shard.set_shard(driver->id().value());
    shard.set_state(store.poisoned() ? "poisoned: " + MessageOf(store.poison_status()) : "online");
    shard.set_partitions(partitions[driver]);
    shard.set_disk_bytes(store.disk_bytes());
  }
  response.mutable_configs()->Assign(facts_.configs.begin(), facts_.configs.end());
  return response;
}

StatusOr<cordwood::v1::DescribeClusterResponse> ClusterHandler::DescribeCluster(const cordwood::v1::DescribeClusterRequest&) const {
  const ClusterImagePtr image = strand_.image();
  cordwood::v1::DescribeClusterResponse response;
  response.set_cluster_id(image->cluster_id().ToString());
  response.set_controller_id(image->controller().value());
  response.set_topics(static_cast<std::uint32_t>(image->topics().size()));
  std::uint32_t partitions = 0;
  for (const ClusterImage::TopicPtr& topic : image->topics()) partitions += static_cast<std::uint32_t>(topic->partition_count);
  response.set_partitions(partitions);
  std::uint32_t led = 0;
  const std::vector<ReplicaHandlePtr> replicas = table_.All();
  for (const ReplicaHandlePtr& replica : replicas) led += replica->snapshot().is_leader;
  response.set_leaderless_partitions(partitions > led ? partitions - led : 0);
  for (const BrokerImage& image_broker : image->brokers()) {
    cordwood::v1::ClusterBroker& broker = *response.add_brokers();
    broker.set_broker_id(image_broker.id.value());
    broker.set_host(image_broker.host);
    broker.set_port(image_broker.port);
    broker.set_rack(image_broker.rack);
    if (image_broker.id != facts_.id) continue;
    broker.set_state(draining_() ? "draining" : "ready");
    broker.set_leaders(led);
    broker.set_replicas(static_cast<std::uint32_t>(replicas.size()));
    broker.set_started_ms(facts_.started_ms);
    broker.set_version(facts_.version);
    if (const auto space = ReadDiskSpace(facts_.data_dir); space.ok()) {
      broker.set_disk_free_bytes(space->free_bytes);
      broker.set_disk_total_bytes(space->total_bytes);
    }
  }
  return response;
}

}  // namespace cordwood::broker
