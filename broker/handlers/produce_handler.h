// SPDX-License-Identifier: Apache-2.0
// Produce, for every door: from entries to one append per shard, and from the appends to one outcome per request.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/inlined_vector.h"
#include "broker/handlers/byte_budget.h"
#include "broker/handlers/handler_measures.h"
#include "broker/handlers/partition_binding.h"
#include "broker/handlers/timer_wheel.h"
#include "broker/replication/append_op.h"
#include "storage/base/clock.h"
#include "storage/base/reuse/free_list.h"
#include "storage/shard/disk_ladder.h"

namespace cordwood::broker {

struct ProduceEntry {
  PartitionRef ref;
  std::optional<LeaderEpoch> current_leader_epoch;
  std::optional<Offset> expected_offset;
  absl::InlinedVector<SharedBytes, 2> values;  // each: kSideHeaderBytes of room and one batch, of right length but not checked; unique
  bool plain = false;                          // the one batch was made of plain records
  std::optional<std::string> key;              // which they share; nullopt: none has one
  bool mixed_keys = false;
  Status malformed;                            // what the door found wrong with this entry alone
};

struct ProduceRequest {
  std::uint64_t seq = 0;
  std::int32_t acks = 0;         // as on the wire: 0 all, 1 none, 2 leader, 3 all
  std::int32_t timeout_ms = 0;   // 0: 30 000
  std::vector<ProduceEntry> entries;
  ByteCharge charge;             // what it holds of the budget

  void Clear();  // keeps the memory of a request of usual size
};

struct ProduceOutcome {
  std::uint64_t seq = 0;
  std::size_t window_bytes = 0;               // what the request counted in its call's window
  bool silent = false;                        // acks=NONE and nothing was refused
  std::vector<std::int64_t> base_offsets;     // one per batch, at least one per entry; -1 where refused
  std::vector<EntryFailure> failures;         // in order of entry
  std::vector<std::int64_t> append_time_ms;   // per entry; empty unless some topic has LogAppendTime
  std::vector<std::int32_t> partitions;       // per entry; empty unless some partition was chosen here

  void Clear();  // keeps its memory, of an outcome of usual size
  std::size_t held_bytes() const;  // of memory, about
};

// Whoever waits for outcomes, on the handler's thread.
class ProduceListener {
 public:
  virtual ~ProduceListener() = default;
  // The outcome's vectors are used again after this returns, unless they were taken.
  virtual void OnOutcome(ProduceOutcome& outcome) = 0;
};

inline constexpr std::size_t kProduceEntriesMax = 10'000;

// One call's side: its handles, and to whom its outcomes go.
class ProduceStream {
 public:
  ProduceStream(bool is_stream, ProduceListener* listener) : bindings(is_stream), listener(listener) {}
  PartitionBindings bindings;
  ProduceListener* listener;  // nullptr once the call has ended
  absl::Duration deadline = absl::InfiniteDuration();  // of the call, monotonic
  std::size_t unanswered = 0;  // requests
};

struct ProduceOptions {
  std::function<DiskLevel()> disk_level = [] { return DiskLevel::kNormal; };
};

// Threading: of one network thread.
class ProduceHandler {
 public:
  ProduceHandler(Outbox& outbox, TimerWheel& timers, const PartitionTable& table, const ProduceOptions& options, Clock& clock);
  ~ProduceHandler();  // after every append has come back

  void SetImage(ClusterImagePtr image) { image_ = std::move(image); }

  // OK: one outcome follows, perhaps at once, and not after timeout_ms or the call's deadline: what its shard has not begun with then is not appended
  // any more (THROTTLED), what it has may be (REQUEST_TIMED_OUT). A call that ends leaves its appends to go on. An error refuses the request as a whole,
  // nothing follows: INVALID_REQUEST, INVALID_REQUIRED_ACKS, RECORD_LIST_TOO_LARGE. What the request holds is taken out of it; its vectors stay the
  // caller's, for the next one.
  Status Produce(const std::shared_ptr<ProduceStream>& stream, ProduceRequest&& request);
  std::size_t appends_outstanding() const { return appends_outstanding_; }
  const ProduceMeasures& measures() const { return measures_; }
  ProduceMeasures& measures() { return measures_; }  // for what the door counts: requests that it refuses as an outcome, what is unread

 private:
  struct Pending;
  struct ShardAppend;
  Pending& TakePending(const std::shared_ptr<ProduceStream>& stream);
  ShardAppend& TakeAppend(Pending& pending, ShardDriver& driver);
  void Admit(Pending& pending, std::uint32_t index, ProduceEntry& entry);
  Status Place(Pending& pending, std::uint32_t index, ProduceEntry& entry, BoundPartition* bound);
  static Status CheckBatches(const BoundPartition& bound, const ProduceEntry& entry, std::int64_t wall_ms);
  void Fail(Pending& pending, std::uint32_t index, Status status, const AppendEntry* appended, const BoundPartition* bound);
  void OnBack(ShardAppend& append);
  void Collect(ShardAppend& append);
  void OnTimeout(Pending& pending);
  void GiveUp(Pending& pending, ShardAppend& append);
  void Answer(Pending& pending, absl::Duration now);
  void Recycle(Pending& pending);
  void Recycle(ShardAppend& append);

  Outbox& outbox_;
  TimerWheel& timers_;
  const PartitionTable& table_;
  const ProduceOptions options_;
  Clock& clock_;
  ClusterImagePtr image_;
  std::uint32_t round_robin_ = 0;
  std::size_t appends_outstanding_ = 0;
  ProduceMeasures measures_;
  FreeList<Pending> spare_pendings_;
  FreeList<ShardAppend> spare_appends_;
};

}  // namespace cordwood::broker
