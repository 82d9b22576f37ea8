// SPDX-License-Identifier: Apache-2.0
// The worst batches there are: of one small record, each to another of a thousand partitions.
#include <algorithm>
#include <vector>

#include "tests/load/broker_watch.h"
#include "tests/load/load_requests.h"
#include "tests/load/scenario.h"
#include "tests/load/wire_client.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

constexpr int kPartitions = 1'000, kConnections = 4, kPerConnection = kPartitions / kConnections;
constexpr int kInFlight = 500;
constexpr std::size_t kValueBytes = 1'024;

// Appends to its own partitions in turn, so that it knows every offset: the n-th batch of a partition has offset n.
class Sprinkler {
 public:
  Sprinkler(WireLoop& loop, const std::string& address, int first_partition)
      : first_partition_(first_partition), batch_(OneRecordBatch(kValueBytes)), connection_(loop, address) {
    WireHandlers handlers;
    handlers.on_message = [this](std::string_view bytes) { OnAnswer(bytes); };
    handlers.on_end = [this](const WireEnd&) { failed_ = true; };
    stream_ = connection_.Open(kProduceStream, std::move(handlers));
  }
  void Fill() {
    while (!stopped_ && !failed_ && sent_ - answered_ < kInFlight) Send();
  }
  void Stop() { stopped_ = true; }
  bool idle() const { return sent_ == answered_; }
  bool failed() const { return failed_; }  // an answer that is missing, refused or elsewhere
  std::int64_t answered() const { return answered_; }

 private:
  void Send() {
    const auto seq = static_cast<std::uint64_t>(sent_++);
    v1::ProduceRequest request;
    request.set_seq(seq);
    v1::ProduceEntry& entry = *request.add_entries();
    const int index = static_cast<int>(seq % kPerConnection);
    entry.set_handle(static_cast<unsigned>(index) + 1);
    if (seq < kPerConnection) {  // binds the handle
      entry.set_topic("t");
      entry.set_partition(first_partition_ + index);
    }
    entry.set_batches(batch_);
    connection_.Send(stream_, request.SerializeAsString());
  }
  void OnAnswer(std::string_view bytes) {
    v1::ProduceResponse response;
    failed_ |= !response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()));
    for (const v1::Done& done : response.done()) {
      failed_ |= done.errors_size() > 0 || done.base_offset_size() != 1 || done.base_offset(0) != static_cast<std::int64_t>(done.seq()) / kPerConnection;
      ++answered_;
    }
    Fill();
  }

  const int first_partition_;
  const std::string batch_;
  WireConnection connection_;
  int stream_ = 0;
  std::int64_t sent_ = 0;
  std::int64_t answered_ = 0;
  bool failed_ = false;
  bool stopped_ = false;
};

}  // namespace

Status ManyPartitions(bool is_long, Outcome& outcome) {
  const absl::Duration time = absl::Seconds(is_long ? 60 : 3);
  CORDWOOD_ASSIGN_OR_RETURN(auto ground, Ground::Open());
  CORDWOOD_RETURN_IF_ERROR(ground->CreateTopic("t", kPartitions));
  outcome.Done("batches of one 1 KiB record to " + std::to_string(kPartitions) + " partitions over " + std::to_string(kConnections) + " connections for " +
               absl::FormatDuration(time));
  WireLoop loop;
  std::vector<std::unique_ptr<Sprinkler>> sprinklers;
  for (int i = 0; i < kConnections; ++i) sprinklers.push_back(std::make_unique<Sprinkler>(loop, ground->address(), i * kPerConnection));
  for (const auto& sprinkler : sprinklers) sprinkler->Fill();
  MemoryTrace memory(ground->broker());
  loop.RunUntil([&] { return memory.Sample(), memory.seconds() > absl::ToDoubleSeconds(time); }, time * 2);
  for (const auto& sprinkler : sprinklers) sprinkler->Stop();
  const bool idle = loop.RunUntil([&] { return std::all_of(sprinklers.begin(), sprinklers.end(), [](const auto& s) { return s->idle(); }); }, kPatience);
  std::int64_t answered = 0;
  for (const auto& sprinkler : sprinklers) answered += sprinkler->answered();
  outcome.Figure("acknowledged", std::to_string(answered) + " batches, " + Number(static_cast<double>(answered) / memory.seconds()) + "/s, each at its offset");
  outcome.Figure("memory", "at most " + Bytes(static_cast<double>(memory.max_bytes())) + "; slope over the last two thirds " +
                               Bytes(memory.slope_bytes_per_second()) + "/s");
  outcome.Require(idle, "not all were answered");
  outcome.Require(std::none_of(sprinklers.begin(), sprinklers.end(), [](const auto& s) { return s->failed(); }), "refused, or out of order");
  outcome.Require(answered > kPartitions, "too few to prove anything");
  outcome.Require(memory.max_bytes() <= 600'000'000, "more than 600 MB");
  return absl::OkStatus();
}

}  // namespace cordwood::testing
