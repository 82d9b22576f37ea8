// SPDX-License-Identifier: Apache-2.0
// Ten times what the broker can do, by clients that do not wait for answers: it goes on doing what it can.
#include <algorithm>
#include <map>
#include <utility>
#include <vector>

#include "tests/load/broker_watch.h"
#include "tests/load/load_requests.h"
#include "tests/load/scenario.h"
#include "tests/load/wire_client.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

constexpr int kPartitions = 16, kConnections = 8, kStreamsPerConnection = 4;
constexpr std::size_t kBatchBytes = 50'000;
constexpr absl::Duration kDeadlineMin = absl::Seconds(2);  // an acknowledgement after the deadline is worth nothing
constexpr int kUnaryOneIn = 8;                          // so many of the offered messages come as calls of their own
constexpr std::int64_t kCallsMax = 512;                 // open at a time; more would only be time-outs that wait for HTTP/2's window in the client
constexpr std::size_t kUnsentMax = 2 * kBatchBytes;     // a stream always has its next message ready
constexpr std::int64_t kBudgetBytes = 128 << 20;
constexpr std::int64_t kMemorySlack = 192 << 20;        // write buffers and tail ring, should they not have been full before
constexpr double kGoodputMin = 0.8, kGoodputMinShort = 0.5;  // seconds on a busy machine say less than a minute does

// Streams and calls that send as long as the transport takes it, honouring neither windows nor acknowledgements.
class Offering {
 public:
  Offering(WireLoop& loop, const std::string& address) : loop_(loop), batch_(OneRecordBatch(kBatchBytes)) {
    for (int i = 0; i < kConnections; ++i) connections_.push_back(std::make_unique<WireConnection>(loop, address));
    for (int i = 0; i < kConnections * kStreamsPerConnection; ++i) {
      Lane& lane = *lanes_.emplace_back(std::make_unique<Lane>());
      lane.connection = connections_[static_cast<std::size_t>(i % kConnections)].get();
      lane.partition = i % kPartitions;
      WireHandlers handlers;
      handlers.on_message = [this, &lane](std::string_view bytes) { OnAnswer(lane, bytes); };
      handlers.on_end = [this](const WireEnd&) { ++broken_; };
      lane.stream = lane.connection->Open(kProduceStream, std::move(handlers));
    }
  }

  // As fast as it goes with `in_flight` messages to a stream, for `time`. Bytes per second that were acknowledged in time.
  double ClosedLoop(std::size_t in_flight, absl::Duration time, MemoryTrace& memory) {
    return Run(time, memory, [&] {
      for (const auto& lane : lanes_) {
        while (lane->sent.size() < in_flight && !lane->connection->broken()) SendOnStream(*lane);
      }
    });
  }

  // Messages come at `rate` bytes per second, whatever becomes of them; one that finds two of its stream unsent is dropped here.
  double OpenLoop(double rate, absl::Duration time, absl::Duration deadline, MemoryTrace& memory) {
    deadline_ = deadline;
    const absl::Time began = absl::Now();
    std::int64_t came = 0;
    return Run(time, memory, [&] {
      const auto due = static_cast<std::int64_t>(absl::ToDoubleSeconds(absl::Now() - began) * rate / kBatchBytes);
      for (; came < due; ++came) {
        offered_ += kBatchBytes;
        Lane& lane = *lanes_[static_cast<std::size_t>(came) % lanes_.size()];
        if (came % kUnaryOneIn == 0 && open_calls_ < kCallsMax) {
          SendCall(lane);
        } else if (lane.connection->unsent(lane.stream) < kUnsentMax) {
          SendOnStream(lane);
        }
      }
    });
  }

  bool Drained() const {
    return std::all_of(lanes_.begin(), lanes_.end(), [](const auto& lane) { return lane->sent.empty(); }) && open_calls_ == 0;
  }
  std::int64_t offered() const { return offered_; }
  std::int64_t late() const { return late_; }        // bytes acknowledged after the deadline, or refused, or given up
  std::int64_t failed_calls() const { return failed_calls_; }
  int broken() const { return broken_; }

 private:
  struct Lane {
    WireConnection* connection;
    int stream;
    int partition;
    std::uint64_t next_seq = 1;
    std::map<std::uint64_t, absl::Time> sent;
  };

  template <class Offer>
  double Run(absl::Duration time, MemoryTrace& memory, Offer offer) {
    const absl::Time began = absl::Now();
    const std::int64_t before = good_;
    loop_.RunUntil([&] { return memory.Sample(), offer(), absl::Now() - began > time; }, time * 2);
    return static_cast<double>(good_ - before) / absl::ToDoubleSeconds(absl::Now() - began);
  }
  void SendOnStream(Lane& lane) {
    v1::ProduceRequest request = BatchesRequest("t", lane.partition, batch_);
    request.set_seq(lane.next_seq);
    lane.sent[lane.next_seq++] = absl::Now();
    lane.connection->Send(lane.stream, request.SerializeAsString());
  }
  void SendCall(Lane& lane) {
    ++open_calls_;
    WireHandlers handlers;
    handlers.on_message = [this, began = absl::Now()](std::string_view bytes) {
      v1::ProduceResponse response;
      const bool done = response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) && response.done_size() == 1 && response.done(0).errors_size() == 0;
      Count(done, began);
    };
    handlers.on_end = [this](const WireEnd& end) {
      --open_calls_;
      failed_calls_ += end.grpc_status != 0;
    };
    lane.connection->Call(kProduce, BatchesRequest("t", lane.partition, batch_).SerializeAsString(), std::move(handlers), deadline_);
  }
  void OnAnswer(Lane& lane, std::string_view bytes) {
    v1::ProduceResponse response;
    response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
    for (const v1::Done& done : response.done()) {
      const auto sent = lane.sent.find(done.seq());
      if (sent == lane.sent.end()) continue;
      Count(done.errors_size() == 0, sent->second);
      lane.sent.erase(sent);
    }
  }
  void Count(bool acknowledged, absl::Time began) { (acknowledged && absl::Now() - began <= deadline_ ? good_ : late_) += kBatchBytes; }

  WireLoop& loop_;
  const std::string batch_;
  absl::Duration deadline_ = absl::InfiniteDuration();
  std::vector<std::unique_ptr<WireConnection>> connections_;
  std::vector<std::unique_ptr<Lane>> lanes_;
  std::int64_t good_ = 0;
  std::int64_t late_ = 0;
  std::int64_t offered_ = 0;
  std::int64_t open_calls_ = 0;
  std::int64_t failed_calls_ = 0;
  int broken_ = 0;
};

