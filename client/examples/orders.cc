// SPDX-License-Identifier: Apache-2.0
// An order service whose memory is the log: every event goes to the partition of its order id, so the events of one order stay in order, and a
// service that starts reads them all from the beginning to know where every order stands.
#include <cordwood/client.h>

#include <chrono>
#include <iostream>
#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace {

using namespace std::chrono_literals;

constexpr char kTopic[] = "order-events";
constexpr std::string_view kSteps[] = {"placed", "paid", "shipped"};

// Where each order stands, and how many events did not follow the one before.
struct Orders {
  std::map<std::string, std::string_view, std::less<>> state;
  int out_of_order = 0;

  void Apply(std::string_view order, std::string_view event) {
    std::string_view& now = state[std::string(order)];
    const std::string_view before = event == kSteps[0] ? "" : event == kSteps[1] ? kSteps[0] : kSteps[1];
    out_of_order += now != before;
    now = event == kSteps[0] ? kSteps[0] : event == kSteps[1] ? kSteps[1] : kSteps[2];
  }
};

// Events of many orders, as they come in: first all are placed, then all are paid for, then every second one leaves the house.
void Serve(cordwood::Producer& producer, const std::string& run) {
  std::vector<cordwood::Future<cordwood::RecordMetadata>> sent;
  for (const std::string_view step : kSteps) {
    for (int i = 0; i < 100; i += step == "shipped" ? 2 : 1) {
      sent.push_back(producer.Send(kTopic, {.key = run + "-" + std::to_string(i), .value = step, .headers = {{"source", "example"}}}));
    }
  }
  for (auto& answer : sent) answer.get().value();  // an event that is not in the log did not happen
}

// Everything that is in the log now.
Orders ReadBack(cordwood::Client client) {
  cordwood::Consumer consumer = client.NewConsumer().value();
  consumer.AssignTopic(kTopic, cordwood::Position::Start()).value();
  std::map<cordwood::TopicPartition, std::int64_t> ends;
  for (const cordwood::TopicPartition& partition : consumer.assignment()) ends[partition] = consumer.Offsets(partition).value().high_watermark;
  const auto finished = [&] {
    for (const auto& [partition, end] : ends) {
      if (consumer.position(partition).value() < end) return false;
    }
    return true;
  };
  Orders orders;
  while (!finished()) {
    for (const cordwood::ConsumerRecord& record : consumer.Poll(1s).value()) orders.Apply(record.key(), record.value());
  }
  return orders;
}

}  // namespace

int main(int argc, char** argv) try {
  cordwood::Client client = cordwood::Client::Connect(argc > 1 ? argv[1] : "localhost:9600").value();
  (void)client.admin().CreateTopic({.name = kTopic, .partitions = 6});
  cordwood::Producer producer = client.NewProducer({.compression = cordwood::Compression::kZstd}).value();
  Serve(producer, std::to_string(std::chrono::system_clock::now().time_since_epoch().count()));

  const Orders orders = ReadBack(client);
  std::map<std::string_view, int> count;
  for (const auto& [order, state] : orders.state) ++count[state];
  std::cout << orders.state.size() << " orders: " << count["shipped"] << " shipped, " << count["paid"] << " paid, " << orders.out_of_order << " out of order\n";
  return orders.out_of_order == 0 ? 0 : 1;
} catch (const cordwood::BadResult& bad) {
  std::cerr << bad.what() << "\n";
  return 1;
}
