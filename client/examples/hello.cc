// SPDX-License-Identifier: Apache-2.0
// Sends three records, then replays what was sent since the program began.
#include <cordwood/client.h>

#include <iostream>

int main(int argc, char** argv) {
  using namespace std::chrono_literals;
  const auto began = std::chrono::floor<std::chrono::milliseconds>(std::chrono::system_clock::now());
  cordwood::Client client = cordwood::Client::Connect(argc > 1 ? argv[1] : "localhost:9600").value();
  (void)client.admin().CreateTopic({.name = "greetings"});  // the second time it is there already

  cordwood::Producer producer = client.NewProducer().value();
  for (const char* word : {"hello", "from", "C++"}) {
    std::cout << "sent to offset " << producer.Send("greetings", {.value = word}).get().value().offset << "\n";
  }
  producer.Close(5s).value();

  cordwood::Consumer consumer = client.NewConsumer().value();
  consumer.AssignTopic("greetings", cordwood::Position::From(began)).value();
  for (int seen = 0; seen < 3;) {
    for (const cordwood::ConsumerRecord& record : consumer.Poll(5s).value()) std::cout << ++seen << ": " << record.value() << "\n";
  }
}
