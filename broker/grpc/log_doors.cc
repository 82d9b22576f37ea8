// SPDX-License-Identifier: Apache-2.0
// Which method is served by which door, and within which limits.
#include "broker/grpc/log_doors.h"

#include <memory>
#include <utility>

#include "broker/grpc/fetch_door.h"

namespace cordwood::broker {

LogDoors::LogDoors(NetworkThread& thread, const PartitionTable& table, ReaderPool& readers, const LogDoorsOptions& options)
    : thread_(thread),
      fetch_(thread.outbox(), thread.timers(), table, readers, options.fetch, thread.clock()),
      produce_(thread.outbox(), thread.timers(), table, options.produce, thread.clock()),
      produce_doors_(produce_, fetch_.spare_buffers(), encoder_, options.produce_unread_bytes_max, thread.clock()) {
  MethodOptions produce;
  produce.message_bytes_max = options.request_bytes_max;
  produce.window_bytes = options.window_bytes;
  produce.calls_max = options.produce_calls_max;
  produce.calls_limit_name = "produce.calls.max";
  MethodOptions fetch;
  fetch.always_reads = true;
  fetch.message_bytes_max = kFetchRequestBytesMax;
  fetch.message_limit_name = "the limit of a fetch request";
  fetch.calls_max = options.fetch_calls_max;
  fetch.calls_limit_name = "fetch.calls.max";
  for (const bool is_stream : {false, true}) {
    produce.unary = fetch.unary = !is_stream;
    const std::string suffix = is_stream ? "Stream" : "";
    thread.calls().AddMethod("/cordwood.v1.Log/Produce" + suffix, produce, [this, is_stream, window = options.window_bytes](Call& call) {
      return std::make_unique<ProduceDoor>(call, produce_doors_, is_stream, window);
    });
    thread.calls().AddMethod("/cordwood.v1.Log/Fetch" + suffix, fetch, [this, is_stream](Call& call) {
      return std::make_unique<FetchDoor>(call, fetch_, encoder_, is_stream);
    });
  }
  thread.AtTurnEnd([this] { return fetch_.RunTurn(); });
  thread.AtTurnEnd([this] { return produce_doors_.RunTurn(); });
}

void LogDoors::SetImage(ClusterImagePtr image) {
  thread_.Run([this, image = std::move(image)] {
    produce_.SetImage(image);
    fetch_.SetImage(image);
  });
}

}  // namespace cordwood::broker
