// SPDX-License-Identifier: Apache-2.0
// Fields from the input; most choices are sound, so that sequences of them get somewhere.
#include "tests/fuzz/broker_requests.h"

#include <iterator>

#include "absl/time/clock.h"
#include "tests/fuzz/built_batch.h"
#include "tests/fuzz/partition_ledger.h"

namespace cordwood::testing {
namespace {

bool Seldom(FuzzInput* in) { return in->Byte() >= 0xE0; }

std::string TakeTopic(FuzzInput* in) { return Seldom(in) ? in->Text() : kFuzzTopic; }

std::int32_t TakePartition(FuzzInput* in) {
  return Seldom(in) ? static_cast<std::int32_t>(in->Number()) : static_cast<std::int32_t>(in->Below(kFuzzPartitionsMax));
}

v1::PartitionName TakePartitionName(FuzzInput* in) {
  v1::PartitionName name;
  name.set_topic(TakeTopic(in));
  if (Seldom(in)) name.set_topic_id(in->Text());
  name.set_partition(TakePartition(in));
  return name;
}

// ProduceEntry and FetchPartition name partitions alike.
template <class Message>
void TakeName(FuzzInput* in, bool stream, Message* message) {
  const std::uint8_t how = in->Byte();
  if (stream && how < 0x80) message->set_handle(1 + how % 3);
  if (how >= 0xF0) message->set_handle(static_cast<std::uint32_t>(in->Number()));
  if (stream && how >= 0x60 && how < 0x80) return;  // by handle alone
  if (how < 0xE0 || how >= 0xE4) message->set_topic(TakeTopic(in));
  if (how >= 0xE0 && how < 0xE8) message->set_topic_id(kTheTopicId);
  if (how >= 0xF8) message->set_topic_id(in->Text());
  if (how < 0xE8 || how >= 0xF0) message->set_partition(TakePartition(in));  // else as the keys say, or round robin
}

// Well-made at the current time, unless the input says otherwise.
std::string TakeBatch(FuzzInput* in) {
  const Codec codec = TakeCodec(in);
  ProducerStamp producer;
  if (in->Flag()) producer = {ProducerId(in->Below(5)), ProducerEpoch(static_cast<std::int16_t>(in->Below(3))), Sequence(static_cast<std::int32_t>(in->Below(4)))};
  RecordTexts texts;
  std::vector<RecordView> records = TakeRecords(in, &texts);
  const bool sound = !Seldom(in);
  if (sound) {
    const std::int64_t now_ms = absl::ToUnixMillis(absl::Now());
    for (RecordView& record : records) record.timestamp_ms = now_ms;
  }
  std::string batch = BatchOfRecords(records, codec, producer);
  if (!sound) Lie(in, &batch);
  if (Seldom(in)) batch.resize(in->Below(batch.size() + 1));
  return batch;
}

void TakeRecordFields(FuzzInput* in, v1::Record* record) {
  const std::uint8_t shape = in->Byte();
  if ((shape & 1) != 0) record->set_key(in->Text());
  if ((shape & 2) == 0) record->set_value(in->Text());
  if ((shape & 4) != 0) record->add_headers()->set_key("h");
  if (shape >= 0xF0) record->set_timestamp_ms(in->Number());
}

}  // namespace

v1::ProduceRequest TakeProduceRequest(FuzzInput* in, bool stream, std::uint64_t seq) {
  v1::ProduceRequest request;
  request.set_seq(seq);
  const std::uint8_t shape = in->Byte();
  if (shape >= 0xC0) request.set_acks(static_cast<v1::Acks>(in->Below(6)));
  if (shape >= 0xE0) request.set_timeout_ms(static_cast<std::int32_t>(in->Number()));
  for (int left = shape % 4; left > 0; --left) {
    v1::ProduceEntry& entry = *request.add_entries();
    TakeName(in, stream, &entry);
    const std::uint8_t more = in->Byte();
    if (more >= 0xF0) entry.set_current_leader_epoch(static_cast<std::int32_t>(in->Number()));
    if (more >= 0xE0) entry.set_expected_offset(in->Number());
    const bool both = more >= 0xF8;
    if (more % 4 == 3 || both) {
      for (std::size_t records = 1 + in->Below(3); records > 0; --records) TakeRecordFields(in, entry.add_records());
    }
    if (more % 4 != 3 || both) {
      std::string batches;
      for (int batch = more % 4; batch >= 0; --batch) batches += TakeBatch(in);
      entry.set_batches(std::move(batches));
    }
  }
  return request;
}

v1::FetchRequest TakeFetchRequest(FuzzInput* in, bool stream, std::uint64_t seq) {
  v1::FetchRequest request;
  request.set_seq(seq);
  const std::uint8_t shape = in->Byte();
  if (stream && shape < 0xC0) request.set_add_credit_bytes(shape < 0x80 ? 1000 * shape : static_cast<std::uint64_t>(in->Number()));
  if (!stream && shape >= 0x80) request.set_max_wait_ms(static_cast<std::int32_t>(in->Number()));
  if (!stream && shape >= 0xC0) request.set_min_bytes(static_cast<std::int32_t>(in->Number()));
  if (!stream && shape >= 0xE0) request.set_max_bytes(static_cast<std::int32_t>(in->Number()));
  request.set_as_records(shape % 8 == 7);
  for (int left = shape % 4; left > 0; --left) {
    v1::FetchPartition& partition = *request.add_partitions();
    TakeName(in, stream, &partition);
    partition.set_position(static_cast<std::uint32_t>(4 * seq) + static_cast<std::uint32_t>(left));
    const std::uint8_t offset = in->Byte();
    partition.set_fetch_offset(offset >= 0xE0 ? in->Number() : offset < 0x80 ? 0 : offset % 8);
    const std::uint8_t more = in->Byte();
    if (more >= 0xF0) partition.set_current_leader_epoch(static_cast<std::int32_t>(in->Number()));
    if (more >= 0xE0 && more < 0xF8) partition.set_last_fetched_epoch(static_cast<std::int32_t>(in->Number()));
    if (more % 8 == 7) partition.set_max_bytes(static_cast<std::int32_t>(in->Number()));
    if (more % 8 >= 5) partition.set_action(static_cast<v1::FetchPartition::Action>(more >> 4));
  }
  return request;
}

v1::ListOffsetsRequest TakeListOffsets(FuzzInput* in) {
  v1::ListOffsetsRequest request;
  for (std::size_t left = in->Below(4); left > 0; --left) {
    v1::ListOffsetsRequest::Query& query = *request.add_queries();
    *query.mutable_partition() = TakePartitionName(in);
    switch (in->Below(5)) {
      case 0: query.set_start(in->Flag()); break;
      case 1: query.set_end(in->Flag()); break;
      case 2: query.set_timestamp_ms(in->Number()); break;
      case 3: query.set_max_timestamp(in->Flag()); break;
      case 4: break;
    }
  }
  return request;
}

v1::OffsetForLeaderEpochRequest TakeEpochQuery(FuzzInput* in) {
  v1::OffsetForLeaderEpochRequest request;
  v1::OffsetForLeaderEpochRequest::Query& query = *request.add_queries();
  *query.mutable_partition() = TakePartitionName(in);
  if (Seldom(in)) query.set_current_leader_epoch(static_cast<std::int32_t>(in->Number()));
  query.set_leader_epoch(static_cast<std::int32_t>(in->Number()));
  return request;
}

v1::DeleteRecordsRequest TakeDeleteRecords(FuzzInput* in) {
  v1::DeleteRecordsRequest request;
  for (std::size_t left = in->Below(4); left > 0; --left) {
    v1::DeleteRecordsRequest::Target& target = *request.add_targets();
    *target.mutable_partition() = TakePartitionName(in);
    target.set_before_offset(in->Number());
  }
  return request;
}

v1::CreateTopicRequest TakeCreateTopic(FuzzInput* in) {
  v1::CreateTopicRequest request;
  request.set_name(in->Flag() ? in->Text() : "other");
  request.set_partitions(static_cast<std::int32_t>(in->Number()));
  request.set_validate_only(Seldom(in));
  if (Seldom(in)) request.set_replication_factor(static_cast<std::int32_t>(in->Number()));
  return request;
}

v1::AlterTopicConfigRequest TakeAlterConfig(FuzzInput* in) {
  constexpr const char* kKeys[] = {"durability", "max.message.bytes", "message.timestamp.type", "message.timestamp.after.max.ms",
                                   "message.timestamp.before.max.ms", "min.insync.replicas", "retention.ms", "retention.bytes", "unknown"};
  v1::AlterTopicConfigRequest request;
  request.set_name(TakeTopic(in));
  for (std::size_t left = in->Below(3); left > 0; --left) {
    v1::ConfigEntry& entry = *request.add_set();
    entry.set_key(kKeys[in->Below(std::size(kKeys))]);
    switch (in->Below(5)) {
      case 0: entry.set_value("os"); break;
      case 1: entry.set_value("LogAppendTime"); break;
      case 2: entry.set_value(std::to_string(in->Number())); break;
      case 3: entry.set_value("1024"); break;
      case 4: entry.set_value(in->Text()); break;
    }
  }
  if (in->Flag()) request.add_reset(kKeys[in->Below(std::size(kKeys))]);
  return request;
}

std::string TakeMethod(FuzzInput* in, bool* streaming) {
  constexpr const char* kMethods[] = {
      "Log/ProduceStream", "Log/FetchStream", "Log/Produce", "Log/Fetch", "Log/ListOffsets", "Log/DeleteRecords", "Log/InitProducer", "Log/GetMetadata",
      "Log/OffsetForLeaderEpoch", "Admin/CreateTopic", "Admin/ListTopics", "Admin/DescribeTopic", "Admin/CreatePartitions", "Admin/AlterTopicConfig",
      "Admin/DescribeBroker", "Admin/DescribeCluster", "Admin/DeleteTopic", "Log/Nothing", "Health/Check", "Health/Watch"};
  const std::size_t method = in->Below(std::size(kMethods));
  *streaming = method < 2;
  const std::string name = kMethods[method];
  return (name.starts_with("Health") ? "/grpc.health.v1." : "/cordwood.v1.") + name;
}

}  // namespace cordwood::testing
