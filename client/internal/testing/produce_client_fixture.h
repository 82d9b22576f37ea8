// SPDX-License-Identifier: Apache-2.0
// A producer, and a gRPC server in this process that answers only when it is told to.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <chrono>
#include <map>
#include <memory>
#include <string>
#include <thread>
#include <tuple>
#include <utility>
#include <vector>

#include "client/internal/produce_client.h"
#include "client/internal/testing/loopback_server.h"
#include "cordwood/v1/log.grpc.pb.h"
#include "storage/record/record_batch.h"

namespace cordwood::client {

inline constexpr auto kPatience = std::chrono::seconds(20);

// A topic "t"; offsets are counted per partition. Its id is sixteen times `topic`.
class TalkingLog final : public v1::Log::Service {
 public:
  grpc::Status GetMetadata(grpc::ServerContext* context, const v1::GetMetadataRequest* request, v1::GetMetadataResponse* response) override {
    const int call = ++metadata_calls;
    patience_ms = MsLeft(*context);
    if (!knows_metadata) return grpc::Status(grpc::StatusCode::UNAVAILABLE, "not now");
    for (const std::string& name : request->topics()) {
      v1::TopicMetadata* answer = response->add_topics();
      answer->set_name(name);
      answer->set_topic_id(std::string(16, topic));
      if (name != "t" || topic == kDeleted) answer->mutable_error()->set_reason(v1::UNKNOWN_TOPIC_OR_PARTITION);
      for (int i = 0; i < partitions; ++i) answer->add_partitions()->set_partition(i);
    }
    while (call == held_call && !context->IsCancelled()) std::this_thread::yield();
    if (context->IsCancelled()) cancelled_with_ms = MsLeft(*context);
    return grpc::Status::OK;
  }
  grpc::Status InitProducer(grpc::ServerContext*, const v1::InitProducerRequest*, v1::InitProducerResponse* response) override {
    response->set_producer_id(++producers);
    return gives_ids ? grpc::Status::OK : grpc::Status(grpc::StatusCode::UNAVAILABLE, "not now");
  }
  grpc::Status ProduceStream(grpc::ServerContext* context, grpc::ServerReaderWriter<v1::ProduceResponse, v1::ProduceRequest>* stream) override {
    v1::ProduceRequest request;
    std::vector<v1::ProduceEntry> bound(100);  // by handle
    while (stream->Read(&request)) {
      v1::ProduceResponse response;
      v1::Done* done = response.add_done();
      done->set_seq(request.seq());
      for (int i = 0; i < request.entries_size(); ++i) {
        const v1::ProduceEntry& entry = request.entries(i);
        if (entry.has_partition()) bound[entry.handle()] = entry;
        const v1::ProduceEntry& name = bound[entry.handle()];
        const bool known = name.topic_id() == std::string(16, topic);
        std::string_view rest = entry.batches();
        while (!rest.empty()) {
          const auto batch = *RecordBatchView::TakeFirst(&rest);
          done->add_base_offset(known ? Take(name, batch) : -1);
        }
        if (known) continue;
        v1::EntryError* error = done->add_errors();
        error->set_entry(static_cast<std::uint32_t>(i));
        error->set_reason(v1::UNKNOWN_TOPIC_ID);
      }
      while (silent && !context->IsCancelled()) std::this_thread::yield();
      stream->Write(response);
    }
    return grpc::Status::OK;
  }
  // Keeps what it took before under the same producer id and sequence once.
  std::int64_t Take(const v1::ProduceEntry& name, const RecordBatchView& batch) {
    MutexLock lock(mu);
    std::int64_t& end = ends[name.partition()];
    const auto stamp = std::tuple(name.topic_id(), name.partition(), batch.producer_id().value(), batch.base_sequence().value());
    if (const auto [known, fresh] = taken.try_emplace(stamp, end); !fresh && batch.producer_id() != kNoProducerId) return known->second;
    sizes.push_back(batch.bytes().size());
    counts.push_back(batch.record_count());
    return std::exchange(end, end + batch.record_count());
  }

  std::size_t Batches() {
    MutexLock lock(mu);
    return counts.size();
  }
  static std::int64_t MsLeft(const grpc::ServerContext& context) {
    return std::chrono::duration_cast<std::chrono::milliseconds>(context.deadline() - std::chrono::system_clock::now()).count();
  }

