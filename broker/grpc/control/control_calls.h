// SPDX-License-Identifier: Apache-2.0
// Every unary method but Produce and Fetch: read and answered on network threads, run by a pool.
#pragma once

#include <google/protobuf/message_lite.h>
#include <grpcpp/support/byte_buffer.h>
#include <grpcpp/support/proto_buffer_reader.h>

#include <cstddef>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "broker/grpc/control/control_pool.h"
#include "broker/grpc/network_thread.h"
#include "storage/base/measures.h"

namespace cordwood::broker {

struct ControlOptions {
  ControlPoolOptions pool;
  std::size_t request_bytes_max = 8 * 1024 * 1024;     // socket.request.max.bytes
  std::size_t unread_bytes_max = 64 * 1024 * 1024;     // of answers on one network thread that clients have not read
};

class ControlThread;

// Constructed, filled and destroyed as LogDoors. The pool starts with Start() and stops after the server, before what the handlers use.
//
//     calls.Add<v1::ListTopicsRequest>("/cordwood.v1.Admin/ListTopics", [&admin](const auto& request) { return admin.ListTopics(request); });
//
// A handler is any function of a request to a StatusOr of a response; it may block, and runs on several threads at once. One whose call was cancelled, or whose
// deadline has passed, before a thread takes it is not run.
class ControlCalls {
 public:
  ControlCalls(NetworkThreads& threads, const ControlOptions& options);
  ~ControlCalls();

  template <class Request, class Handle>
  void Add(const std::string& path, Handle handle) {
    AddMethod(path, [path, handle = std::move(handle)](grpc::ByteBuffer& message) -> StatusOr<grpc::ByteBuffer> {
      Request request;
      grpc::ProtoBufferReader reader(&message);
      if (!reader.status().ok() || !request.ParseFromZeroCopyStream(&reader)) return Error(Reason::kMalformedRequest, "not a request of " + path);
      CORDWOOD_ASSIGN_OR_RETURN(const auto response, handle(request));
      return Serialize(response);
    });
  }
  void Start() { pool_.Start(); }
  void Stop() { pool_.Stop(); }

  // Any thread, after the last Add().
  struct MethodMeasures {
    std::string name;        // "ListTopics"
    SharedCounter requests;
  };
  struct ThreadMeasures {
    LatencyHistogram whole;  // from a request to its answer, the wait for a thread of the pool included
    Gauge unread_bytes;
    Counter freed_bytes;     // of requests and answers of calls that have ended
    Counter cut;             // calls that ended because their answers were not read
  };
  const std::vector<std::unique_ptr<MethodMeasures>>& methods() const { return methods_; }
  std::vector<const ThreadMeasures*> threads() const;
  const ControlPool& pool() const { return pool_; }
  const ControlOptions& options() const { return options_; }

 private:
  static StatusOr<grpc::ByteBuffer> Serialize(const google::protobuf::MessageLite& response);
  void AddMethod(const std::string& path, ControlHandler handler);

  const ControlOptions options_;
  ControlPool pool_;
  std::vector<std::unique_ptr<ControlThread>> threads_;
  std::vector<std::unique_ptr<ControlHandler>> handlers_;
  std::vector<std::unique_ptr<MethodMeasures>> methods_;
};

}  // namespace cordwood::broker
