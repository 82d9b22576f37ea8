// SPDX-License-Identifier: Apache-2.0
// Consumers that ask for everything and read nothing.
#include <algorithm>
#include <utility>
#include <vector>

#include "tests/load/broker_watch.h"
#include "tests/load/load_requests.h"
#include "tests/load/scenario.h"
#include "tests/load/wire_client.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

constexpr int kStreamsPerConnection = 20;
constexpr int kSmallReceiveBuffer = 4'096;
constexpr int kOldPartitions = 40;  // each stream reads all of them
constexpr std::size_t kBatchBytes = 100'000;
// What the broker's one network thread holds for them: 64 MiB of answers, 64 MiB of reads under way when that is reached, and from then on a lean answer each.
constexpr std::int64_t kHeldMax = 128 << 20, kHeldPerStream = 64 * 1024 + kBatchBytes;
constexpr absl::Duration kStandstill = absl::Seconds(2);      // the machine has other work, too
constexpr std::int64_t kNeighbourMemory = 192 << 20;  // tail ring and write buffers, which the neighbour goes on filling

// Half of them leave the socket full; the others read it, but never give HTTP/2 more window.
class NonReaders {
 public:
  NonReaders(WireLoop& loop, const std::string& address, int connections) {
    v1::FetchRequest request;
    for (int p = 0; p < kOldPartitions; ++p) *request.add_partitions() = FetchFrom("old", p, 0).partitions(0);
    request.set_add_credit_bytes(1 << 30);
    const std::string message = request.SerializeAsString();
    for (int i = 0; i < connections; ++i) {
      const bool reads = i % 2 == 1;
      connections_.push_back(std::make_unique<WireConnection>(loop, address, WireOptions{reads ? 0 : kSmallReceiveBuffer, !reads}));
      for (int s = 0; s < kStreamsPerConnection; ++s) {
        WireHandlers handlers;
        handlers.on_end = [this](const WireEnd& end) {
          ++ended_;
          says_why_ += end.grpc_status == 14 && end.trailers.find("answer.write.timeout.ms") != std::string::npos;
        };
        connections_.back()->Send(connections_.back()->Open(kFetchStream, std::move(handlers)), message);
      }
    }
    for (std::size_t i = 0; i < connections_.size(); i += 2) {
      loop.RunUntil([&] { return connections_[i]->ready() && connections_[i]->unsent() == 0; }, kPatience);
      connections_[i]->StopReading();
    }
  }
  int ended() const { return ended_; }         // of those that read their sockets
  int says_why() const { return says_why_; }   // with the documented error

 private:
  std::vector<std::unique_ptr<WireConnection>> connections_;
  int ended_ = 0;
  int says_why_ = 0;
};

// So many batches in each partition, which the tail ring has no room for.
bool FillOld(WireLoop& loop, const std::string& address, int batches) {
  std::vector<std::unique_ptr<SteadyProducer>> fillers;
  for (int p = 0; p < kOldPartitions; ++p) fillers.push_back(std::make_unique<SteadyProducer>(loop, address, SteadyLoad{"old", p, kBatchBytes, 1}));
  for (const auto& filler : fillers) filler->Begin();
  const auto filled = [&](const auto& filler) { return filler->acknowledged() >= batches; };
  return loop.RunUntil([&] { return std::all_of(fillers.begin(), fillers.end(), filled); }, absl::Minutes(2));
}

struct NeighbourRate {
  double appends_per_second = 0;
  double records_per_second = 0;
  double broker_cpu = 0;  // cores
  absl::Duration slowest_append;
};

NeighbourRate Measure(WireLoop& loop, const BrokerProcess& broker, SteadyProducer& producer, const TailReader& reader, MemoryTrace& memory,
                      absl::Duration time) {
  producer.Cycle();
  const std::int64_t from = reader.next();
  const double cpu = CpuSecondsOf(broker.pid());
  const absl::Time began = absl::Now();
  loop.RunUntil([&] { return memory.Sample(), absl::Now() - began > time; }, time * 2);
  const double seconds = absl::ToDoubleSeconds(absl::Now() - began);
  const absl::Duration slowest = producer.slowest();
  return {static_cast<double>(producer.Cycle()) / seconds, static_cast<double>(reader.next() - from) / seconds, (CpuSecondsOf(broker.pid()) - cpu) / seconds,
          slowest};
}

}  // namespace