  static constexpr char kDeleted = '-';
  std::atomic<char> topic{'t'};
  std::atomic<int> partitions{3};
  std::atomic<int> metadata_calls{0};
  std::atomic<int> held_call{0};  // of metadata_calls: its answer is made, but leaves no sooner than another number stands here
  std::atomic<std::int64_t> patience_ms{0};        // of the last caller of GetMetadata
  std::atomic<std::int64_t> cancelled_with_ms{0};  // what was left of that when a caller gave up
  std::atomic<bool> knows_metadata{true};
  std::atomic<bool> silent{false};
  std::atomic<bool> gives_ids{true};
  std::atomic<int> producers{0};
  Mutex mu;
  std::vector<std::size_t> sizes ABSL_GUARDED_BY(mu);
  std::vector<int> counts ABSL_GUARDED_BY(mu);
  std::map<std::tuple<std::string, int, std::int64_t, std::int32_t>, std::int64_t> taken ABSL_GUARDED_BY(mu);
  std::int64_t ends[3] ABSL_GUARDED_BY(mu) = {0, 0, 0};
};

class ProduceClientTest : public ::testing::Test {
 protected:
  ProduceClientTest() {
    server_ = Serve(&log_);
    options_.linger = absl::Hours(1);
  }
  ~ProduceClientTest() override {
    log_.silent = false;
    log_.held_call = 0;
    producer_.reset();
    server_->Shutdown(std::chrono::system_clock::now());
    if (next_server_ != nullptr) next_server_->Shutdown(std::chrono::system_clock::now());
  }

  // Its address is the last that is tried.
  std::unique_ptr<grpc::Server> Serve(TalkingLog* log) {
    std::unique_ptr<grpc::Server> server = ServeOnLoopback(log, &addresses_);
    connection_ = std::make_unique<BrokerConnection>(addresses_);
    metadata_ = std::make_unique<MetadataCache>(*connection_);
    return server;
  }
  // A second broker, before the producer is built.
  void ServeNext() { next_server_ = Serve(&next_log_); }

  // Built at first use, after the test has set its options. Not for several threads at once.
  ProduceClient& Producer() {
    if (producer_ == nullptr) producer_ = std::make_unique<ProduceClient>(loop_, *connection_, *metadata_, options_);
    return *producer_;
  }
  Status Send(std::string_view value, std::optional<int> partition = 0, std::optional<std::string_view> key = std::nullopt) {
    ProduceRecord record;
    record.value = value;
    record.key = key;
    if (partition.has_value()) record.partition = PartitionIndex(*partition);
    record.timestamp_ms = 1;
    return Producer().Send("t", record, [this](const StatusOr<RecordAck>& ack) {
      MutexLock lock(mu_);
      acks_.push_back(ack.ok() ? ToString(ack->partition) + "@" + ToString(ack->offset) : std::string(ReasonName(ReasonOf(ack.status()))));
    });
  }
  // Sends to "t"; the callback sends to `next`.
  void SendAndFromItsCallback(std::string_view next) {
    ProduceRecord record;
    record.partition = PartitionIndex(0);
    EXPECT_TRUE(Producer().Send("t", record, [this, next, record](const auto&) { (void)Producer().Send(next, record, nullptr); }).ok());
  }
  template <class Condition>
  static void Await(Condition condition) {
    const auto deadline = std::chrono::steady_clock::now() + kPatience;
    while (!condition()) ASSERT_LT(std::chrono::steady_clock::now(), deadline);
  }
  std::vector<std::string> Acks() {
    MutexLock lock(mu_);
    return acks_;
  }
  void LookUpEachTime() {
    options_.metadata_age_max = absl::ZeroDuration();
    metadata_ = std::make_unique<MetadataCache>(*connection_, absl::ZeroDuration());
  }
  Status Flush() { return Producer().Flush(absl::Seconds(20)); }

  TalkingLog log_;
  TalkingLog next_log_;
  std::unique_ptr<grpc::Server> server_;
  std::unique_ptr<grpc::Server> next_server_;  // null unless the test wants two
  std::vector<std::string> addresses_;
  std::unique_ptr<BrokerConnection> connection_;
  std::unique_ptr<MetadataCache> metadata_;
  ClientLoop loop_;
  ProduceOptions options_;
  Mutex mu_;
  std::vector<std::string> acks_ ABSL_GUARDED_BY(mu_);
  std::unique_ptr<ProduceClient> producer_;
};

}  // namespace cordwood::client
