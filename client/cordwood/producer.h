// SPDX-License-Identifier: Apache-2.0
// Sends records.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <string_view>

#include "cordwood/export.h"
#include "cordwood/future.h"
#include "cordwood/record.h"
#include "cordwood/result.h"

namespace cordwood {

enum class Compression { kNone, kGzip, kSnappy, kLz4, kZstd };
enum class Acks { kNone, kLeader, kAll };

// Of key, value and headers together; Send() refuses more, because no broker takes such a request.
inline constexpr std::size_t kRecordBytesMax = 8 * 1024 * 1024;

// Why the connection broke while records wait for it; a success once it is back. On the producer's thread, where it must not block; what it
// throws is caught. The producer keeps trying whatever it does.
using ConnectionHook = std::function<void(const Result<void>&)>;

// The names in brackets are Kafka's. Bounds are inclusive.
struct ProducerOptions {
  std::size_t batch_bytes = 128 * 1024;                 // [batch.size] 1 to 8 MiB; a batch is sent before it would exceed this
  std::chrono::microseconds linger{1'000};              // [linger.ms] 0 to 1 h, less than delivery_timeout; an open batch waits no longer
  std::size_t memory_bytes_max = 32 * 1024 * 1024;      // [buffer.memory] batch_bytes to 1 TiB, of records that wait for acknowledgement
  std::chrono::milliseconds max_block{60'000};          // [max.block.ms] 0 to 24 h; how long Send() waits for metadata and memory
  std::chrono::milliseconds delivery_timeout{120'000};  // [delivery.timeout.ms] 1 ms to 24 h, from Send() to the last attempt
  Compression compression = Compression::kNone;         // [compression.type]
  Acks acks = Acks::kAll;                               // [acks]
  bool idempotence = true;                              // [enable.idempotence] each record once, in order, through retries; not with Acks::kNone
  std::chrono::milliseconds close_timeout{5'000};       // 0 to 1 h; how long the destructor waits for acknowledgements
  ConnectionHook on_connection = {};                    // told when the connection breaks and when it is back
};

using DeliveryCallback = std::function<void(const Result<RecordMetadata>&)>;

// Performance: Send() copies the record into a batch and returns; one background thread carries all partitions.
// Order: records that one thread sends to one partition are appended in that order, through retries and reconnections.
// Threading: Send(), Flush() and Close() from any thread; callbacks, functions given to then() and resumed coroutines run on the producer's
//     one thread. There Send() does not wait for memory (full: kRequestTimedOut at once), a new topic costs one request, given up after 1 s, and
//     Flush(), Close() and Future::get() are refused with kInvalidRequest.
// Lifetime: keeps the connection alive. No other thread may be in a call when it is destroyed, moved or assigned to. Moved from: only that.
// Errors: docs/reference/client-library.md.
class CORDWOOD_EXPORT Producer {
 public:
  Producer(Producer&&) noexcept;
  Producer& operator=(Producer&&) noexcept;
  // Close(options.close_timeout). On the producer's own thread it does not wait: a short-lived thread does.
  ~Producer();

  // The record's place, or why it has none. Nothing is thrown; what could not be taken is a failure with definite().
  // kMessageTooLarge, kInvalidTopic, kUnknownTopicOrPartition, kRequestTimedOut (no memory within max_block), kTransport (no metadata), kShuttingDown.
  Future<RecordMetadata> Send(std::string_view topic, const ProducerRecord& record);
  // Calls `done` exactly once: on the producer's thread or, when nothing could be taken, on this one before Send() returns. It must not
  // block. What it throws is caught. May be empty. The cheapest way.
  void Send(std::string_view topic, const ProducerRecord& record, DeliveryCallback done);

  // Waits until all that was sent before is acknowledged or has failed. kRequestTimedOut: not yet; nothing is lost.
  Result<void> Flush(std::chrono::milliseconds timeout);
  // Flush(), then no more. What is not acknowledged by then fails with kRequestTimedOut; unless definite(), which is what could not even be
  // sent, it may have been appended. Every callback has run when this returns, soon after `timeout` whatever the broker does. Idempotent.
  Result<void> Close(std::chrono::milliseconds timeout);

  // By callbacks, by functions given to then() and by on_connection.
  std::uint64_t exceptions_caught() const;

 private:
  friend class Client;
  struct State;
  explicit Producer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cordwood
