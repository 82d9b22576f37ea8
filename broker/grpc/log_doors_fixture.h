// SPDX-License-Identifier: Apache-2.0
// The data plane on a free port over a real shard, for tests that come through the socket.
#pragma once

#include <grpcpp/server_builder.h>
#include <gtest/gtest.h>

#include <chrono>
#include <future>
#include <memory>
#include <string>

#include "broker/grpc/log_doors.h"
#include "broker/grpc/log_wire.h"
#include "broker/handlers/test_shard.h"

namespace cordwood::broker {

// One network thread, one shard, the topic "t". Change options_ before Start().
class LogDoorsFixture : public ::testing::Test {
 protected:
  explicit LogDoorsFixture(std::int64_t budget_bytes = 128 << 20) : budget_(budget_bytes) {}

  void Start(int partitions) {
    doors_ = std::make_unique<LogDoors>(threads_.at(0), shard_.table(), shard_.readers(), options_);
    shard_.Start({{&threads_.at(0).outbox(), &doors_->publications()}});
    grpc::ServerBuilder builder;
    builder.AddListeningPort("127.0.0.1:0", grpc::InsecureServerCredentials(), &port_);
    threads_.AddTo(builder);
    server_ = builder.BuildAndStart();
    threads_.Start();
    doors_->SetImage(shard_.CreateTopic("t", partitions));
  }
  // Whether all calls ended within `drain`; those that did not are cancelled. Once, later ones do nothing.
  bool Stop(absl::Duration drain) {
    if (server_ == nullptr) return true;
    const bool drained = threads_.Drain(drain);
    server_->Shutdown(std::chrono::system_clock::now() + std::chrono::milliseconds(100));
    shard_.Stop();
    threads_.Stop();
    doors_.reset();
    server_.reset();
    return drained;
  }
  std::string address() const { return "127.0.0.1:" + std::to_string(port_); }

  std::size_t OpenCalls() {
    std::promise<std::size_t> open;
    threads_.at(0).Run([&] { open.set_value(threads_.at(0).calls().open_calls()); });
    return open.get_future().get();
  }

  ByteBudget budget_;
  LogDoorsOptions options_;
  NetworkThreads threads_{NetworkOptions{}, budget_, Clock::System()};
  TestShard shard_{Clock::System(), EncodeRecords};
  std::unique_ptr<LogDoors> doors_;
  std::unique_ptr<grpc::Server> server_;
  int port_ = 0;
};

}  // namespace cordwood::broker
