// SPDX-License-Identifier: Apache-2.0
// What `cord bench` cannot ask of a broker. usage: serving_bench batches ADDRESS TOPIC RECORD_BYTES RECORDS_PER_BATCH MEGABYTES
//                                                  serving_bench waits ADDRESS TOPIC CONNECTIONS FETCHES
#include <unistd.h>

#include <atomic>
#include <cstdint>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <random>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "client/internal/broker_connection.h"
#include "client/internal/call.h"
#include "client/internal/metadata_cache.h"
#include "cordwood/v1/log.pb.h"
#include "storage/base/clock.h"
#include "storage/record/record_batch_builder.h"
#include "tests/bench/batch_stream.h"
#include "tests/bench/measure.h"

namespace cordwood::testing {
namespace {

constexpr std::int32_t kWaitMs = 60'000;  // the longest a broker lets a fetch wait

template <class T>
T Value(StatusOr<T> value) {
  if (value.ok()) return *std::move(value);
  std::fprintf(stderr, "%s\n", MessageOf(value.status()).c_str());
  std::exit(1);
}

void Require(const Status& status) { (void)Value<int>(status.ok() ? StatusOr<int>(0) : StatusOr<int>(status)); }

SharedBytes BuildBatch(std::size_t record_bytes, std::uint64_t records) {
  std::mt19937_64 random(1);
  std::string value(record_bytes, '\0');
  RecordBatchBuilder builder;
  RecordView record;
  record.timestamp_ms = Clock::System().WallMs();
  for (std::uint64_t i = 0; i < records; ++i) {
    for (char& c : value) c = static_cast<char>(random());
    record.value = value;
    builder.Add(record);
  }
  return Value(builder.Build(Codec::kNone, {}));
}

void SendBatches(const std::string& address, const std::string& topic, std::size_t record_bytes, std::uint64_t per_batch, std::uint64_t bytes) {
  client::BrokerConnection connection(Value(client::ParseAddresses(address)));
  Require(connection.Connect());
  client::MetadataCache metadata(connection);
  client::ClientLoop loop;
  const std::uint64_t batches = std::max<std::uint64_t>(bytes / (record_bytes * per_batch), 1);
  BatchStream stream(loop, connection, Value(metadata.Get(topic)), BuildBatch(record_bytes, per_batch));
  Require(stream.Run(batches / 20 + 1));  // not counted
  BatchStream counted(loop, connection, Value(metadata.Get(topic)), BuildBatch(record_bytes, per_batch));
  const Span span;
  Require(counted.Run(batches));
  const double seconds = span.seconds();
  const double cpu = span.cpu_seconds();
  loop.Stop();
  const auto count = static_cast<double>(batches);
  const double records = count * static_cast<double>(per_batch);
  JsonLine("batches")
      .Add("batches", count)
      .Add("bytes", records * static_cast<double>(record_bytes))
      .Add("seconds", seconds)
      .Add("batches_per_s", count / seconds)
      .Add("records_per_s", records / seconds)
      .Add("bytes_per_s", records * static_cast<double>(record_bytes) / seconds)
      .Add("cpu_seconds", cpu)
      .Print();
}

// Fetches that wait at the end of a partition, over many connections.
class WaitingFetches {
 public:
  WaitingFetches(std::string address, std::string topic_id) : address_(std::move(address)), topic_id_(std::move(topic_id)) {}

  // All have reached the broker when this returns: on each connection a fetch that does not wait follows and is answered.
  void Open(int connections, int fetches) {
    const auto addresses = Value(client::ParseAddresses(address_));
    for (int i = 0; i < connections; ++i) {
      connections_.push_back(std::make_unique<client::BrokerConnection>(addresses));
      Require(connections_.back()->Connect());
    }
    loop_.Run([&] {
      for (int i = 0; i < fetches; ++i) Fetch(i % connections, kWaitMs, [this](bool) { ++ended_; });
      for (int i = 0; i < connections; ++i) {
        Fetch(i, 0, [this](bool answered) {
          MutexLock lock(mu_);
          probes_ += answered ? 1 : 0;
          failed_ |= !answered;
          changed_.SignalAll();
        });
      }
    });
    MutexLock lock(mu_);
    while (probes_ < connections && !failed_) changed_.Wait(mu_);
    if (failed_) Require(absl::UnavailableError("a fetch that does not wait was not answered"));
  }

  int ended() const { return ended_; }
  void Close() {
    loop_.Run([this] { calls_.clear(); });
    loop_.Stop();
  }

 private:
  void Fetch(int connection, std::int32_t wait_ms, std::function<void(bool answered)> ended) {
    v1::FetchRequest request;
    request.set_max_wait_ms(wait_ms);
    request.set_min_bytes(wait_ms > 0 ? 1 : 0);
    v1::FetchPartition& partition = *request.add_partitions();
    partition.set_topic_id(topic_id_);
    partition.set_partition(0);
    client::CallEvents events;
    events.on_message = [](const SharedBytes&) {};
    events.on_written = [] {};
    events.on_end = [ended = std::move(ended)](const Status& status) { ended(status.ok()); };
    auto call = loop_.Open(connections_[static_cast<std::size_t>(connection)]->channel(), "/cordwood.v1.Log/Fetch", std::move(events));
    call.Write({request.SerializeAsString()});
    call.FinishWriting();
    calls_.push_back(std::move(call));
  }

  const std::string address_;
  const std::string topic_id_;
  std::vector<std::unique_ptr<client::BrokerConnection>> connections_;
  std::atomic<int> ended_{0};
  Mutex mu_;
  CondVar changed_;
  int probes_ ABSL_GUARDED_BY(mu_) = 0;
  bool failed_ ABSL_GUARDED_BY(mu_) = false;
  std::vector<client::Call::Handle> calls_;  // the loop's
  client::ClientLoop loop_;                  // stops before what its calls touch goes
};

// One line once all wait; then until standard input ends; then another line.
int Wait(const std::string& address, const std::string& topic, int connections, int fetches) {
  client::BrokerConnection connection(Value(client::ParseAddresses(address)));
  Require(connection.Connect());
  WaitingFetches waiting(address, std::string(Value(client::MetadataCache(connection).Get(topic)).id.raw()));
  waiting.Open(connections, fetches);
  JsonLine("waiting").Add("fetches", fetches).Add("connections", connections).Print();
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) continue;
  const int ended = waiting.ended();
  waiting.Close();
  JsonLine("waited").Add("ended", ended).Print();
  return ended == 0 ? 0 : 1;
}

int Main(int argc, char** argv) {
  const std::string_view command = argc > 1 ? argv[1] : "";
  const auto number = [argv](int i) { return std::strtoull(argv[i], nullptr, 10); };
  if (command == "batches" && argc == 7 && number(4) > 0 && number(5) > 0) {
    SendBatches(argv[2], argv[3], number(4), number(5), number(6) * 1'000'000);
    return 0;
  }
  if (command == "waits" && argc == 6 && number(4) > 0) return Wait(argv[2], argv[3], static_cast<int>(number(4)), static_cast<int>(number(5)));
  std::fprintf(stderr, "usage: serving_bench batches ADDRESS TOPIC RECORD_BYTES RECORDS_PER_BATCH MEGABYTES\n"
                       "       serving_bench waits ADDRESS TOPIC CONNECTIONS FETCHES\n");
  return 2;
}

}  // namespace
}  // namespace cordwood::testing

int main(int argc, char** argv) { return cordwood::testing::Main(argc, argv); }
