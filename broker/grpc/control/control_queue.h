// SPDX-License-Identifier: Apache-2.0
// Control requests that wait for a thread, fairly between connections.
#pragma once

#include <grpcpp/support/byte_buffer.h>

#include <cstddef>
#include <functional>
#include <list>
#include <string>

#include "broker/handlers/byte_budget.h"
#include "broker/handlers/request_context.h"
#include "broker/replication/outbox.h"
#include "storage/base/reason.h"
#include "storage/base/strings.h"

namespace cordwood::broker {

class ControlPool;
struct ControlJob;

// Parses, runs, serializes; blocks. MALFORMED_REQUEST for bytes that are no request.
using ControlHandler = std::function<StatusOr<grpc::ByteBuffer>(grpc::ByteBuffer& request)>;

class ControlListener {
 public:
  virtual ~ControlListener() = default;
  virtual void OnOutcome(ControlJob& job) = 0;  // on the network thread; the job is gone afterwards
};

// A request on its way to a thread and back to `outbox`.
struct ControlJob : OutboxMessage {
  ControlListener* listener = nullptr;  // of the network thread; nullptr: nobody waits any more
  const ControlHandler* handler = nullptr;
  Outbox* outbox = nullptr;
  RequestContext context;
  grpc::ByteBuffer request;
  ByteCharge charge;  // of the network thread's lease: made and given back there
  StatusOr<grpc::ByteBuffer> outcome = absl::UnknownError("not run");
  ControlPool* pool = nullptr;  // that runs it

  void Run() override;

 private:
  friend class ControlQueue;
  struct Connection {
    std::string peer;
    std::list<ControlJob*> jobs;  // oldest first
  };
  bool queued_ = false;
  std::list<Connection>::iterator connection_;
  std::list<ControlJob*>::iterator place_;
};

// One job of each connection in turn, so that nobody waits behind all that another connection has asked. Owns nothing. Not thread-safe.
class ControlQueue {
 public:
  explicit ControlQueue(std::size_t max) : max_(max) {}

  // The job that found no room: the newest of the connection that has most, if that is not the new one's own; else the new one. nullptr: there was room.
  ControlJob* Push(ControlJob& job);
  ControlJob* Pop();  // nullptr: none
  bool Remove(ControlJob& job);  // false: it is not in the queue
  std::size_t size() const { return size_; }
  std::size_t max() const { return max_; }

 private:
  using Connections = std::list<ControlJob::Connection>;
  void Unlink(ControlJob& job);

  const std::size_t max_;
  std::size_t size_ = 0;
  Connections turn_;  // the next first; each has a job
  StringMap<Connections::iterator> by_peer_;
};

}  // namespace cordwood::broker
