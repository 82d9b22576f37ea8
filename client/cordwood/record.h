// SPDX-License-Identifier: Apache-2.0
// Records on their way in and on their way out.
#pragma once

#include <chrono>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "cordwood/export.h"

namespace cordwood {

using Timestamp = std::chrono::sys_time<std::chrono::milliseconds>;  // since the Unix epoch, UTC

struct TopicPartition {
  std::string topic;
  std::int32_t partition = 0;  // from 0
  friend auto operator<=>(const TopicPartition&, const TopicPartition&) = default;
};

struct HeaderView {
  std::string_view key;                   // UTF-8 by custom, not checked
  std::optional<std::string_view> value;  // nullopt is null, which differs from empty
  friend bool operator==(const HeaderView&, const HeaderView&) = default;
};

// A record to be sent. The library copies what the views show before Send() returns.
struct ProducerRecord {
  std::optional<std::string_view> key = {};     // absent: the partition is chosen by the sticky partitioner
  std::optional<std::string_view> value = {};   // absent is null, a tombstone on a compacted topic
  std::vector<HeaderView> headers = {};
  std::optional<Timestamp> timestamp = {};        // absent: the wall clock of this machine
  std::optional<std::int32_t> partition = {};     // absent: by key as Kafka does (murmur2), or sticky without one
};

// Where a record went. offset < 0: appended (acks=none, or a repeat found in the log) but the broker did not say where.
struct RecordMetadata {
  std::int32_t partition = 0;
  std::int64_t offset = -1;
};

// A record that came back. It owns the memory of its batch, shared with the batch's other records, so it may outlive the consumer, and what
// it shows lives as long as it or a copy of it. Keep few for long, or copy what is needed: one small record holds what came in one message
// with it, up to a few MiB.
// Performance: 24 bytes; a copy counts a reference. Nothing is decoded, allocated or copied per record after Poll().
// Threading: a value; const use from any thread.
class CORDWOOD_EXPORT ConsumerRecord {
 public:
  struct Batch;  // the library's
  ConsumerRecord(std::shared_ptr<const Batch> batch, std::uint32_t index) : batch_(std::move(batch)), index_(index) {}

  const TopicPartition& topic_partition() const;
  const std::string& topic() const { return topic_partition().topic; }
  std::int32_t partition() const { return topic_partition().partition; }
  std::int64_t offset() const;
  Timestamp timestamp() const;
  std::int32_t leader_epoch() const;           // of the leader that appended it
  bool has_key() const;
  std::string_view key() const;                // empty if there is none
  bool has_value() const;                      // false: a tombstone
  std::string_view value() const;              // empty if there is none
  std::span<const HeaderView> headers() const;  // in the producer's order; a key may come more than once
  std::optional<std::string_view> header(std::string_view key) const;  // the value of the last with this key; nullopt: null, or none

 private:
  std::shared_ptr<const Batch> batch_;
  std::uint32_t index_;
};

}  // namespace cordwood
