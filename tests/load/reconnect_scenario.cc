// SPDX-License-Identifier: Apache-2.0
// Thousands of clients that come back at the same moment, as after a broken switch.
#include <algorithm>
#include <vector>

#include "tests/load/broker_watch.h"
#include "tests/load/load_requests.h"
#include "tests/load/scenario.h"
#include "tests/load/wire_client.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

// Each client connects, appends one record by a unary call, and keeps a fetch stream.
struct Client {
  std::unique_ptr<WireConnection> connection;
  bool served = false;
  bool refused = false;  // with a status, or its connection was closed
};

class Crowd {
 public:
  Crowd(WireLoop& loop, const std::string& address, int clients) : clients_(static_cast<std::size_t>(clients)) {
    const std::string append = RecordsRequest("t", 1, {"here"}).SerializeAsString();
    v1::FetchRequest follow = FetchFrom("t", 1, 0);
    follow.mutable_partitions(0)->set_max_bytes(1);
    const std::string followed = follow.SerializeAsString();  // no credit: the stream stands
    for (Client& client : clients_) {
      client.connection = std::make_unique<WireConnection>(loop, address);
      client.connection->Send(client.connection->Open(kFetchStream, {}), followed);
      WireHandlers handlers;
      handlers.on_message = [&client](std::string_view bytes) {
        v1::ProduceResponse response;
        client.served = response.ParseFromArray(bytes.data(), static_cast<int>(bytes.size())) && response.done_size() == 1 && response.done(0).errors_size() == 0;
        client.refused = !client.served;
      };
      handlers.on_end = [&client](const WireEnd&) { client.refused |= !client.served; };
      client.connection->Call(kProduce, append, std::move(handlers));
    }
  }
  bool Decided() const {
    return std::all_of(clients_.begin(), clients_.end(), [](const Client& c) { return c.served || c.refused || c.connection->broken(); });
  }
  int served() const {
    return static_cast<int>(std::count_if(clients_.begin(), clients_.end(), [](const Client& c) { return c.served; }));
  }

 private:
  std::vector<Client> clients_;
};

}  // namespace

Status ReconnectStorm(bool is_long, Outcome& outcome) {
  const int clients = is_long ? 2'000 : 300, storms = is_long ? 5 : 2;
  CORDWOOD_ASSIGN_OR_RETURN(auto ground, Ground::Open());
  CORDWOOD_RETURN_IF_ERROR(ground->CreateTopic("t", 2));
  outcome.Done(std::to_string(clients) + " clients reconnect at once, " + std::to_string(storms) + " times, beside a producer");
  WireLoop loop;
  SteadyProducer neighbour(loop, ground->address(), {"t", 0, 10'000, 4});
  neighbour.Begin();
  const bool begun = loop.RunUntil([&] { return neighbour.acknowledged() > 100; }, kPatience);
  outcome.Require(begun, "the producer does not begin");
  const Footprint before = Footprint::Of(ground->broker());
  std::int64_t served = 0, resident_first = 0, during = 0;
  absl::Duration slowest_storm, slowest_append;
  auto crowd = std::make_unique<Crowd>(loop, ground->address(), clients);
  loop.RunUntil([&] { return crowd->Decided(); }, kPatience);
  for (int storm = 0; storm < storms; ++storm) {
    neighbour.Cycle();
    crowd.reset();
    const absl::Time began = absl::Now();
    crowd = std::make_unique<Crowd>(loop, ground->address(), clients);
    outcome.Require(loop.RunUntil([&] { return crowd->Decided(); }, kPatience), "some were neither served nor refused");
    slowest_storm = std::max(slowest_storm, absl::Now() - began);
    served += crowd->served();
    slowest_append = std::max(slowest_append, neighbour.slowest());
    during += neighbour.Cycle();
    if (storm == 0) resident_first = ResidentBytesOf(ground->broker().pid());
  }
  crowd.reset();
  const std::int64_t resident_last = ResidentBytesOf(ground->broker().pid());
  outcome.Figure("served", std::to_string(served) + " of " + std::to_string(clients * storms));
  outcome.Figure("a storm took at most", Number(absl::ToDoubleSeconds(slowest_storm), 2) + " s");
  outcome.Figure("producer meanwhile", std::to_string(during) + " appends, the slowest " + Number(absl::ToDoubleMilliseconds(slowest_append)) + " ms");
  outcome.Require(served == std::int64_t{clients} * storms, "some were not served");
  outcome.Require(during > 0 && !neighbour.failed() && neighbour.in_order(), "the producer was disturbed");
  neighbour.Stop();
  outcome.Require(loop.RunUntil([&] { return neighbour.idle(); }, kPatience), "the producer's last appends were not answered");
  std::string above;
  const bool back = WaitUntil([&] { return (above = Footprint::Of(ground->broker()).Above(before, 8)).empty(); });
  outcome.Require(back, "left behind: " + above);
  outcome.Figure("memory", Bytes(static_cast<double>(resident_first - before.resident_bytes)) + " more after the first storm, " +
                               Bytes(static_cast<double>(resident_last - resident_first)) + " more after the last");
  return absl::OkStatus();
}

}  // namespace cordwood::testing
