// SPDX-License-Identifier: Apache-2.0
// How long the brokers are asked, seen from gRPC servers in this process.
#include "client/internal/metadata_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <atomic>
#include <chrono>
#include <cstdint>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "client/internal/testing/loopback_server.h"
#include "cordwood/v1/log.grpc.pb.h"

namespace cordwood::client {
namespace {

using std::chrono::milliseconds;

constexpr milliseconds kTimeout{2'000};
constexpr milliseconds kHeld{500};

// Each call is not available once a quarter of its time has passed.
class SlowRefusal final : public v1::Log::Service {
 public:
  grpc::Status GetMetadata(grpc::ServerContext* context, const v1::GetMetadataRequest*, v1::GetMetadataResponse*) override {
    const auto left = [context] { return context->deadline() - std::chrono::system_clock::now(); };
    longest_ms = std::max<std::int64_t>(longest_ms, std::chrono::duration_cast<milliseconds>(left()).count());
    ++calls;
    while (left() > kTimeout - kHeld) std::this_thread::yield();
    return grpc::Status(grpc::StatusCode::UNAVAILABLE, "not now");
  }

  std::atomic<std::int64_t> longest_ms{0};  // that a caller would have waited
  std::atomic<int> calls{0};
};

class MetadataCacheTest : public ::testing::Test {
 protected:
  MetadataCacheTest() : first_(ServeOnLoopback(&first_log_, &addresses_)), second_(ServeOnLoopback(&second_log_, &addresses_)) {}

  void ExpectTheSecondIsAskedForWhatIsLeft() const {
    EXPECT_EQ(first_log_.calls, 1);
    EXPECT_EQ(second_log_.calls, 1);
    EXPECT_GT(first_log_.longest_ms, (kTimeout - kHeld).count());
    EXPECT_LE(second_log_.longest_ms, (kTimeout - kHeld).count() + 100);  // gRPC rounds what it sends
  }

  SlowRefusal first_log_;
  SlowRefusal second_log_;
  std::vector<std::string> addresses_;
  std::unique_ptr<grpc::Server> first_;
  std::unique_ptr<grpc::Server> second_;
};

TEST_F(MetadataCacheTest, TheAddressesShareOneTimeout) {
  BrokerConnection connection(addresses_);
  MetadataCache cache(connection);
  EXPECT_EQ(cache.Refresh("t", absl::FromChrono(kTimeout)).status().code(), absl::StatusCode::kUnavailable);
  ExpectTheSecondIsAskedForWhatIsLeft();
}

TEST_F(MetadataCacheTest, TheAddressesShareOneRequestTimeout) {
  ConnectOptions options;
  options.request_timeout = absl::FromChrono(kTimeout);
  BrokerConnection connection(addresses_, options);
  MetadataCache cache(connection);
  EXPECT_EQ(cache.Get("t").status().code(), absl::StatusCode::kUnavailable);
  ExpectTheSecondIsAskedForWhatIsLeft();
}

}  // namespace
}  // namespace cordwood::client