Status UnreadAnswers(bool is_long, Outcome& outcome) {
  const int connections = is_long ? 50 : 6, old_batches = is_long ? 100 : 15;  // a partition
  const absl::Duration span = absl::Seconds(is_long ? 10 : 2), write_timeout = span + absl::Seconds(3);
  const std::string write_timeout_ms = std::to_string(absl::ToInt64Milliseconds(write_timeout));
  CORDWOOD_ASSIGN_OR_RETURN(auto ground, Ground::Open({"answer.write.timeout.ms=" + write_timeout_ms, "tail.ring.bytes=8388608"}));
  BrokerProcess& broker = ground->broker();
  CORDWOOD_RETURN_IF_ERROR(ground->CreateTopic("old", kOldPartitions));
  CORDWOOD_RETURN_IF_ERROR(ground->CreateTopic("new"));
  const int streams = connections * kStreamsPerConnection;
  outcome.Done(std::to_string(streams) + " fetch streams on " + std::to_string(connections) + " connections take credit of 1 GiB each for " +
               std::to_string(kOldPartitions) + " partitions and read nothing");
  WireLoop loop;
  outcome.Require(FillOld(loop, ground->address(), old_batches), "the topic does not fill");
  SteadyProducer producer(loop, ground->address(), {"new", 0, 10'000, 4});
  producer.Begin();
  TailReader reader(loop, ground->address(), "new", 0, 0);
  MemoryTrace memory(broker);
  Measure(loop, broker, producer, reader, memory, span / 2);  // not counted
  const NeighbourRate alone = Measure(loop, broker, producer, reader, memory, span);
  const Footprint before = Footprint::Of(broker);
  NonReaders bad(loop, ground->address(), connections);
  const absl::Time stalled = absl::Now();
  const NeighbourRate beside = Measure(loop, broker, producer, reader, memory, span);
  const std::int64_t more = memory.max_bytes() - before.resident_bytes;
  outcome.Figure("memory", Bytes(static_cast<double>(more)) + " more, " + Bytes(static_cast<double>(more) / streams) + " a stream");
  const std::int64_t held = Metrics(broker)["cordwood_fetch_unwritten_bytes"];
  outcome.Figure("of it answers", Bytes(static_cast<double>(held)));
  outcome.Require(held <= kHeldMax + streams * kHeldPerStream, "more answers are held than the bound allows");
  outcome.Require(more <= kHeldMax + streams * kHeldPerStream + kNeighbourMemory, "memory is out of bounds");
  outcome.Figure("neighbour's appends", Number(alone.appends_per_second) + "/s, beside them " + Number(beside.appends_per_second) + "/s, the slowest " + Number(absl::ToDoubleMilliseconds(beside.slowest_append)) + " ms");
  outcome.Figure("its reads", Number(alone.records_per_second) + "/s, beside them " + Number(beside.records_per_second) + "/s");
  outcome.Figure("broker CPU", Number(alone.broker_cpu, 2) + ", beside them " + Number(beside.broker_cpu, 2));
  const int read_sockets = streams / 2;
  const bool told = loop.RunUntil([&] { return bad.ended() >= read_sockets; }, write_timeout + kPatience);
  outcome.Figure("ended", std::to_string(bad.says_why()) + " of " + std::to_string(read_sockets) + " that can hear it, with UNAVAILABLE, after " +
                              Number(absl::ToDoubleSeconds(absl::Now() - stalled), 1) + " s");
  outcome.Require(told && bad.says_why() == read_sockets, "calls did not end as documented");
  // A connection that reads nothing at all cannot be told, and its calls are not over before it is: TCP gives it up after 20 s.
  const std::int64_t open_max = before.calls + (is_long ? 0 : streams - read_sockets);
  std::int64_t open = 0;
  const bool gone = loop.RunUntil([&] { return (open = Metrics(broker).Sum("cordwood_calls_open")) <= open_max; }, kPatience);
  outcome.Require(gone, std::to_string(open) + " calls are open still");
  outcome.Require(Metrics(broker)["cordwood_fetch_unwritten_bytes"] < kHeldMax / 4, "answers of ended calls are held");
  outcome.Require(!producer.failed() && producer.in_order() && reader.in_order(), "the neighbour was disturbed");
  outcome.Require(beside.slowest_append < kStandstill && beside.appends_per_second > alone.appends_per_second / 20, "the neighbour came to a stand");
  outcome.Require(beside.records_per_second > beside.appends_per_second / 2, "the neighbour's reader falls behind");
  return absl::OkStatus();
}

}  // namespace cordwood::testing
