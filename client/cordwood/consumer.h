// SPDX-License-Identifier: Apache-2.0
// Reads records: from partitions of its own choosing, or from those that its group gives it.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string_view>
#include <vector>

#include "cordwood/export.h"
#include "cordwood/future.h"
#include "cordwood/group.h"
#include "cordwood/record.h"
#include "cordwood/result.h"

namespace cordwood {

namespace client {
struct SharedConnection;
}

// A place in a partition's log, relative to what the log holds when it is resolved.
//
//     log start                      high watermark
//        |------------ records -----------|          Start() … End(), both are positions
class CORDWOOD_EXPORT Position {
 public:
  static Position Start() { return {Kind::kStart, 0}; }
  static Position End() { return {Kind::kEnd, 0}; }
  static Position At(std::int64_t offset) { return {Kind::kOffset, offset}; }   // that record is the first; see OffsetReset outside the log
  static Position Last(std::int64_t count) { return {Kind::kFromEnd, count}; }  // so many before the end, but not before the start; >= 0
  static Position From(Timestamp time) { return {Kind::kTimestamp, time.time_since_epoch().count()}; }  // the first at or after it, else the end
  static Position Ago(std::chrono::milliseconds age);                           // From(now - age) by this machine's clock

  enum class Kind { kStart, kEnd, kOffset, kFromEnd, kTimestamp };
  Kind kind() const { return kind_; }
  std::int64_t value() const { return value_; }  // offset, count, or milliseconds since the Unix epoch
  friend bool operator==(const Position&, const Position&) = default;

 private:
  Position(Kind kind, std::int64_t value) : kind_(kind), value_(value) {}
  Kind kind_;
  std::int64_t value_;
};

// What to do when a position is not in the log: the log start moved past it (retention, DeleteRecords), the log end fell below it (a broker
// lost what it had not replicated), or an offset was asked for that never was there. kError is safe: nothing is skipped or read twice unseen.
enum class OffsetReset { kError, kStart, kEnd };

// The names in brackets are Kafka's.
struct ConsumerOptions {
  std::size_t memory_bytes_max = 16 * 1024 * 1024;         // [fetch.max.bytes] 64 KiB to 1 GiB, read ahead of Poll()
  std::size_t partition_bytes_max = 1024 * 1024;           // [max.partition.fetch.bytes] 1 KiB to 64 MiB, of one partition at a time
  std::size_t records_max = 10'000;                        // [max.poll.records] 1 to 1 000 000, of one Poll()
  OffsetReset offset_reset = OffsetReset::kError;          // [auto.offset.reset] of partitions that were assigned by hand; a group's: group.reset
  GroupOptions group = {};                                 // for Subscribe() and commits
  std::chrono::milliseconds close_timeout{5'000};          // 0 to 1 h: the destructor of one that subscribed is Close(close_timeout)
};

struct PartitionOffsets {
  std::int64_t log_start = 0;       // inclusive
  std::int64_t high_watermark = 0;  // exclusive: where the next record will be
  friend bool operator==(const PartitionOffsets&, const PartitionOffsets&) = default;
};

// A consumer with manual assignment, Assign(), or one of a group, Subscribe(). It reads ahead on a background thread, over one connection, and takes its place
// again after a broken one. It stays in its group without a thread of the user: only Poll() must come within max_poll_interval.
//
// Order: the records of one partition come in log order, each once, through reconnections and restarts of brokers.
// Memory: what was read ahead and not polled, paused partitions included, is at most memory_bytes_max and one message, and the one batch that
//   is being decompressed; as much again of a replay job that goes at the original pace. Nobody else is slower for it: the broker sends nothing that there is
//   no room for.
// Performance: an uncompressed record is never copied after it was received; measured: 13 million records of 100 bytes per second and core.
// Blocking: Poll() and Close() are bounded as they say, but for the callbacks they run; calls that ask the broker wait up to the client's request_timeout and
//   try again within it. All others do not block.
// Threading: one thread at a time, but for Wakeup().
class CORDWOOD_EXPORT Consumer {
 public:
  Consumer(Consumer&&) noexcept;
  Consumer& operator=(Consumer&&) noexcept;
  ~Consumer();  // Close(close_timeout)

  // Joins the group, or changes what this member wants; the partitions come and go within Poll(). Topics that do not exist yet are picked up when they do.
  // kInvalidRequest: partitions are assigned by hand; kInvalidConfig: no group id. What the group refuses (kInvalidRegularExpression, kUnsupportedAssignor,
  // kGroupMaxSizeReached, kFencedInstanceId: another process has the instance id) comes from Poll() and stays until the next Subscribe().
  Result<void> Subscribe(const std::vector<std::string>& topics);
  Result<void> SubscribePattern(std::string_view pattern);  // RE2, of whole names; internal topics ("__...") never match
  // Commits what is handled, gives up all partitions and leaves the group, all within `timeout`. Nothing happens if it is not subscribed.
  Result<void> Unsubscribe(std::chrono::milliseconds timeout);
  GroupMembership membership() const;
  // As the coordinator said last; changes within Poll(), which returns at once when the job has ended. A member whose own partitions are read stays useful until
  // kDone: it takes over what another one leaves.
  ReplayState replay() const;

