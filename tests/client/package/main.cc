// SPDX-License-Identifier: Apache-2.0
// A program outside the tree, with nothing but the installed library.
#include <cordwood/client.h>
#include <cordwood/coroutine.h>

#include <chrono>
#include <cstdio>

int main(int argc, char** argv) {
  if (argc != 2) return 2;
  try {
    cordwood::Client client = cordwood::Client::Connect(argv[1]).value();
    (void)client.admin().CreateTopic({.name = "packaged"});
    cordwood::Producer producer = client.NewProducer().value();
    const cordwood::RecordMetadata placed = producer.Send("packaged", {.key = "k", .value = "v"}).get().value();
    std::printf("packaged-%d at %lld\n", placed.partition, static_cast<long long>(placed.offset));
    producer.Close(std::chrono::seconds(5)).value();
    return static_cast<int>(client.admin().DescribeTopic("nowhere").value().leaders.size());
  } catch (const cordwood::BadResult& bad) {
    std::printf("%s\n", std::string(bad.failure().name()).c_str());
  }
}
