// SPDX-License-Identifier: Apache-2.0
// A log pipeline: lines of files go into a topic, a group counts them by severity, the counts go out to another topic.
//
//     log_pipeline BROKERS [FILE]…       without a file, a few lines of its own
#include <cordwood/client.h>

#include <array>
#include <chrono>
#include <fstream>
#include <iostream>
#include <map>
#include <sstream>
#include <string>
#include <string_view>

namespace {

using namespace std::chrono_literals;

constexpr char kLines[] = "log-lines";
constexpr char kCounts[] = "severity-counts";
constexpr std::array<std::string_view, 4> kSeverities = {"ERROR", "WARN", "INFO", "DEBUG"};

std::string_view SeverityOf(std::string_view line) {
  for (const std::string_view severity : kSeverities) {
    if (line.find(severity) != std::string_view::npos) return severity;
  }
  return "OTHER";
}

void Ingest(cordwood::Producer& producer, std::istream& in, const std::string& source) {
  for (std::string line; std::getline(in, line);) {
    producer.Send(kLines, {.value = line, .headers = {{"source", source}}}, [](const cordwood::Result<cordwood::RecordMetadata>& sent) { sent.value(); });
  }
  producer.Flush(30s).value();
}

// Of what this member has, everything was read.
bool NothingWaits(const cordwood::Consumer& consumer) {
  const auto mine = consumer.assignment();
  if (mine.size() < consumer.membership().partitions) return false;  // some are still being looked up
  const auto ends = consumer.Offsets(mine).value();
  for (std::size_t i = 0; i < mine.size(); ++i) {
    if (consumer.position(mine[i]).value() < ends[i].high_watermark) return false;
  }
  return !mine.empty();
}

// All lines that the group has not counted, whoever sent them. The counts are in the log before their lines are committed.
std::map<std::string, int> Count(cordwood::Client client, cordwood::Producer& producer) {
  cordwood::Consumer consumer =
      client.NewConsumer({.group = {.id = "severity-counter", .reset = cordwood::GroupReset::Earliest(), .auto_commit = false}}).value();
  consumer.Subscribe({kLines}).value();
  std::map<std::string, int> counts;
  while (!NothingWaits(consumer)) {
    for (const cordwood::ConsumerRecord& record : consumer.Poll(100ms).value()) ++counts[std::string(SeverityOf(record.value()))];
  }
  for (const auto& [severity, count] : counts) producer.Send(kCounts, {.key = severity, .value = std::to_string(count)}).get().value();
  consumer.Commit().value();
  consumer.Close(5s).value();
  return counts;
}

}  // namespace

int main(int argc, char** argv) try {
  cordwood::Client client = cordwood::Client::Connect(argc > 1 ? argv[1] : "localhost:9600").value();
  (void)client.admin().CreateTopic({.name = kLines, .partitions = 4});
  (void)client.admin().CreateTopic({.name = kCounts});
  cordwood::Producer producer = client.NewProducer().value();
  for (int i = 2; i < argc; ++i) {
    std::ifstream file(argv[i]);
    if (!file) {
      std::cerr << "cannot read " << argv[i] << "\n";
      return 1;
    }
    Ingest(producer, file, argv[i]);
  }
  if (argc <= 2) {
    std::istringstream own("INFO started\nWARN disk is slow\nINFO request 1\nERROR request 2 failed\nINFO request 3\nnothing to say\n");
    Ingest(producer, own, "example");
  }
  for (const auto& [severity, count] : Count(client, producer)) std::cout << severity << " " << count << "\n";
  return 0;
} catch (const cordwood::BadResult& bad) {
  std::cerr << bad.what() << "\n";
  return 1;
}
