// SPDX-License-Identifier: Apache-2.0
// Reads records from partitions of its own choosing.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "cordwood/record.h"
#include "cordwood/result.h"

namespace cordwood {

// A place in a partition's log, relative to what the log holds when it is resolved.
//
//     log start                      high watermark
//        |------------ records -----------|          Start() … End(), both are positions
class Position {
 public:
  static Position Start() { return {Kind::kStart, 0}; }
  static Position End() { return {Kind::kEnd, 0}; }
  static Position At(std::int64_t offset) { return {Kind::kOffset, offset}; }         // that record is the first; kOffsetOutOfRange outside the log
  static Position Last(std::int64_t count) { return {Kind::kFromEnd, count}; }        // so many records before the end, at most to the start
  static Position From(Timestamp time) { return {Kind::kTimestamp, time.time_since_epoch().count()}; }  // the first at or after it, else the end
  static Position Ago(std::chrono::milliseconds age);                                  // From(now - age)

  enum class Kind { kStart, kEnd, kOffset, kFromEnd, kTimestamp };
  Kind kind() const { return kind_; }
  std::int64_t value() const { return value_; }

 private:
  Position(Kind kind, std::int64_t value) : kind_(kind), value_(value) {}
  Kind kind_;
  std::int64_t value_;
};

// What to do when the position asked for, or the one reached, is no longer in the log. [auto.offset.reset]
enum class OffsetReset { kError, kStart, kEnd };

struct ConsumerOptions {
  std::size_t memory_bytes_max = 16 * 1024 * 1024;     // [fetch.max.bytes] read ahead of Poll()
  std::size_t partition_bytes_max = 1024 * 1024;       // [max.partition.fetch.bytes] per answer and partition
  std::size_t records_max = 10'000;                    // [max.poll.records] of one Poll()
  OffsetReset offset_reset = OffsetReset::kError;
};

struct PartitionOffsets {
  std::int64_t log_start = 0;       // inclusive
  std::int64_t high_watermark = 0;  // exclusive: where the next record will be
};

// A consumer with manual assignment. It reads ahead on a background thread, within its memory, and takes its place again after a broken connection.
// Order: the records of one partition come in log order, each once.
// Threading: one thread at a time, but for Wakeup().
class Consumer {
 public:
  Consumer(Consumer&&) noexcept;
  Consumer& operator=(Consumer&&) noexcept;
  ~Consumer();  // Close()

  // Replaces the assignment; partitions that stay keep their position. Others begin at `from`.
  // kUnknownTopicOrPartition suggests the nearest name; kOffsetOutOfRange names both ends of the log. On error nothing has changed.
  Result<void> Assign(std::span<const TopicPartition> partitions, Position from);
  Result<void> Assign(const TopicPartition& partition, Position from) { return Assign(std::span(&partition, 1), from); }
  // All partitions that the topic has now.
  Result<void> AssignTopic(std::string_view topic, Position from);
  std::vector<TopicPartition> assignment() const;

  // Up to records_max records, at least one unless `timeout` passes first or Wakeup() is called: empty then. A partition's error comes alone,
  // after the records before it, again at each Poll() until the partition is sought elsewhere or unassigned. Broken connections are not errors: see connection().
  Result<std::vector<ConsumerRecord>> Poll(std::chrono::milliseconds timeout);

  Result<void> Seek(const TopicPartition& partition, Position to);  // what was read ahead is dropped
  Result<void> SeekAll(Position to);
  void Pause(const TopicPartition& partition);    // Poll() yields none of it until Resume(); what was read ahead is kept
  void Resume(const TopicPartition& partition);
  std::optional<std::int64_t> position(const TopicPartition& partition) const;  // of the next record Poll() would yield; nullopt: not assigned
  Result<PartitionOffsets> Offsets(const TopicPartition& partition) const;       // asks the broker

  Result<void> connection() const;  // why the stream is broken at the moment; the consumer keeps trying
  void Wakeup();                    // the Poll() under way, or else the next, returns at once. Any thread, also a signal-driven one (not a handler)
  void Close();                     // drops what was read ahead; bounded, never waits for a broker. Idempotent

 private:
  friend class Client;
  struct State;
  explicit Consumer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cordwood
