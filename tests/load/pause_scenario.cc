// SPDX-License-Identifier: Apache-2.0
// A broker that stands still for seconds, as on a machine that swaps or a virtual one that moves.
#include <atomic>
#include <chrono>
#include <cstdlib>
#include <map>
#include <thread>
#include <vector>

#include "cordwood/client.h"
#include "storage/base/mutex.h"
#include "tests/load/scenario.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

constexpr int kPartitions = 4;
constexpr std::size_t kValueBytes = 500;

struct Tally {
  Mutex mu;
  std::map<std::int64_t, std::int64_t> acknowledged ABSL_GUARDED_BY(mu);  // number of the record by partition * 2^40 + offset
  std::int64_t failed ABSL_GUARDED_BY(mu) = 0;
  std::int64_t acknowledgements() {
    MutexLock lock(mu);
    return static_cast<std::int64_t>(acknowledged.size());
  }
};

std::int64_t PlaceOf(int partition, std::int64_t offset) { return (std::int64_t{partition} << 40) + offset; }

// Numbered records, the partitions in turn, until told to stop.
std::int64_t ProduceUntil(cordwood::Producer& producer, Tally& tally, const std::atomic<bool>& stop) {
  std::int64_t made = 0;
  for (; !stop; ++made) {
    std::string value = std::to_string(made) + " ";
    value.resize(kValueBytes, '.');
    cordwood::ProducerRecord record;
    record.partition = static_cast<int>(made % kPartitions);
    record.value = value;
    producer.Send("t", record, [&tally, number = made](const cordwood::Result<cordwood::RecordMetadata>& where) {
      MutexLock lock(tally.mu);
      if (!where.ok()) {
        ++tally.failed;
      } else {
        tally.acknowledged[PlaceOf(where->partition, where->offset)] = number;
      }
    });
  }
  return made;
}

// Reads from the start until `total` says how many there are; every record where it was acknowledged, its partition's numbers without a hole.
struct Reader {
  std::int64_t records = 0;
  std::int64_t wrong = 0;
  std::vector<std::int64_t> next = std::vector<std::int64_t>(kPartitions, 0);  // per partition: how many were read

  void Take(const cordwood::ConsumerRecord& record) {
    const std::int64_t number = std::atoll(std::string(record.value()).c_str());
    std::int64_t& count = next[static_cast<std::size_t>(record.partition())];
    wrong += number != count * kPartitions + record.partition() || record.offset() != count;
    ++count;
    ++records;
  }
};

}  // namespace

Status PausedBroker(bool is_long, Outcome& outcome) {
  const int rounds = is_long ? 10 : 2;
  const absl::Duration pause = absl::Seconds(is_long ? 8 : 1);
  CORDWOOD_ASSIGN_OR_RETURN(auto ground, Ground::Open());
  CORDWOOD_RETURN_IF_ERROR(ground->CreateTopic("t", kPartitions));
  outcome.Done("the broker stopped for " + absl::FormatDuration(pause) + ", " + std::to_string(rounds) + " times, under a producer and a consumer of the library");
  auto client = cordwood::Client::Connect(ground->address());
  if (!client.ok()) return absl::UnavailableError("no client");
  auto producer = client->NewProducer();
  auto consumer = client->NewConsumer();
  if (!producer.ok() || !consumer.ok() || !consumer->AssignTopic("t", cordwood::Position::Start()).ok()) return absl::UnavailableError("no producer or consumer");
  Tally tally;
  std::atomic<bool> stop{false};
  std::atomic<std::int64_t> made{-1};
  std::thread producing([&] { made = ProduceUntil(*producer, tally, stop); });
  Reader reader;
  std::atomic<std::int64_t> read{0};
  std::thread consuming([&] {
    while (made < 0 || reader.records < made) {
      auto records = consumer->Poll(std::chrono::milliseconds(100));
      if (!records.ok() || tally.acknowledgements() < 0) break;
      for (const cordwood::ConsumerRecord& record : *records) reader.Take(record);
      read = reader.records;
    }
  });
  for (int round = 0; round < rounds; ++round) {
    const std::int64_t acknowledged = tally.acknowledgements(), seen = read;
    const bool flows = WaitUntil([&] { return tally.acknowledgements() > acknowledged + 1'000 && read > seen + 1'000; });
    outcome.Require(flows, "round " + std::to_string(round) + ": the clients do not go on");
    ground->broker().Pause();
    const absl::Time until = absl::Now() + pause;
    WaitUntil([&] { return absl::Now() >= until; }, pause * 2);
    ground->broker().Continue();
  }
  const std::int64_t acknowledged = tally.acknowledgements();
  outcome.Require(WaitUntil([&] { return tally.acknowledgements() > acknowledged + 1'000; }), "nothing is acknowledged after the last pause");
  stop = true;
  producing.join();
  const bool flushed = producer->Flush(std::chrono::seconds(60)).ok();
  outcome.Require(flushed, "not everything was acknowledged");
  const bool arrived = WaitUntil([&] { return read >= made; });
  if (!arrived) made = 0;  // the consumer's thread ends
  consuming.join();
  MutexLock lock(tally.mu);
  outcome.Figure("records", std::to_string(made) + " sent, " + std::to_string(tally.acknowledged.size()) + " acknowledged, " + std::to_string(reader.records) + " read");
  outcome.Require(arrived, "not everything was read");
  outcome.Require(tally.failed == 0, std::to_string(tally.failed) + " records failed");
  outcome.Require(reader.wrong == 0, std::to_string(reader.wrong) + " records lost, doubled or out of order");
  std::int64_t elsewhere = 0;
  for (const auto& [place, number] : tally.acknowledged) elsewhere += number != (place & ((std::int64_t{1} << 40) - 1)) * kPartitions + (place >> 40);
  outcome.Require(elsewhere == 0, std::to_string(elsewhere) + " records are not where they were acknowledged");
  return absl::OkStatus();
}

}  // namespace cordwood::testing
