// SPDX-License-Identifier: Apache-2.0
// Clients that are gone in the middle of anything, and thousands that come at once.
#include <algorithm>
#include <map>
#include <set>
#include <vector>

#include "storage/record/record_batch_builder.h"
#include "tests/load/broker_watch.h"
#include "tests/load/load_requests.h"
#include "tests/load/scenario.h"
#include "tests/load/wire_client.h"
#include "tests/support/raw_wire.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

constexpr int kRecordsPerBatch = 10;
constexpr std::size_t kValueBytes = 2'000;
constexpr int kPartitions = 4;

enum class Manner { kMidFrame, kBetweenFrames, kUnanswered, kFetchAnswer };
constexpr int kManners = 4;

// What one client sent and was told: batches by their first record's value.
struct Told {
  std::set<std::string> sent;
  std::map<std::string, std::int64_t> acknowledged;  // with the offset
};

// Values "CLIENT.BATCH.RECORD".
std::string NumberedBatch(int client, int batch) {
  RecordBatchBuilder builder;
  for (int i = 0; i < kRecordsPerBatch; ++i) {
    std::string value = std::to_string(client) + "." + std::to_string(batch) + "." + std::to_string(i) + " ";
    value.resize(kValueBytes, '.');
    builder.Add({Offset(0), 1, std::nullopt, value, {}});
  }
  return std::string(builder.Build(Codec::kNone, {})->view());
}

std::string NameOf(int client, int batch) { return std::to_string(client) + "." + std::to_string(batch); }

// A client that sends some whole messages, then leaves in its manner.
class Vanishing {
 public:
  Vanishing(WireLoop& loop, const std::string& address, int number, Manner manner)
      : number_(number), manner_(manner), connection_(std::make_unique<WireConnection>(loop, address)) {}

  void Begin() {
    WireHandlers handlers;
    if (manner_ == Manner::kFetchAnswer) {
      handlers.on_message = [this](std::string_view) { ++answers_; };
      const int stream = connection_->Open(kFetchStream, std::move(handlers));
      for (int p = 0; p < kPartitions; ++p) {
        v1::FetchRequest request = FetchFrom("t", p, 0);
        request.set_add_credit_bytes(1 << 30);
        connection_->Send(stream, request.SerializeAsString());
      }
      return;
    }
    handlers.on_message = [this](std::string_view bytes) {
      ++answers_;
      TakeDones(bytes);
    };
    stream_ = connection_->Open(kProduceStream, std::move(handlers));
    for (int i = 0; i < whole_messages(); ++i) connection_->Send(stream_, Message());
  }

  // Ready to leave: its messages are out, of some the answers came.
  bool Ready() const {
    if (manner_ == Manner::kUnanswered) return connection_->ready() && connection_->unsent(stream_) == 0 && connection_->unsent() == 0;
    if (manner_ == Manner::kFetchAnswer) return answers_ > 0;
    return static_cast<int>(told_.acknowledged.size()) == whole_messages();
  }

  // The cut-off part of one more message, if that is its manner; and away.
  void Leave() {
    if (manner_ == Manner::kMidFrame || manner_ == Manner::kBetweenFrames) {
      const std::string message = Message();
      std::string framed = std::string("\0", 1) + BigEndian32(static_cast<std::uint32_t>(message.size())) + message;
      const bool mid = manner_ == Manner::kMidFrame;
      const std::size_t frame = mid ? 16'000 : 8'000, given = mid ? 5'000 + static_cast<std::size_t>(number_) * 37 % 9'000 : frame;
      connection_->SendRaw(Http2Frame(kDataFrame, 0, stream_, framed.substr(0, frame)).substr(0, 9 + given));
    }
    connection_.reset();
  }
  const Told& told() const { return told_; }

 private:
  int whole_messages() const { return manner_ == Manner::kUnanswered ? 20 : 3; }

  std::string Message() {
    const int batch = next_++;
    told_.sent.insert(NameOf(number_, batch));
    v1::ProduceRequest request = BatchesRequest("t", number_ % kPartitions, NumberedBatch(number_, batch));
    request.set_seq(static_cast<std::uint64_t>(batch));
    return request.SerializeAsString();
  }
  void TakeDones(std::string_view bytes) {
    v1::ProduceResponse response;
    if (!response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size()))) return;
    for (const v1::Done& done : response.done()) {
      if (done.base_offset_size() == 1) told_.acknowledged[NameOf(number_, static_cast<int>(done.seq()))] = done.base_offset(0);
    }
  }

  const int number_;
  const Manner manner_;
  std::unique_ptr<WireConnection> connection_;
  int stream_ = 0;
  int next_ = 0;
  int answers_ = 0;
  Told told_;
};

