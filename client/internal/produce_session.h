// SPDX-License-Identifier: Apache-2.0
// A producer's side on the loop: builds batches, drives ProduceCore, owns its stream and timers, runs callbacks.
#pragma once

#include <algorithm>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <functional>
#include <memory>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "client/internal/broker_connection.h"
#include "client/internal/call.h"
#include "client/internal/produce_core.h"
#include "storage/base/clock.h"
#include "storage/record/record_batch_builder.h"

namespace cordwood::client {

// Records of one partition that will be one batch.
struct UnbuiltBatch {
  std::uint32_t slot = 0;          // the producer's number of the partition, from 0 without holes; another's once it was freed
  TopicId topic_id;
  PartitionIndex partition;
  RecordBatchBuilder builder;
  std::vector<AckCallback> acks;   // one per record
  std::size_t memory_bytes = 0;
  absl::Duration created;
};

// What the session asks of the producer, on the loop's thread.
struct ProduceSource {
  // Appends the batches that are ready, in order, and the slots of which none will come any more; how long until the next batch is due,
  // InfiniteDuration: nothing waits.
  std::function<absl::Duration(std::vector<std::shared_ptr<UnbuiltBatch>>*, std::vector<std::uint32_t>* retired)> take;
  // A retired slot's batches are completed: it may stand for another partition.
  std::function<void(std::uint32_t slot)> slot_freed;
  // The broker refused a batch because it knows no such topic or partition.
  std::function<void(TopicId)> topic_gone;
  // So many records of a batch that was begun then are completed and their callbacks have run.
  std::function<void(std::size_t memory_bytes, std::size_t records, absl::Duration begun)> released;
};

// One wake-up at the earliest of the times that were asked for.
// Threading: the loop's thread only.
class ProduceTimer {
 public:
  explicit ProduceTimer(ClientLoop& loop) : loop_(loop) {}

  // Runs `task` once at `due` (monotonic), unless it is armed for that time or an earlier one: then nothing changes.
  void Arm(absl::Duration due, std::function<void()> task) {
    if (id_ != 0 && due_ <= due) return;
    Cancel();
    due_ = due;
    id_ = loop_.After(std::max(due - Clock::System().Monotonic(), absl::ZeroDuration()), [this, task = std::move(task)] {
      id_ = 0;
      task();
    });
  }
  void Cancel() { loop_.CancelTimer(std::exchange(id_, 0)); }

 private:
  ClientLoop& loop_;
  ClientLoop::TimerId id_ = 0;  // 0: not armed
  absl::Duration due_;
};

// Threading: the loop's thread only, but for construction.
class ProduceSession {
 public:
  ProduceSession(ClientLoop& loop, BrokerConnection& connection, ProduceSource source, Codec codec, const ProduceCoreOptions& options)
      : loop_(loop), connection_(connection), source_(std::move(source)), codec_(codec), options_(options), core_(options), tick_timer_(loop) {}

  // Takes what is ready and sends what can be sent.
  void Drain();
  // Says on the stream that nothing more comes; `ended` runs once the broker, having read everything, has ended it too, or it broke.
  void EndStream(std::function<void()> ended);
  // Completes everything that is left, as if its time had come; nothing happens afterwards.
  void Shutdown();
  // Told when the connection breaks (a status) and when it is back (OK), for people to read.
  void OnConnectionChange(std::function<void(const Status&)> callback) { on_change_ = std::move(callback); }

 private:
  // Does not change before the slot is freed.
  struct Name {
    TopicId topic_id;
    PartitionIndex partition;
  };

  void AddSlotsTo(std::uint32_t last_slot);
  void Build(UnbuiltBatch& open);
  void Pump();
  void Tick();
  void OpenStream();
  void SendMessages();
  void AskProducerId();
  void Healthy();
  void Broken(const Status& status);
  void MoveOn(const std::shared_ptr<grpc::Channel>& channel, const Status& why);
  void Reopen(absl::Duration wait);
  void RunCallbacks();
  void FreeRetired();
  void RunCallbacks(PartitionIndex partition, const Completion& completion);

  ClientLoop& loop_;
  BrokerConnection& connection_;
  const ProduceSource source_;
  const Codec codec_;
  const ProduceCoreOptions options_;
  std::function<void(const Status&)> on_change_;
  std::function<void()> on_stream_end_;

  ProduceCore core_;
  std::deque<Name> names_;                  // by slot
  std::vector<std::uint32_t> retired_;      // slots that are freed once their batches are completed
  std::shared_ptr<grpc::Channel> channel_;  // of call_
  Call::Handle call_;
  Call::Handle init_call_;
  Backoff backoff_;                         // of streams and InitProducer
  Backoff refusal_backoff_{{absl::Milliseconds(50), absl::Milliseconds(50)}};  // of the first refusal; a partition lets it grow
  ClientLoop::TimerId linger_timer_ = 0;
  ProduceTimer tick_timer_;
  ClientLoop::TimerId reopen_timer_ = 0;
  bool unwell_ = false;  // on_change_ was told that the connection is gone
  bool closed_ = false;
};

}  // namespace cordwood::client
