// SPDX-License-Identifier: Apache-2.0
// Sequences of calls against a live broker. After each input it is ready, every answer was well-formed, and what it acknowledged is there.
#include <google/protobuf/stubs/common.h>

#include <algorithm>
#include <cstdio>
#include <iterator>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <thread>
#include <utility>
#include <vector>

#include "storage/base/check.h"
#include "storage/record/record_batch.h"
#include "tests/fuzz/broker_requests.h"
#include "tests/fuzz/broker_under_fuzz.h"
#include "tests/fuzz/partition_ledger.h"
#include "tests/support/raw_wire.h"

namespace cordwood::testing {
namespace {

constexpr int kCallsMax = 40;

bool IsUtf8(const std::string& text) {
  return google::protobuf::internal::IsStructurallyValidUTF8(text.data(), static_cast<int>(text.size()));
}

std::string_view FirstBatch(std::string_view batches) {
  const std::string_view before = batches;
  CORDWOOD_CHECK(RecordBatchView::TakeFirst(&batches).ok());
  return before.substr(0, before.size() - batches.size());
}

// Messages go out as the input has them; when it ends, each was answered once.
class OpenProduceStream {
 public:
  explicit OpenProduceStream(const LogClient& client) : stream_(client) {}

  void Send(v1::ProduceRequest request) {
    for (const v1::ProduceEntry& entry : request.entries()) malformed_ |= !IsUtf8(entry.topic());
    if (stream_.Send(request)) sent_.push_back(std::move(request));
  }
  void Finish(bool cut, PartitionLedger* ledger) {
    if (cut) stream_.Cancel();
    if (!cut) stream_.CloseSending();
    v1::ProduceResponse response;
    while (stream_.Read(&response)) {
      for (const v1::Done& done : response.done()) Take(done, ledger);
    }
    const Status status = stream_.Finish();
    if (cut) return;
    if (malformed_) {
      CORDWOOD_CHECK(ReasonOf(status) == Reason::kMalformedRequest);  // and what came after it was not read
      return;
    }
    if (!status.ok()) std::fprintf(stderr, "produce stream: %s\n", status.ToString().c_str());
    CORDWOOD_CHECK(status.ok());
    for (const v1::ProduceRequest& request : sent_) CORDWOOD_CHECK(request.acks() == v1::ACKS_NONE);
  }

 private:
  void Take(const v1::Done& done, PartitionLedger* ledger) {
    const auto request = std::find_if(sent_.begin(), sent_.end(), [&](const v1::ProduceRequest& r) { return r.seq() == done.seq(); });
    CORDWOOD_CHECK(request != sent_.end());
    ledger->Acknowledged(*request, done, {});
    sent_.erase(request);
  }

  ProduceStream stream_;
  std::vector<v1::ProduceRequest> sent_;  // and not answered
  bool malformed_ = false;
};

// A thread reads; batches of one position come in order.
class OpenFetchStream {
 public:
  explicit OpenFetchStream(const LogClient& client) : stream_(client), reader_([this] { Read(); }) {}
  ~OpenFetchStream() {
    stream_.Cancel();
    reader_.join();
    stream_.Finish().IgnoreError();
  }
  void Send(const v1::FetchRequest& request) {
    if (!half_closed_) stream_.Send(request);
  }
  void CloseSending() {
    if (!std::exchange(half_closed_, true)) stream_.CloseSending();
  }

 private:
  void Read() {
    v1::FetchResponse response;
    while (stream_.Read(&response)) {
      for (const v1::FetchResult& result : response.results()) {
        if (result.error().reason() != v1::NONE) {
          CheckEntryError(result.error());
          CORDWOOD_CHECK(result.batches().empty() && result.records_size() == 0);
        }
        CORDWOOD_CHECK(result.high_watermark() >= result.log_start());
        CheckOrder(result);
      }
    }
  }
  // Each position was asked for once: what comes of it goes on where it stopped.
  void CheckOrder(const v1::FetchResult& result) {
    const auto known = next_.find(result.position());
    if (!result.batches().empty()) {
      if (known != next_.end()) CORDWOOD_CHECK(RecordBatchView::Parse(FirstBatch(result.batches()))->base_offset().value() == known->second);
      next_[result.position()] = CheckFetchedBatches(result.batches(), 0);
      CORDWOOD_CHECK(next_[result.position()] <= result.high_watermark());
    }
    for (const v1::Record& record : result.records()) {
      CORDWOOD_CHECK(record.offset() >= next_[result.position()] && record.offset() < result.high_watermark());
      next_[result.position()] = record.offset() + 1;
    }
  }

