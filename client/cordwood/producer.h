// SPDX-License-Identifier: Apache-2.0
// Sends records.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "cordwood/future.h"
#include "cordwood/record.h"
#include "cordwood/result.h"

namespace cordwood {

enum class Compression { kNone, kGzip, kSnappy, kLz4, kZstd };
enum class Acks { kNone, kLeader, kAll };

// The names in brackets are Kafka's.
struct ProducerOptions {
  std::size_t batch_bytes = 128 * 1024;                // [batch.size] 1 to 8 MiB; a batch is sent before it would exceed this
  std::chrono::microseconds linger{1'000};             // [linger.ms] an open batch waits no longer for more records; 0: sent at once
  std::size_t memory_bytes_max = 32 * 1024 * 1024;     // [buffer.memory] of records that wait for acknowledgement
  std::chrono::milliseconds max_block{60'000};         // [max.block.ms] how long Send() waits for memory or metadata
  std::chrono::milliseconds delivery_timeout{120'000};  // [delivery.timeout.ms] from Send() to the last attempt
  Compression compression = Compression::kNone;        // [compression.type]
  Acks acks = Acks::kAll;                              // [acks]
  bool idempotence = true;                             // [enable.idempotence] each record once, in order, through retries; not with Acks::kNone
  std::chrono::milliseconds close_timeout{5'000};      // how long the destructor waits
};

// Performance: Send() copies the record into a batch and returns; one connection and one background thread carry all partitions.
// Order: records that one thread sends to one partition are appended in that order, through retries and reconnections.
// Threading: Send() and Flush() from any thread, not from a callback; Close() from one.
// Errors: kRequestTimedOut, kMessageTooLarge, kUnknownTopicOrPartition, …: the reference page "error reasons".
class Producer {
 public:
  Producer(Producer&&) noexcept;
  Producer& operator=(Producer&&) noexcept;
  ~Producer();  // Close(options.close_timeout)

  // Waits up to max_block while the memory is full. Errors come through the future, too.
  Future<RecordMetadata> Send(std::string_view topic, const ProducerRecord& record);
  // Calls `done` exactly once, on the library's thread or, when nothing could be taken, on this one. It must not block. The cheapest way.
  void Send(std::string_view topic, const ProducerRecord& record, std::function<void(const Result<RecordMetadata>&)> done);

  // Waits until all that was sent before is acknowledged or has failed. kRequestTimedOut: not yet; nothing is lost.
  Result<void> Flush(std::chrono::milliseconds timeout);
  // Flush(), then no more. What is not acknowledged by then fails with kRequestTimedOut, so every callback has run when this returns. Idempotent.
  Result<void> Close(std::chrono::milliseconds timeout);

 private:
  friend class Client;
  struct State;
  explicit Producer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cordwood
