// SPDX-License-Identifier: Apache-2.0
// The data plane of one network thread: Produce and Fetch, unary and stream, and the handlers behind them.
#pragma once

#include <cstddef>

#include "broker/grpc/network_thread.h"
#include "broker/grpc/produce_door.h"
#include "broker/handlers/fetch_handler.h"
#include "broker/handlers/produce_handler.h"

namespace cordwood::broker {

struct LogDoorsOptions {
  ProduceOptions produce;
  FetchOptions fetch;
  std::size_t request_bytes_max = 8 * 1024 * 1024;  // socket.request.max.bytes
  std::size_t window_bytes = 4 * 1024 * 1024;       // of a produce stream
  std::size_t produce_unread_bytes_max = 64 * 1024 * 1024;  // of outcomes and answers of produce calls, all of the thread: see UnreadAnswers
  int fetch_calls_max = 20'000;                     // fetch.calls.max: open at a time, each of Fetch and FetchStream
  int produce_calls_max = 1'024;                    // produce.calls.max: the same of Produce and ProduceStream
};

// Constructed before the thread starts, destroyed after NetworkThreads::Stop() and before the thread.
class LogDoors {
 public:
  LogDoors(NetworkThread& thread, const PartitionTable& table, ReaderPool& readers, const LogDoorsOptions& options);
  LogDoors(const LogDoors&) = delete;
  LogDoors& operator=(const LogDoors&) = delete;

  // For ShardDriver::AddNetworkThread(), together with the thread's outbox.
  PublicationListener& publications() { return fetch_; }
  // Any thread. Whatever comes over the wire after this returns is served by this image or a newer one.
  void SetImage(ClusterImagePtr image);
  const ProduceMeasures& produce_measures() const { return produce_.measures(); }
  const FetchMeasures& fetch_measures() const { return fetch_.measures(); }

 private:
  NetworkThread& thread_;
  AnswerEncoder encoder_;
  FetchHandler fetch_;
  ProduceHandler produce_;
  ProduceDoors produce_doors_;
};

}  // namespace cordwood::broker
