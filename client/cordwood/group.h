// SPDX-License-Identifier: Apache-2.0
// What a consumer says when it joins a group.
#pragma once

#include <chrono>
#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "cordwood/export.h"
#include "cordwood/record.h"

namespace cordwood {

class Consumer;

// Where a partition begins whose group has committed no offset there, or one that is no longer in the log. [auto.offset.reset]
class CORDWOOD_EXPORT GroupReset {
 public:
  static GroupReset Error() { return {Kind::kError, {}}; }        // Poll() fails with kOffsetOutOfRange and says what to choose: nothing is skipped or read twice unseen
  static GroupReset Earliest() { return {Kind::kEarliest, {}}; }  // the log start
  static GroupReset Latest() { return {Kind::kLatest, {}}; }      // the high watermark: only what comes from now on
  // The first record of the last `age` by this machine's clock, else the end. >= 0. [by_duration]
  static GroupReset ByDuration(std::chrono::milliseconds age) { return {Kind::kByDuration, age}; }

  enum class Kind { kError, kEarliest, kLatest, kByDuration };
  Kind kind() const { return kind_; }
  std::chrono::milliseconds age() const { return age_; }
  friend bool operator==(const GroupReset&, const GroupReset&) = default;

 private:
  GroupReset(Kind kind, std::chrono::milliseconds age) : kind_(kind), age_(age) {}
  Kind kind_;
  std::chrono::milliseconds age_;
};

// Called within Poll(), and within Unsubscribe() and Close(), on the thread that called it, with the consumer that it belongs to: Seek(), Pause(), Commit() and
// position() may be called there; Poll(), Subscribe(), Assign(), Unsubscribe() and Close() are refused with kInvalidRequest. What it throws is counted and
// given to ClientOptions::on_exception.
using RebalanceCallback = std::function<void(Consumer& consumer, const std::vector<TopicPartition>& partitions)>;

// The names in brackets are Kafka's. Partitions are moved one by one: those that stay are read on while others go and come.
struct GroupOptions {
  std::string id = {};                                      // [group.id] 1 to 255 bytes; empty: no group
  // [group.instance.id] Up to 255 bytes, one for each process. A member that is back under the same name inside the session timeout gets its partitions back
  // and nothing moves; Close() keeps its place for so long. Empty: a member of its own each time.
  std::string instance_id = {};
  std::string assignor = {};                                // [group.remote.assignor] uniform, range; empty: uniform
  std::string client = {};                                  // [client.id] a name for people, up to 255 bytes
  GroupReset reset = GroupReset::Error();                   // [auto.offset.reset]
  // [enable.auto.commit] What the next Poll() or Mark() says was handled is committed: at intervals within Poll(), before partitions are given up, and in
  // Close(). What was handed out last and not marked is not.
  bool auto_commit = true;
  std::chrono::milliseconds auto_commit_interval{5'000};    // [auto.commit.interval.ms] 0 to 24 h; 0: in each Poll()
  // [max.poll.interval.ms] 1 s to 24 h. Who does not poll for four fifths of it is warned, who does not for all of it leaves the group; its next Poll() joins anew.
  // It is also how long the group waits for this member to give up a partition.
  std::chrono::milliseconds max_poll_interval{300'000};
  // On the consumer's own thread, where it must not block: how long it is since the last Poll().
  std::function<void(std::chrono::milliseconds)> on_slow_poll = {};
  RebalanceCallback on_assigned = {};  // partitions that are new, before a record of them comes
  RebalanceCallback on_revoked = {};   // partitions that are to be given up: what is committed here still counts
  RebalanceCallback on_lost = {};      // partitions that are gone already: others may have them, commits are refused
};

// Where a group goes on.
struct CommittedOffset {
  std::int64_t offset = 0;    // of the next record to read
  std::string metadata = {};  // the user's own, up to 4096 bytes
  std::int32_t leader_epoch = -1;  // of the record before it: ConsumerRecord::leader_epoch(). -1: unknown; of what was just read the consumer fills it in
  friend bool operator==(const CommittedOffset&, const CommittedOffset&) = default;
};

// A replay job (cord group replay) is a group that reads a range once: its members are given nothing at or beyond the ends, at the job's pace.
enum class ReplayState {
  kNone,       // the group is no replay job, or the coordinator has not said yet
  kRunning,
  kPaused,     // Poll() gives nothing until an operator resumes it
  kDone,       // all is committed up to the ends: Poll() gives nothing any more
  kCancelled,  // by an operator, or with its topics: likewise
};

// For people and logs.
struct GroupMembership {
  std::string member_id;       // of this incarnation; empty: not subscribed
  std::int32_t epoch = 0;      // of the last assignment; 0: not welcomed yet
  std::string reason;          // why the coordinator made the last change, or turned the member away since: it is asked again
  std::size_t partitions = 0;  // that it has; those of which it is yet to be found where they begin are not in assignment()
};

}  // namespace cordwood