  FetchStream stream_;
  bool half_closed_ = false;
  std::map<std::uint32_t, std::int64_t> next_;  // by position; of the reader
  std::thread reader_;
};

class CallSequence {
 public:
  CallSequence(BrokerUnderFuzz& broker, FuzzInput* in) : broker_(broker), in_(*in) {}

  void Run() {
    CreateTopic();
    for (int calls = 0; calls < kCallsMax && !in_.done(); ++calls) One();
    if (produce_.has_value()) produce_->Finish(false, &ledger_);
    ledger_.CheckReadBack(broker_);
    fetch_.reset();  // it had time to answer meanwhile
    DeleteTopics();
    broker_.CheckReady();
  }

 private:
  void CreateTopic() {
    v1::CreateTopicRequest request;
    request.set_name(kFuzzTopic);
    request.set_partitions(static_cast<std::int32_t>(1 + in_.Below(kFuzzPartitionsMax)));
    v1::CreateTopicResponse response;
    CORDWOOD_CHECK(broker_.Call(broker_.client().admin(), &v1::Admin::Stub::CreateTopic, request, &response).ok());
    topic_id_ = response.topic().topic_id();
    CORDWOOD_CHECK(topic_id_.size() == 16);
  }
  template <class Names>
  void FillTopicIds(Names* names) const {
    for (auto& name : *names) {
      if (name.topic_id() == kTheTopicId) name.set_topic_id(topic_id_);
    }
  }
  v1::ProduceRequest NextProduce(bool stream) {
    v1::ProduceRequest request = TakeProduceRequest(&in_, stream, ++seq_);
    FillTopicIds(request.mutable_entries());
    return request;
  }
  v1::FetchRequest NextFetch(bool stream) {
    v1::FetchRequest request = TakeFetchRequest(&in_, stream, ++seq_);
    FillTopicIds(request.mutable_partitions());
    return request;
  }
  void DeleteTopics() {
    v1::ListTopicsResponse topics;
    CORDWOOD_CHECK(broker_.Call(broker_.client().admin(), &v1::Admin::Stub::ListTopics, v1::ListTopicsRequest(), &topics).ok());
    for (const v1::TopicListing& topic : topics.topics()) {
      v1::DeleteTopicRequest request;
      request.set_name(topic.name());
      v1::DeleteTopicResponse response;
      CORDWOOD_CHECK(broker_.Call(broker_.client().admin(), &v1::Admin::Stub::DeleteTopic, request, &response).ok());
    }
  }

  void One() {
    switch (in_.Below(20)) {
      case 0:
      case 1:
      case 2: return Produce();
      case 3:
      case 4: return SendProduce();
      case 5: return FinishProduce();
      case 6:
      case 7: return SendFetch();
      case 8: return in_.Flag() && fetch_ != nullptr ? fetch_->CloseSending() : fetch_.reset();
      case 9: return Fetch();
      case 10: return ListOffsets();
      case 11: return DeleteRecords();
      case 12: return Bytes();
      case 13: return Frames();
      case 14: return Administer();
      case 15: return AskEpoch();
      case 16: return InitProducer();
      case 17: return Describe();
      case 18: return Http();
      case 19: return Garbage();
    }
  }