  // This record, and all before it in its partition that Poll() gave, are handled: they may be committed automatically. Of a partition that is gone: ignored.
  void Mark(const ConsumerRecord& record);
  // Commits what Poll() has given, all of it; or these offsets, of partitions that are assigned or, if this consumer did not subscribe, of any while the group has
  // no members. kStaleMemberEpoch: the partition has gone to another member; kStalePositionEpoch: the group was reset meanwhile (of one that
  // did not subscribe: since it last asked for Committed(), or committed first); kRequestTimedOut, not
  // definite: no answer within request_timeout. The first failure, the other partitions are committed.
  Result<void> Commit();
  Result<void> Commit(const std::map<TopicPartition, CommittedOffset>& offsets);
  // The same without waiting; `then` runs on the consumer's thread. kLimitExceeded: 1 000 wait already. Only for one that subscribed.
  Future<void> CommitAsync();
  Future<void> CommitAsync(const std::map<TopicPartition, CommittedOffset>& offsets);
  // What the group has committed; nullopt: nothing.
  Result<std::vector<std::optional<CommittedOffset>>> Committed(const std::vector<TopicPartition>& partitions) const;

  // kInvalidRequest, here and in AssignTopic(): subscribed. Replaces the assignment. Partitions that stay keep their position and pause, unless they have failed; the others begin at `from`.
  // kUnknownTopicOrPartition suggests the nearest name; kOffsetOutOfRange (OffsetReset::kError) names both ends of the log; kLimitExceeded:
  // more than 10 000 partitions. On error nothing has changed.
  Result<void> Assign(const std::vector<TopicPartition>& partitions, Position from);
  Result<void> Assign(const TopicPartition& partition, Position from);
  Result<void> Assign(const std::map<TopicPartition, Position>& positions);
  // All partitions that the topic has now.
  Result<void> AssignTopic(std::string_view topic, Position from);
  // Asks nobody; the others go on undisturbed. Partitions that are not assigned are ignored.
  void Unassign(const TopicPartition& partition);
  std::vector<TopicPartition> assignment() const;  // sorted

  // Up to records_max records, at least one unless `timeout` passes first or Wakeup() is called: empty then. Partitions take turns.
  // What a partition fails with (kOffsetOutOfRange, kUnknownTopicOrPartition and kUnknownTopicId for a topic that was deleted, kStorageError,
  // kCorruptMessage) comes alone, after the records before it, and again from each Poll() that would otherwise be empty, until the partition
  // is sought elsewhere or assigned anew; the other partitions go on. Broken connections are no errors: see connection(). kShuttingDown: closed.
  Result<std::vector<ConsumerRecord>> Poll(std::chrono::milliseconds timeout);

  // What was read ahead is dropped. kInvalidRequest: not assigned. The other errors are as of Assign(); then nothing has changed.
  Result<void> Seek(const TopicPartition& partition, Position to);
  Result<void> SeekAll(Position to);
  // Of the record that Poll() would give next; nullopt: not assigned.
  std::optional<std::int64_t> position(const TopicPartition& partition) const;

  // Poll() gives none of it, nor its failure, until Resume(). What was read ahead is kept while all paused partitions hold at most half of
  // memory_bytes_max, else read again. Partitions that are not assigned are ignored.
  void Pause(const TopicPartition& partition);
  void Resume(const TopicPartition& partition);
  std::vector<TopicPartition> paused() const;  // sorted

  // These ask the broker, about any partitions; answers in the order of the questions.
  Result<PartitionOffsets> Offsets(const TopicPartition& partition) const;
  Result<std::vector<PartitionOffsets>> Offsets(const std::vector<TopicPartition>& partitions) const;
  // The offsets that Seek(partition, position) would go to. [offsetsForTimes]
  Result<std::int64_t> Resolve(const TopicPartition& partition, Position position) const;
  Result<std::vector<std::int64_t>> Resolve(const std::vector<TopicPartition>& partitions, Position position) const;
  // The partitions of a topic, from 0.
  Result<std::vector<TopicPartition>> PartitionsOf(std::string_view topic) const;

  std::size_t buffered_bytes() const;  // read ahead and not polled yet, paused partitions and what is not due included
  Result<void> connection() const;  // why there is none at the moment; the consumer keeps trying
  // The Poll() under way, or else the next, returns at once. Any thread, while the consumer is not being moved or destroyed; not a signal handler.
  void Wakeup();
  // Drops what was read ahead; never waits for a broker. Idempotent. Records that Poll() gave stay.
  void Close();  // Close(close_timeout)
  // Of one that subscribed: Unsubscribe(timeout) first. kRequestTimedOut: the group does not know, and will notice by the session timeout; closed it is.
  Result<void> Close(std::chrono::milliseconds timeout);

 private:
  friend class Client;
  struct State;
  static Result<Consumer> Open(std::shared_ptr<client::SharedConnection> connection, const ConsumerOptions& options);
  explicit Consumer(std::unique_ptr<State> state);
  std::unique_ptr<State> state_;
};

}  // namespace cordwood
