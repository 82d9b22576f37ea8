// SPDX-License-Identifier: Apache-2.0
// A pipeline with back-pressure from end to end: a slow worker fills a bounded buffer, a full buffer stops the polling, a consumer that is
// not polled stops its broker, and a producer whose memory is full makes Send() wait. Nothing grows, nothing is lost, and it ends cleanly.
#include <cordwood/client.h>

#include <atomic>
#include <chrono>
#include <iostream>
#include <string>
#include <thread>

#include "bounded_buffer.h"

namespace {

using namespace std::chrono_literals;

constexpr int kRecords = 5'000;
constexpr std::size_t kRecordBytes = 1'000;
constexpr std::size_t kBufferRecords = 64;
constexpr char kTopic[] = "pipeline";

// How many records could not be sent.
int Produce(cordwood::Client client) {
  // 64 KiB of records in flight: more wait in Send() until some are acknowledged.
  cordwood::Producer producer = client.NewProducer({.batch_bytes = 16 * 1024, .memory_bytes_max = 64 * 1024}).value();
  std::atomic<int> failed{0};
  const auto count = [&failed](const cordwood::Result<cordwood::RecordMetadata>& sent) {
    if (sent) return;
    std::cerr << sent.error().ToString() << "\n";
    ++failed;
  };
  const std::string payload(kRecordBytes, 'x');
  for (int i = 0; i < kRecords; ++i) producer.Send(kTopic, {.key = std::to_string(i), .value = payload, .partition = 0}, count);
  producer.Send(kTopic, {.key = "end", .partition = 0}, count);  // a record without a value ends the stream
  producer.Close(30s).value();
  return failed;
}

// From the log into the buffer, until the record that ends the stream.
void Read(cordwood::Consumer consumer, BoundedBuffer<cordwood::ConsumerRecord>& buffer) {
  while (true) {
    for (cordwood::ConsumerRecord& record : consumer.Poll(1s).value()) {
      if (!record.has_value()) return buffer.End();
      buffer.Push(std::move(record));  // waits for the worker
    }
  }
}

}  // namespace

int main(int argc, char** argv) try {
  cordwood::Client client = cordwood::Client::Connect(argc > 1 ? argv[1] : "localhost:9600").value();
  (void)client.admin().CreateTopic({.name = kTopic});
  cordwood::Consumer consumer = client.NewConsumer({.memory_bytes_max = 256 * 1024, .partition_bytes_max = 64 * 1024}).value();
  consumer.AssignTopic(kTopic, cordwood::Position::End()).value();  // before anything is sent

  BoundedBuffer<cordwood::ConsumerRecord> buffer(kBufferRecords);
  int failed = 0;
  std::thread reader([&] { Read(std::move(consumer), buffer); });
  std::thread writer([&] { failed = Produce(client); });
  int worked = 0;
  bool in_order = true;
  while (const auto record = buffer.Pop()) {
    std::this_thread::sleep_for(20us);  // the work
    in_order = in_order && record->key() == std::to_string(worked++);
  }
  writer.join();
  reader.join();
  std::cout << worked << " records, " << (in_order ? "in order" : "out of order") << ", " << failed << " failed, the buffer held at most " << buffer.fullest() << "\n";
  return worked == kRecords && in_order && failed == 0 ? 0 : 1;
} catch (const cordwood::BadResult& bad) {
  std::cerr << bad.what() << "\n";
  return 1;
}