// Every batch that is there is whole, was sent, and is there once; what was acknowledged is where the answer said.
Status CheckLogs(const LogClient& client, const Told& told, Outcome& outcome) {
  std::set<std::string> found;
  for (int p = 0; p < kPartitions; ++p) {
    CORDWOOD_ASSIGN_OR_RETURN(const std::vector<v1::Record> records, client.FetchAll("t", p));
    outcome.Require(records.size() % kRecordsPerBatch == 0, "half a batch in partition " + std::to_string(p));
    for (std::size_t i = 0; i < records.size(); i += kRecordsPerBatch) {
      const std::string name = records[i].value().substr(0, records[i].value().rfind('.', records[i].value().find(' ')));
      for (std::size_t k = 0; k < kRecordsPerBatch && i + k < records.size(); ++k) {
        outcome.Require(records[i + k].value().starts_with(name + "." + std::to_string(k) + " "), "a broken batch at " + std::to_string(i + k));
      }
      outcome.Require(told.sent.contains(name), "a batch that nobody sent: " + name);
      outcome.Require(found.insert(name).second, "twice: " + name);
      const auto acknowledged = told.acknowledged.find(name);
      outcome.Require(acknowledged == told.acknowledged.end() || acknowledged->second == records[i].offset(), "elsewhere than acknowledged: " + name);
    }
  }
  for (const auto& [name, offset] : told.acknowledged) outcome.Require(found.contains(name), "acknowledged and lost: " + name);
  outcome.Figure("batches", std::to_string(told.sent.size()) + " sent, " + std::to_string(told.acknowledged.size()) + " acknowledged, " +
                                std::to_string(found.size()) + " there");
  return absl::OkStatus();
}

}  // namespace

Status VanishingClients(bool is_long, Outcome& outcome) {
  const int rounds = is_long ? 20 : 3, clients = is_long ? 200 : 40;
  CORDWOOD_ASSIGN_OR_RETURN(auto ground, Ground::Open());
  CORDWOOD_RETURN_IF_ERROR(ground->CreateTopic("t", kPartitions));
  outcome.Done(std::to_string(rounds) + " rounds of " + std::to_string(clients) +
               " clients that vanish in a frame, between frames, before their answers, during a fetch answer");
  CORDWOOD_RETURN_IF_ERROR(ground->client().ProduceBatches("t", 0, NumberedBatch(-1, 0)).status());
  Told told;
  told.sent.insert(NameOf(-1, 0));
  const Footprint before = Footprint::Of(ground->broker());
  std::int64_t resident_early = 0;
  for (int round = 0; round < rounds; ++round) {
    WireLoop loop;
    std::vector<std::unique_ptr<Vanishing>> all;
    for (int i = 0; i < clients; ++i) {
      const int number = round * clients + i;
      all.push_back(std::make_unique<Vanishing>(loop, ground->address(), number, static_cast<Manner>(i % kManners)));
      all.back()->Begin();
    }
    const bool ready = loop.RunUntil([&] { return std::all_of(all.begin(), all.end(), [](const auto& client) { return client->Ready(); }); }, kPatience);
    outcome.Require(ready, "not all were served before they left");
    for (const auto& client : all) client->Leave();
    for (const auto& client : all) {
      told.sent.insert(client->told().sent.begin(), client->told().sent.end());
      told.acknowledged.insert(client->told().acknowledged.begin(), client->told().acknowledged.end());
    }
    if (round == rounds / 3) resident_early = ResidentBytesOf(ground->broker().pid());
  }
  std::string above;
  const bool back = WaitUntil([&] { return (above = Footprint::Of(ground->broker()).Above(before, 8)).empty(); });
  outcome.Require(back, "left behind: " + above);
  const std::int64_t grown = ResidentBytesOf(ground->broker().pid()) - resident_early;
  outcome.Figure("memory after the first third", Bytes(static_cast<double>(grown)) + " more");
  outcome.Require(grown < (160 << 20), "memory grows");  // ring and write buffers fill meanwhile
  return CheckLogs(ground->client(), told, outcome);
}

}  // namespace cordwood::testing
