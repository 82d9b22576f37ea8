// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/group/group_consumers.h"

#include <algorithm>
#include <chrono>
#include <cstring>
#include <vector>

#include "tests/bench/group/groups_bench.h"
#include "tests/bench/measure.h"

namespace cordwood::testing {
namespace {

constexpr std::size_t kValueBytes = 100;
constexpr std::chrono::seconds kPatience{60};

Client ConnectTo(const std::string& address) { return Client::Connect(address).value(); }

}  // namespace

BenchConsumer::BenchConsumer(const std::string& address, const std::string& topic, OnRecord on_record) : on_record_(std::move(on_record)) {
  ConsumerOptions options;
  options.group.id = "g";
  options.group.reset = GroupReset::Earliest();
  options.group.on_assigned = [this](Consumer&, const std::vector<TopicPartition>& partitions) {
    MutexLock lock(mu_);
    for (const TopicPartition& partition : partitions) seen_.owned.insert(partition.partition);
    seen_.taken += static_cast<int>(partitions.size());
  };
  options.group.on_revoked = options.group.on_lost = [this](Consumer&, const std::vector<TopicPartition>& partitions) {
    MutexLock lock(mu_);
    for (const TopicPartition& partition : partitions) seen_.owned.erase(partition.partition);
    seen_.given_up += static_cast<int>(partitions.size());
  };
  Consumer consumer = ConnectTo(address).NewConsumer(options).value();
  consumer.Subscribe({topic}).value();
  thread_ = std::thread([this, moved = std::make_shared<Consumer>(std::move(consumer))] { Poll(std::move(*moved)); });
}

BenchConsumer::~BenchConsumer() {
  stopping_ = true;
  thread_.join();
}

void BenchConsumer::Poll(Consumer consumer) {
  while (!stopping_) {
    const std::vector<ConsumerRecord> records = consumer.Poll(std::chrono::milliseconds(20)).value();
    MutexLock lock(mu_);
    seen_.epoch = consumer.membership().epoch;
    ++seen_.polls;
    for (const ConsumerRecord& record : records) on_record_(seen_, record);
  }
  consumer.Close(kPatience).value();
}

RecordFlow::RecordFlow(const std::string& address, std::string topic, int partitions, double per_second) : topic_(std::move(topic)) {
  ProducerOptions options;
  options.acks = Acks::kLeader;
  thread_ = std::thread([=, this, producer = std::make_shared<Producer>(ConnectTo(address).NewProducer(options).value())] { Send(std::move(*producer), partitions, per_second); });
}

RecordFlow::~RecordFlow() {
  stopping_ = true;
  thread_.join();
}

void RecordFlow::Send(Producer producer, int partitions, double per_second) {
  std::string value(kValueBytes, 'v');
  const Span span;
  for (std::int64_t sent = 0; !stopping_;) {
    for (const auto due = static_cast<std::int64_t>(span.seconds() * per_second); sent < due; ++sent) {
      const double now = WallSeconds();
      std::memcpy(value.data(), &now, sizeof(now));
      ProducerRecord record;
      record.value = value;
      record.partition = static_cast<std::int32_t>(sent % partitions);
      producer.Send(topic_, record, [](const Result<RecordMetadata>& result) { result.value(); });
    }
    std::this_thread::sleep_for(std::chrono::milliseconds(1));
  }
  producer.Close(kPatience).value();
}

double RecordFlow::SentSeconds(const ConsumerRecord& record) {
  double sent = 0;
  std::memcpy(&sent, record.value().data(), std::min(sizeof(sent), record.value().size()));
  return sent;
}

void FillPartitions(const std::string& address, const std::string& topic, int partitions, int records, std::size_t bytes) {
  Producer producer = ConnectTo(address).NewProducer().value();
  const std::string value(bytes, 'v');
  for (int i = 0; i < records * partitions; ++i) {
    ProducerRecord record;
    record.value = value;
    record.partition = i % partitions;
    producer.Send(topic, record, [](const Result<RecordMetadata>& result) { result.value(); });
  }
  producer.Close(kPatience).value();
}

}  // namespace cordwood::testing