// The slowest but one in a hundred of so many single appends, one after the other.
absl::Duration LightLatency(WireLoop& loop, const std::string& address, int appends) {
  SteadyProducer one(loop, address, {"t", 0, 1'000, 1});
  one.Begin();
  std::vector<absl::Duration> latencies;
  for (int i = 0; i < appends && !one.failed(); ++i) {
    loop.RunUntil([&] { return one.acknowledged() > 0 || one.failed(); }, kPatience);
    latencies.push_back(one.slowest());
    one.Cycle();
  }
  one.Stop();
  loop.RunUntil([&] { return one.idle() || one.failed(); }, kPatience);
  std::sort(latencies.begin(), latencies.end());
  return latencies.empty() || one.failed() ? absl::InfiniteDuration() : latencies[latencies.size() * 99 / 100];
}

}  // namespace

Status Overload(bool is_long, Outcome& outcome) {
  const absl::Duration peak_time = absl::Seconds(is_long ? 10 : 2), time = absl::Seconds(is_long ? 60 : 4);
  const int light = is_long ? 2'000 : 500;
  CORDWOOD_ASSIGN_OR_RETURN(auto ground, Ground::Open());
  CORDWOOD_RETURN_IF_ERROR(ground->CreateTopic("t", kPartitions));
  outcome.Done("ten times the peak offered for " + absl::FormatDuration(time) + " on " + std::to_string(kConnections * kStreamsPerConnection) +
               " streams that honour no window, and by calls with a deadline");
  WireLoop loop;
  MemoryTrace warming(ground->broker()), memory(ground->broker());
  Offering offering(loop, ground->address());
  offering.ClosedLoop(8, peak_time, warming);  // fills write buffers and ring
  outcome.Require(loop.RunUntil([&] { return offering.Drained(); }, kPatience), "the warm-up was not answered");
  const absl::Duration normal = LightLatency(loop, ground->address(), light);
  const double peak_before = offering.ClosedLoop(8, peak_time, warming);
  const std::int64_t start = ResidentBytesOf(ground->broker().pid());
  // The budget is a queue: on a slow machine what is in it takes longer than two seconds.
  const absl::Duration deadline = std::max(kDeadlineMin, 2 * absl::Seconds(static_cast<double>(kBudgetBytes) / peak_before));
  outcome.Figure("deadline", Number(absl::ToDoubleSeconds(deadline), 1) + " s");
  const double goodput = offering.OpenLoop(10 * peak_before, time, deadline, memory);
  const absl::Time over = absl::Now();
  absl::Duration after = absl::InfiniteDuration();
  while (after > 2 * normal + absl::Milliseconds(10) && absl::Now() - over < absl::Seconds(10)) after = LightLatency(loop, ground->address(), light);
  const absl::Duration recovery = absl::Now() - over;
  outcome.Require(loop.RunUntil([&] { return offering.Drained(); }, kPatience), "some were never answered");
  const double peak_after = offering.ClosedLoop(8, peak_time, warming);
  const double peak = (peak_before + peak_after) / 2;  // the machine has other work, too
  outcome.Figure("peak", Bytes(peak) + "/s");
  outcome.Figure("offered", Number(static_cast<double>(offering.offered()) / absl::ToDoubleSeconds(time) / peak, 1) + " times as much");
  outcome.Figure("goodput", Number(100 * goodput / peak) + " %");
  outcome.Figure("too late or refused", Bytes(static_cast<double>(offering.late())) + ", " + std::to_string(offering.failed_calls()) + " calls");
  outcome.Figure("memory", Bytes(static_cast<double>(memory.max_bytes() - start)) + " more than at the peak");
  outcome.Figure("p99 of single appends", Number(absl::ToDoubleMilliseconds(normal), 1) + " ms before, " + Number(absl::ToDoubleMilliseconds(after), 1) +
                                              " ms " + Number(absl::ToDoubleSeconds(recovery), 1) + " s after");
  outcome.Require(goodput >= (is_long ? kGoodputMin : kGoodputMinShort) * peak, "goodput is too low");
  outcome.Require(memory.max_bytes() - start <= kBudgetBytes + kMemorySlack, "memory is out of bounds");
  outcome.Require(after <= 2 * normal + absl::Milliseconds(10), "latency is not back to normal within 10 s");
  outcome.Require(offering.broken() == 0, "streams broke");
  return absl::OkStatus();
}

}  // namespace cordwood::testing