  void Produce() {
    const v1::ProduceRequest request = NextProduce(false);
    const auto ends = ledger_.ends();
    v1::ProduceResponse response;
    if (!broker_.Call(broker_.client().log(), &v1::Log::Stub::Produce, request, &response).ok()) return;
    CORDWOOD_CHECK(response.done_size() == 1);
    ledger_.Acknowledged(request, response.done(0), ends);
  }
  void SendProduce() {
    if (!produce_.has_value()) produce_.emplace(broker_.client());
    produce_->Send(NextProduce(true));
  }
  void FinishProduce() {
    if (!produce_.has_value()) return;
    produce_->Finish(in_.Flag(), &ledger_);
    produce_.reset();
  }
  void SendFetch() {
    if (fetch_ == nullptr) fetch_ = std::make_unique<OpenFetchStream>(broker_.client());
    fetch_->Send(NextFetch(true));
  }
  void Fetch() {
    const v1::FetchRequest request = NextFetch(false);
    v1::FetchResponse response;
    const absl::Duration patience = request.max_wait_ms() > 0 ? kImpatience : kPatience;
    if (!broker_.Call(broker_.client().log(), &v1::Log::Stub::Fetch, request, &response, patience).ok()) return;
    for (const v1::FetchResult& result : response.results()) {
      if (result.error().reason() != v1::NONE) CheckEntryError(result.error());
      if (!result.batches().empty()) CheckFetchedBatches(result.batches(), 0);
    }
  }
  void ListOffsets() {
    const v1::ListOffsetsRequest request = TakeListOffsets(&in_);
    v1::ListOffsetsResponse response;
    if (!broker_.Call(broker_.client().log(), &v1::Log::Stub::ListOffsets, request, &response).ok()) return;
    CORDWOOD_CHECK(response.answers_size() == request.queries_size());
    for (const v1::ListOffsetsResponse::Answer& answer : response.answers()) {
      if (answer.error().reason() != v1::NONE) {
        CheckEntryError(answer.error());
      } else {
        CORDWOOD_CHECK(answer.log_start() <= answer.high_watermark() && answer.offset() <= answer.high_watermark());
      }
    }
  }
  void DeleteRecords() {
    const v1::DeleteRecordsRequest request = TakeDeleteRecords(&in_);
    v1::DeleteRecordsResponse response;
    if (!broker_.Call(broker_.client().log(), &v1::Log::Stub::DeleteRecords, request, &response).ok()) return;
    CORDWOOD_CHECK(response.answers_size() == request.targets_size());
    for (int i = 0; i < request.targets_size(); ++i) {
      const v1::PartitionName& name = request.targets(i).partition();
      if (response.answers(i).error().reason() != v1::NONE) {
        CheckEntryError(response.answers(i).error());
      } else if (name.topic() == kFuzzTopic) {
        ledger_.Deleted(name.partition(), response.answers(i).log_start());
      }
    }
  }
  void AskEpoch() {
    const v1::OffsetForLeaderEpochRequest request = TakeEpochQuery(&in_);
    v1::OffsetForLeaderEpochResponse response;
    broker_.Call(broker_.client().log(), &v1::Log::Stub::OffsetForLeaderEpoch, request, &response).IgnoreError();
  }

  void InitProducer() {
    v1::InitProducerRequest request;
    if (in_.Byte() >= 0xE0) request.set_transactional_id(in_.Text());
    v1::InitProducerResponse response;
    if (!broker_.Call(broker_.client().log(), &v1::Log::Stub::InitProducer, request, &response).ok()) return;
    CORDWOOD_CHECK(request.transactional_id().empty() && response.producer_id() > producer_id_ && response.producer_epoch() == 0);
    producer_id_ = response.producer_id();
  }
  // What is known of the topics, after perhaps more partitions.
  void Describe() {
    if (in_.Flag()) {
      v1::CreatePartitionsRequest request;
      request.set_name(in_.Byte() >= 0xE0 ? in_.Text() : kFuzzTopic);
      request.set_total(in_.Byte() >= 0xE0 ? static_cast<std::int32_t>(in_.Number()) : static_cast<std::int32_t>(in_.Below(kFuzzPartitionsMax + 1)));
      v1::CreatePartitionsResponse response;
      broker_.Call(broker_.client().admin(), &v1::Admin::Stub::CreatePartitions, request, &response).IgnoreError();
    }
    v1::DescribeTopicRequest request;
    request.set_name(in_.Byte() >= 0xE0 ? in_.Text() : kFuzzTopic);
    if (in_.Byte() >= 0xE0) request.set_topic_id(in_.Text());
    v1::DescribeTopicResponse response;
    broker_.Call(broker_.client().admin(), &v1::Admin::Stub::DescribeTopic, request, &response).IgnoreError();
    v1::GetMetadataRequest asked;
    if (in_.Flag()) asked.add_topic_ids(in_.Flag() ? topic_id_ : in_.Text());
    asked.set_brokers_only(in_.Flag());
    for (std::size_t left = in_.Below(3); left > 0; --left) asked.add_topics(in_.Byte() >= 0xE0 ? in_.Text() : kFuzzTopic);
    v1::GetMetadataResponse known;
    broker_.Call(broker_.client().log(), &v1::Log::Stub::GetMetadata, asked, &known).IgnoreError();
    v1::DescribeBrokerResponse broker;
    CORDWOOD_CHECK(broker_.Call(broker_.client().admin(), &v1::Admin::Stub::DescribeBroker, v1::DescribeBrokerRequest(), &broker).ok());
    v1::DescribeClusterResponse cluster;
    CORDWOOD_CHECK(broker_.Call(broker_.client().admin(), &v1::Admin::Stub::DescribeCluster, v1::DescribeClusterRequest(), &cluster).ok());
  }

