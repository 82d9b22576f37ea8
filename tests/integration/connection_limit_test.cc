// SPDX-License-Identifier: Apache-2.0
// More clients than the broker takes connect at once, vanish and come again.
#include <malloc.h>

#include <atomic>
#include <cstdlib>
#include <fstream>
#include <thread>

#include "tests/integration/broker_fixture.h"
#include "tests/support/raw_wire.h"

namespace cordwood::testing {
namespace {

constexpr int kClients = 300;
constexpr int kRounds = 3;

class ConnectionLimitTest : public BrokerTest {
 protected:
  ConnectionLimitTest() { options_.settings = {"max.connections=100"}; }

  std::int64_t ResidentMiB() const {
    std::ifstream file("/proc/" + std::to_string(broker_->pid()) + "/statm");
    std::int64_t size = 0, resident = 0;
    file >> size >> resident;
    return resident * 4096 >> 20;
  }
  // The value of the metric, -1 without it.
  int Connections() const {
    const std::string page = HttpGet(broker_->http_address(), "/metrics").body;
    const std::string series = "\ncordwood_connections ";
    const std::size_t at = page.find(series);
    return at == std::string::npos ? -1 : std::atoi(page.c_str() + at + series.size());
  }
  struct Outcome {
    int served = 0;
    int refused = 0;  // with the reason
    int busy = 0;     // refused by gRPC: every thread for synchronous calls is at work
    int other = 0;
  };
  // All connect and call before the first is heard; then all hang up.
  Outcome Storm() const {
    const std::string call = GrpcRequestHeaders("/grpc.health.v1.Health/Check") + Http2Frame(kDataFrame, kEndStream, 1, std::string(5, '\0'));
    std::vector<std::unique_ptr<RawConnection>> connections;
    for (int i = 0; i < kClients; ++i) connections.push_back(std::make_unique<RawConnection>(broker_->address()));
    for (const auto& connection : connections) connection->Send(Http2Opening() + call);
    Outcome outcome;
    for (const auto& connection : connections) {
      const std::string heard = connection->ReadUntil([](const std::string& all) {
        return StreamEnded(all, 1) || all.find("max.connections") != std::string::npos;
      });
      if (heard.find("max.connections = ") != std::string::npos) {
        ++outcome.refused;
      } else if (FrameTypes(heard, 1).find(kDataFrame) != std::string::npos) {
        ++outcome.served;
      } else if (StreamEnded(heard, 1)) {
        ++outcome.busy;
      } else {
        ++outcome.other;
      }
    }
    return outcome;
  }
};

// How many are served depends on what of the last round is still counted when the next begins, which is never too little.
TEST_F(ConnectionLimitTest, TheRestIsToldWhy) {
  CreateTopic("t");
  ProduceStream stream(client());
  std::atomic<std::uint64_t> done{0};
  std::atomic<bool> stop{false};
  std::thread producer([&] {  // was there before: each round it gets on
    v1::ProduceResponse response;
    while (!stop && stream.Send(RecordsRequest("t", 0, {"v"})) && stream.Read(&response)) done += static_cast<std::uint64_t>(response.done_size());
    stop = true;
  });
  std::int64_t after_first = 0;
  for (int round = 0; round < kRounds; ++round) {
    const std::uint64_t before = done;
    const Outcome outcome = Storm();
    EXPECT_EQ(outcome.other, 0);
    EXPECT_LE(outcome.served + outcome.busy, 99);
    EXPECT_GE(outcome.served, outcome.busy);
    EXPECT_EQ(outcome.served + outcome.refused + outcome.busy, kClients);
    EXPECT_TRUE(WaitUntil([&] { return done > before + 10; }));
    EXPECT_TRUE(WaitUntil([&] { return Connections() == 1; })) << Connections();
    if (round == 0) after_first = ResidentMiB();
  }
  const bool keeps_what_is_freed = mallinfo2().uordblks == 0;  // a sanitizer's allocator, here as in the broker
  if (!keeps_what_is_freed) {
    EXPECT_LE(ResidentMiB(), after_first + 32) << "each storm leaves something behind";
  }
  EXPECT_FALSE(stop.exchange(true));
  producer.join();
  EXPECT_EQ(static_cast<std::uint64_t>(LogEnd("t")), done);
}

}  // namespace
}  // namespace cordwood::testing
