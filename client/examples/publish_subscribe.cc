// SPDX-License-Identifier: Apache-2.0
// Publish and subscribe: each subscriber is a group of its own and misses nothing while it is away; a live one has no group and sees what comes while it looks.
#include <cordwood/client.h>

#include <chrono>
#include <iostream>
#include <string>

namespace {

using namespace std::chrono_literals;

constexpr char kTopic[] = "prices";
constexpr int kPublished = 10;

cordwood::Consumer Subscribe(cordwood::Client client, const std::string& name) {
  cordwood::Consumer consumer = client.NewConsumer({.group = {.id = name, .reset = cordwood::GroupReset::Earliest()}}).value();
  consumer.Subscribe({kTopic}).value();
  return consumer;
}

// How many come until `last` does.
int Receive(cordwood::Consumer& consumer, const std::string& last) {
  for (int count = 0;;) {
    for (const cordwood::ConsumerRecord& record : consumer.Poll(100ms).value()) {
      ++count;
      if (record.value() == last) return count;
    }
  }
}

}  // namespace

int main(int argc, char** argv) try {
  cordwood::Client client = cordwood::Client::Connect(argc > 1 ? argv[1] : "localhost:9600").value();
  (void)client.admin().CreateTopic({.name = kTopic});
  const std::string run = std::to_string(std::chrono::system_clock::now().time_since_epoch().count());

  cordwood::Consumer display = client.NewConsumer().value();  // live: no group, no offsets
  display.AssignTopic(kTopic, cordwood::Position::End()).value();
  cordwood::Consumer billing = Subscribe(client, "billing");

  cordwood::Producer producer = client.NewProducer().value();
  for (int i = 1; i <= kPublished; ++i) producer.Send(kTopic, {.value = run + "/" + std::to_string(i)}).get().value();

  const std::string last = run + "/" + std::to_string(kPublished);
  cordwood::Consumer audit = Subscribe(client, "audit");  // came late, misses nothing
  std::cout << "display received " << Receive(display, last) << "\n";
  std::cout << "billing received " << Receive(billing, last) << "\n";
  std::cout << "audit received " << Receive(audit, last) << "\n";
  for (cordwood::Consumer* subscriber : {&billing, &audit}) {
    subscriber->Commit().value();  // it goes on behind them next time
    subscriber->Close(5s).value();
  }
  return 0;
} catch (const cordwood::BadResult& bad) {
  std::cerr << bad.what() << "\n";
  return 1;
}