  // Requests at the HTTP port: a path with anything behind it, then anything.
  void Http() {
    constexpr const char* kOpenings[] = {"GET /metrics", "GET /livez", "GET /readyz?verbose", "POST /livez", ""};
    std::string bytes = kOpenings[in_.Below(std::size(kOpenings))];
    const bool complete = in_.Flag();
    if (complete) bytes += " HTTP/1.1\r\nHost: a\r\nConnection: close\r\n";
    bytes += in_.Text();
    if (complete) bytes += "\r\n\r\n";
    RawConnection(broker_.http_address()).Send(bytes);
  }
  // No HTTP/2 at all, or only its preface.
  void Garbage() { RawConnection(broker_.address()).Send((in_.Flag() ? "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n" : "") + in_.Text()); }

  // Any bytes to any method.
  void Bytes() {
    bool streaming = false;
    const std::string method = TakeMethod(&in_, &streaming);
    const std::string message(in_.Bytes(in_.Raw<std::uint16_t>() % 2048));
    ledger_.AnythingMayBeGone();
    if (!streaming) {
      broker_.CallBytes(method, message, kImpatience).IgnoreError();
    } else if (method.find("Produce") != std::string::npos) {
      CallRawStream(broker_.client().channel(), method, message).status().IgnoreError();
    } else {
      broker_.CallBytes(method, message, kImpatience).IgnoreError();  // half-closed at once: ends when its credit does, or by our patience
    }
  }
  // HTTP/2 by hand: a call's headers, a message that may be cut, frames of the input's own, then the connection is gone.
  void Frames() {
    RawConnection connection(broker_.address());
    std::string bytes = Http2Opening();
    const std::uint8_t shape = in_.Byte();
    if ((shape & 1) != 0) bytes += GrpcRequestHeaders("/cordwood.v1.Log/ProduceStream");
    if ((shape & 2) != 0) bytes += Http2Frame(kDataFrame, shape >> 6, 1, std::string("\0\0\0", 3) + in_.Text());
    if ((shape & 4) != 0) bytes += Http2Frame(in_.Byte(), in_.Byte(), in_.Byte(), in_.Text());
    if ((shape & 8) != 0) bytes += in_.Text();
    connection.Send(bytes);
  }
  void Administer() {
    if (in_.Flag()) {
      v1::CreateTopicResponse response;
      broker_.Call(broker_.client().admin(), &v1::Admin::Stub::CreateTopic, TakeCreateTopic(&in_), &response).IgnoreError();
      return;
    }
    const v1::AlterTopicConfigRequest request = TakeAlterConfig(&in_);
    ledger_.AnythingMayBeGone();  // retention
    v1::AlterTopicConfigResponse response;
    broker_.Call(broker_.client().admin(), &v1::Admin::Stub::AlterTopicConfig, request, &response).IgnoreError();
  }

  BrokerUnderFuzz& broker_;
  FuzzInput& in_;
  PartitionLedger ledger_;
  std::string topic_id_;  // of the input's topic, in 16 bytes
  std::uint64_t seq_ = 0;
  std::int64_t producer_id_ = -1;  // the last that was given
  std::optional<OpenProduceStream> produce_;
  std::unique_ptr<OpenFetchStream> fetch_;
};

}  // namespace
}  // namespace cordwood::testing

int LLVMFuzzerTestOneInput(const std::uint8_t* bytes, std::size_t size) {
  using namespace cordwood::testing;
  FuzzInput in(bytes, size);
  CallSequence(BrokerUnderFuzz::Get(), &in).Run();
  return 0;
}
