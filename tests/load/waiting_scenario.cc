// SPDX-License-Identifier: Apache-2.0
// Thousands of fetches that wait: they cost memory, a little, and nothing else.
#include <vector>

#include "tests/load/broker_watch.h"
#include "tests/load/load_requests.h"
#include "tests/load/scenario.h"
#include "tests/load/wire_client.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

constexpr std::int32_t kWaitMs = 60'000;
constexpr std::int64_t kBytesPerFetchMax = 20'000;   // 200 MB for 10 000
constexpr double kIdleCpuMax = 0.02;                 // of one core, while all wait

class Waiters {
 public:
  Waiters(const std::string& address, int connections) {
    for (int i = 0; i < connections; ++i) connections_.push_back(std::make_unique<WireConnection>(loop_, address));
  }

  void Fetch(int count, std::int64_t offset) {
    v1::FetchRequest request = FetchFrom("t", 0, offset);
    request.set_max_wait_ms(kWaitMs);
    request.set_min_bytes(1);
    const std::string message = request.SerializeAsString();
    for (int i = 0; i < count; ++i) {
      WireHandlers handlers;
      handlers.on_message = [this](std::string_view bytes) {
        v1::FetchResponse response;
        got_record_ += response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) && response.results_size() == 1 &&
                       !response.results(0).batches().empty();
      };
      handlers.on_end = [this](const WireEnd& end) { (end.grpc_status == 0 ? ended_well_ : ended_badly_) += 1; };
      connections_[static_cast<std::size_t>(i) % connections_.size()]->Call(kFetch, message, std::move(handlers));
    }
  }
  WireLoop& loop() { return loop_; }
  int got_record() const { return got_record_; }
  int ended_well() const { return ended_well_; }
  int ended_badly() const { return ended_badly_; }

 private:
  WireLoop loop_;
  std::vector<std::unique_ptr<WireConnection>> connections_;
  int got_record_ = 0;
  int ended_well_ = 0;
  int ended_badly_ = 0;
};

// All wait; how much memory and CPU time that costs.
void WaitAll(Ground& ground, Waiters& waiters, int fetches, std::int64_t offset, std::int64_t resident_before, Outcome& outcome) {
  BrokerProcess& broker = ground.broker();
  waiters.Fetch(fetches, offset);
  const bool parked = waiters.loop().RunUntil([&] { return Metrics(broker)["cordwood_fetch_parked_partitions"] >= fetches; }, kPatience);
  outcome.Require(parked, "not all of them wait");
  const std::int64_t more = ResidentBytesOf(broker.pid()) - resident_before;
  outcome.Figure("memory", Bytes(static_cast<double>(more)) + " more, " + Bytes(static_cast<double>(more) / fetches) + " a fetch");
  outcome.Require(more <= kBytesPerFetchMax * fetches + (8 << 20), "more memory than 20 KB a fetch");
  const double cpu_before = CpuSecondsOf(broker.pid());
  const absl::Time began = absl::Now();
  waiters.loop().RunFor(absl::Seconds(2));
  const double cpu = (CpuSecondsOf(broker.pid()) - cpu_before) / absl::ToDoubleSeconds(absl::Now() - began);
  outcome.Figure("idle CPU", Number(cpu * 100, 1) + " %");
  outcome.Require(cpu <= kIdleCpuMax, "waiting costs CPU time");
  outcome.Require(waiters.ended_well() + waiters.ended_badly() == 0, "some did not wait");
}

}  // namespace

Status WaitingFetches(bool is_long, Outcome& outcome) {
  const int connections = is_long ? 100 : 10, fetches = is_long ? 10'000 : 1'000;
  CORDWOOD_ASSIGN_OR_RETURN(auto ground, Ground::Open());
  CORDWOOD_RETURN_IF_ERROR(ground->CreateTopic("t"));
  CORDWOOD_RETURN_IF_ERROR(ground->client().ProduceRecords("t", 0, {"first"}).status());
  outcome.Done(std::to_string(fetches) + " fetches on " + std::to_string(connections) + " connections wait; one append; then as many vanish");
  const Footprint before = Footprint::Of(ground->broker());
  std::int64_t woken_peak = 0;
  {
    Waiters waiters(ground->address(), connections);
    WaitAll(*ground, waiters, fetches, 1, before.resident_bytes, outcome);
    CORDWOOD_RETURN_IF_ERROR(ground->client().ProduceRecords("t", 0, {"second"}).status());
    const bool woken = waiters.loop().RunUntil([&] { return waiters.ended_well() + waiters.ended_badly() == fetches; }, kPatience);
    outcome.Figure("woken by one append", std::to_string(waiters.got_record()));
    outcome.Require(woken && waiters.got_record() == fetches && waiters.ended_badly() == 0, "not all were woken with the record");
    // A second time, and gone without a word.
    waiters.Fetch(fetches, 2);
    const bool parked = waiters.loop().RunUntil([&] { return Metrics(ground->broker())["cordwood_fetch_parked_partitions"] >= fetches; }, kPatience);
    outcome.Require(parked, "not all of them wait again");
    woken_peak = ResidentBytesOf(ground->broker().pid());
  }
  std::string above;
  const bool back = WaitUntil([&] { return (above = Footprint::Of(ground->broker()).Above(before)).empty(); });
  outcome.Require(back, "left behind: " + above);
  const std::int64_t after = ResidentBytesOf(ground->broker().pid());
  outcome.Figure("memory once all are gone", Bytes(static_cast<double>(after - before.resident_bytes)) + " more (peak " +
                                                  Bytes(static_cast<double>(woken_peak - before.resident_bytes)) + ")");
  return absl::OkStatus();
}

}  // namespace cordwood::testing
