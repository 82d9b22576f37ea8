// SPDX-License-Identifier: Apache-2.0
// An order processor that applies each order once, although a record may come twice: it keeps with its state, saved together, how far it has applied each
// partition and which orders it knows. The group's committed offset may lag behind; what comes again is skipped.
#include <cordwood/client.h>

#include <chrono>
#include <iostream>
#include <map>
#include <set>
#include <string>

namespace {

using namespace std::chrono_literals;

constexpr char kTopic[] = "incoming-orders";
constexpr int kOrders = 30;

// A real one is a row in a database, or a file that is replaced as a whole: both parts change together.
struct Ledger {
  std::map<std::int32_t, std::int64_t> applied_to;  // by partition: the next offset
  std::set<std::string> orders;
  long total = 0;
  int skipped = 0;

  void Apply(const cordwood::ConsumerRecord& record) {
    std::int64_t& next = applied_to[record.partition()];
    if (record.offset() < next) {  // the log gave it to us before
      ++skipped;
      return;
    }
    next = record.offset() + 1;
    if (!orders.insert(std::string(record.key())).second) {  // the customer sent it twice
      ++skipped;
      return;
    }
    total += std::stol(std::string(record.value()));
  }
};

// Until all orders of this run are in the ledger; commits or, as after a crash, does not.
void Process(cordwood::Client client, Ledger& ledger, std::size_t until, bool commit) {
  cordwood::Consumer consumer =
      client.NewConsumer({.group = {.id = "order-processor", .reset = cordwood::GroupReset::Earliest(), .auto_commit = false}}).value();
  consumer.Subscribe({kTopic}).value();
  std::map<cordwood::TopicPartition, std::int64_t> ends;
  for (const cordwood::TopicPartition& partition : consumer.PartitionsOf(kTopic).value()) ends[partition] = consumer.Offsets(partition).value().high_watermark;
  const auto read_all = [&] {
    for (const auto& [partition, end] : ends) {
      if (consumer.position(partition).value_or(0) < end) return false;
    }
    return true;
  };
  while (ledger.orders.size() < until || !read_all()) {
    for (const cordwood::ConsumerRecord& record : consumer.Poll(100ms).value()) ledger.Apply(record);
  }
  if (commit) consumer.Commit().value();
  consumer.Close(5s).value();
}

}  // namespace

int main(int argc, char** argv) try {
  cordwood::Client client = cordwood::Client::Connect(argc > 1 ? argv[1] : "localhost:9600").value();
  (void)client.admin().CreateTopic({.name = kTopic, .partitions = 3});
  cordwood::Producer producer = client.NewProducer().value();
  const std::string run = std::to_string(std::chrono::system_clock::now().time_since_epoch().count());
  for (int i = 1; i <= kOrders; ++i) {
    for (int times = i % 10 == 0 ? 2 : 1; times > 0; --times) {
      producer.Send(kTopic, {.key = run + "-" + std::to_string(i), .value = std::to_string(i)}).get().value();
    }
  }
  Ledger ledger;
  Process(client, ledger, kOrders, /*commit=*/false);  // crashes after it has applied them
  Process(client, ledger, kOrders, /*commit=*/true);
  std::cout << ledger.orders.size() << " orders, total " << ledger.total << ", " << ledger.skipped << " records came again and were skipped\n";
  return 0;
} catch (const cordwood::BadResult& bad) {
  std::cerr << bad.what() << "\n";
  return 1;
}
