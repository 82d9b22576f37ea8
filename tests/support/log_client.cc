// SPDX-License-Identifier: Apache-2.0
// Synchronous calls, one connection a client.
#include "tests/support/log_client.h"

#include <grpcpp/create_channel.h>
#include <grpcpp/security/credentials.h>

#include <optional>

#include "storage/record/record_reader.h"

namespace cordwood::testing {
namespace {

std::optional<Reason> ReasonIn(const grpc::Status& status) {
  v1::RpcStatus whole;
  if (status.error_details().empty() || !whole.ParseFromString(status.error_details())) return std::nullopt;
  for (const v1::PackedAny& packed : whole.details()) {
    v1::ErrorDetail detail;
    if (packed.type_url() != "type.googleapis.com/cordwood.v1.ErrorDetail" || !detail.ParseFromString(packed.value())) continue;
    return ReasonFromNumber(detail.reason());
  }
  return std::nullopt;
}

// Appends the records of [from, end) and says where the last batch ended.
StatusOr<std::int64_t> Decode(std::string_view batches, std::int64_t from, std::vector<v1::Record>* records) {
  std::int64_t next = from;
  while (!batches.empty()) {
    CORDWOOD_ASSIGN_OR_RETURN(const RecordBatchView batch, RecordBatchView::TakeFirst(&batches));
    CORDWOOD_RETURN_IF_ERROR(batch.CheckCrc());
    RecordReader reader(batch);
    CORDWOOD_RETURN_IF_ERROR(reader.Open());
    RecordView view;
    for (;;) {
      CORDWOOD_ASSIGN_OR_RETURN(const bool more, reader.Next(&view));
      if (!more) break;
      if (view.offset.value() < from) continue;
      v1::Record& record = records->emplace_back();
      record.set_offset(view.offset.value());
      record.set_timestamp_ms(view.timestamp_ms);
      if (view.key.has_value()) record.set_key(std::string(*view.key));
      if (view.value.has_value()) record.set_value(std::string(*view.value));
    }
    next = batch.end_offset().value();
  }
  return next;
}

}  // namespace

Status FromGrpc(const grpc::Status& status) {
  if (status.ok()) return absl::OkStatus();
  const auto code = static_cast<absl::StatusCode>(status.error_code());
  const auto reason = ReasonIn(status);
  if (reason.has_value() && CodeOf(*reason) == code) return Error(*reason, status.error_message());
  return Status(code, status.error_message());
}

Status FromEntryError(const v1::EntryError& error) {
  if (error.reason() == v1::NONE) return absl::OkStatus();
  return Error(ReasonFromNumber(error.reason()).value_or(Reason::kUnknownServerError), error.message());
}

LogClient::LogClient(const std::string& address) {
  grpc::ChannelArguments arguments;
  arguments.SetInt(GRPC_ARG_USE_LOCAL_SUBCHANNEL_POOL, 1);
  arguments.SetInt(GRPC_ARG_INITIAL_RECONNECT_BACKOFF_MS, 20);
  arguments.SetInt(GRPC_ARG_MIN_RECONNECT_BACKOFF_MS, 20'000);  // in fact how long a connection may take, which a busy machine needs
  arguments.SetInt(GRPC_ARG_MAX_RECONNECT_BACKOFF_MS, 100);
  arguments.SetInt(GRPC_ARG_ENABLE_HTTP_PROXY, 0);
  arguments.SetMaxReceiveMessageSize(-1);
  arguments.SetMaxSendMessageSize(-1);
  channel_ = grpc::CreateCustomChannel(address, grpc::InsecureChannelCredentials(), arguments);
  log_ = v1::Log::NewStub(channel_);
  admin_ = v1::Admin::NewStub(channel_);
}

StatusOr<v1::TopicDescription> LogClient::CreateTopic(const std::string& name, int partitions,
                                                      const std::map<std::string, std::string>& configs) const {
  v1::CreateTopicRequest request;
  request.set_name(name);
  request.set_partitions(partitions);
  for (const auto& [key, value] : configs) {
    v1::ConfigEntry& entry = *request.add_configs();
    entry.set_key(key);
    entry.set_value(value);
  }
  CORDWOOD_ASSIGN_OR_RETURN(v1::CreateTopicResponse response, Call(&v1::Admin::Stub::CreateTopic, request));
  return std::move(*response.mutable_topic());
}

Status LogClient::DeleteTopic(const std::string& name) const {
  v1::DeleteTopicRequest request;
  request.set_name(name);
  return Call(&v1::Admin::Stub::DeleteTopic, request).status();
}

StatusOr<std::int64_t> LogClient::Produce(const v1::ProduceRequest& request) const {
  CORDWOOD_ASSIGN_OR_RETURN(const v1::ProduceResponse response, Call(&v1::Log::Stub::Produce, request));
  for (const v1::Done& done : response.done()) {
    if (done.errors_size() > 0) return FromEntryError(done.errors(0));
    if (done.base_offset_size() > 0) return done.base_offset(0);
  }
  return -1;
}

StatusOr<std::int64_t> LogClient::ProduceRecords(const std::string& topic, int partition, const std::vector<std::string>& values) const {
  return Produce(RecordsRequest(topic, partition, values));
}

StatusOr<std::int64_t> LogClient::ProduceBatches(const std::string& topic, int partition, const std::string& batches) const {
  return Produce(BatchesRequest(topic, partition, batches));
}

StatusOr<v1::FetchResult> LogClient::Fetch(const v1::FetchRequest& request) const {
  CORDWOOD_ASSIGN_OR_RETURN(v1::FetchResponse response, Call(&v1::Log::Stub::Fetch, request));
  if (response.results_size() == 0) return v1::FetchResult();
  CORDWOOD_RETURN_IF_ERROR(FromEntryError(response.results(0).error()));
  return std::move(*response.mutable_results(0));
}

StatusOr<std::vector<v1::Record>> LogClient::FetchAll(const std::string& topic, int partition, std::int64_t from) const {
  std::vector<v1::Record> records;
  CORDWOOD_ASSIGN_OR_RETURN(const std::int64_t end, LogEnd(topic, partition));
  while (from < end) {
    v1::FetchRequest request = FetchFrom(topic, partition, from);
    request.set_max_bytes(4 << 20);
    request.mutable_partitions(0)->set_max_bytes(4 << 20);
    CORDWOOD_ASSIGN_OR_RETURN(const v1::FetchResult result, Fetch(request));
    if (result.batches().empty()) {
      return Error(Reason::kUnknownServerError, "nothing at " + std::to_string(from) + " below the end " + std::to_string(end));
    }
    CORDWOOD_ASSIGN_OR_RETURN(from, Decode(result.batches(), from, &records));
  }
  return records;
}

std::string LogClient::Values(const std::string& topic, int partition, std::int64_t from) const {
  const auto records = FetchAll(topic, partition, from);
  if (!records.ok()) return records.status().ToString();
  std::string text;
  for (const v1::Record& record : *records) {
    if (!text.empty()) text += ' ';
    text += record.value();
  }
  return text;
}

StatusOr<std::int64_t> LogClient::ListOne(const std::string& topic, int partition, bool end) const {
  v1::ListOffsetsRequest request;
  auto& query = *request.add_queries();
  query.mutable_partition()->set_topic(topic);
  query.mutable_partition()->set_partition(partition);
  end ? query.set_end(true) : query.set_start(true);
  CORDWOOD_ASSIGN_OR_RETURN(const v1::ListOffsetsResponse response, Call(&v1::Log::Stub::ListOffsets, request));
  if (response.answers_size() != 1) return Error(Reason::kUnknownServerError, "not one answer: " + response.ShortDebugString());
  CORDWOOD_RETURN_IF_ERROR(FromEntryError(response.answers(0).error()));
  return response.answers(0).offset();
}

StatusOr<std::int64_t> LogClient::LogStart(const std::string& topic, int partition) const { return ListOne(topic, partition, false); }
StatusOr<std::int64_t> LogClient::LogEnd(const std::string& topic, int partition) const { return ListOne(topic, partition, true); }

StatusOr<std::int64_t> LogClient::InitProducer() const {
  CORDWOOD_ASSIGN_OR_RETURN(const v1::InitProducerResponse response, Call(&v1::Log::Stub::InitProducer, v1::InitProducerRequest()));
  return response.producer_id();
}

StatusOr<std::int64_t> LogClient::DeleteRecords(const std::string& topic, int partition, std::int64_t before) const {
  v1::DeleteRecordsRequest request;
  auto& target = *request.add_targets();
  target.mutable_partition()->set_topic(topic);
  target.mutable_partition()->set_partition(partition);
  target.set_before_offset(before);
  CORDWOOD_ASSIGN_OR_RETURN(const v1::DeleteRecordsResponse response, Call(&v1::Log::Stub::DeleteRecords, request));
  if (response.answers_size() != 1) return Error(Reason::kUnknownServerError, "not one answer: " + response.ShortDebugString());
  CORDWOOD_RETURN_IF_ERROR(FromEntryError(response.answers(0).error()));
  return response.answers(0).log_start();
}

v1::ProduceRequest RecordsRequest(const std::string& topic, int partition, const std::vector<std::string>& values) {
  v1::ProduceRequest request;
  v1::ProduceEntry& entry = *request.add_entries();
  entry.set_topic(topic);
  entry.set_partition(partition);
  for (const std::string& value : values) entry.add_records()->set_value(value);
  return request;
}

v1::ProduceRequest BatchesRequest(const std::string& topic, int partition, const std::string& batches) {
  v1::ProduceRequest request;
  v1::ProduceEntry& entry = *request.add_entries();
  entry.set_topic(topic);
  entry.set_partition(partition);
  entry.set_batches(batches);
  return request;
}

v1::FetchRequest FetchFrom(const std::string& topic, int partition, std::int64_t offset) {
  v1::FetchRequest request;
  v1::FetchPartition& part = *request.add_partitions();
  part.set_topic(topic);
  part.set_partition(partition);
  part.set_fetch_offset(offset);
  return request;
}

}  // namespace cordwood::testing
