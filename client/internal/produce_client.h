// SPDX-License-Identifier: Apache-2.0
// A producer: records in from any thread, acknowledgements out. Batches, streams, retries.
#pragma once

#include <cstddef>
#include <cstdint>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/time/time.h"
#include "client/internal/call.h"
#include "client/internal/metadata_cache.h"
#include "client/internal/partitioner.h"
#include "client/internal/produce_session.h"
#include "storage/record/record.h"

namespace cordwood::client {

struct ProduceOptions {
  std::size_t batch_bytes = 128 * 1024;             // batch.size: a batch is closed before it would exceed this
  absl::Duration linger = absl::Milliseconds(1);    // linger.ms: an open batch waits no longer
  std::size_t memory_bytes_max = 32 * 1024 * 1024;  // buffer.memory: of records not yet completed
  std::size_t record_bytes_max = 8 * 1024 * 1024;   // a larger record is refused here: no broker takes such a request
  absl::Duration send_timeout = absl::Seconds(60);  // max.block.ms: how long Send() waits for metadata and memory
  absl::Duration metadata_age_max = absl::Minutes(5);  // metadata.max.age.ms: a topic is then looked up again
  absl::Duration check_age = absl::Seconds(10);     // when another topic is looked up, one that was not for so long is, too: it may be deleted
  Codec codec = Codec::kNone;
  ProduceCoreOptions core;
};

struct ProduceRecord {
  std::optional<PartitionIndex> partition;      // absent: by key, or sticky without one
  std::optional<std::string_view> key;
  std::optional<std::string_view> value;
  std::vector<RecordHeader> headers;
  std::int64_t timestamp_ms = kNoTimestampMs;   // none: the wall clock
};

// Records of one thread to one partition keep their order, through retries and reconnections. By default each is appended exactly
// once, or its callback gets the error.
// Threading: Send(), Flush() and Close() from any thread, the latter two not from a callback; callbacks run on the loop.
// Shutdown: Close(deadline) is bounded; the destructor closes with zero patience. `loop` must outlive it.
class ProduceClient {
 public:
  ProduceClient(ClientLoop& loop, BrokerConnection& connection, MetadataCache& metadata, const ProduceOptions& options);
  ~ProduceClient();
  ProduceClient(const ProduceClient&) = delete;
  ProduceClient& operator=(const ProduceClient&) = delete;

  // Takes the record, waiting for metadata and memory up to send_timeout together; while it waits for memory nothing lingers. On the loop it
  // waits for no memory and asks about a topic once, for 1 s at most. Close() ends all of this. On error nothing was taken and `ack` never runs: MESSAGE_TOO_LARGE,
  // UNKNOWN_TOPIC_OR_PARTITION, REQUEST_TIMED_OUT (no memory), SHUTTING_DOWN (closed), or what the metadata call met. What was taken
  // for a topic that is then deleted fails with UNKNOWN_TOPIC_ID, also if one of the same name is created: that is for later records.
  Status Send(std::string_view topic, const ProduceRecord& record, AckCallback ack);

  // Waits until everything sent before is completed, whatever is sent meanwhile. REQUEST_TIMED_OUT after `timeout`; nothing is lost then.
  Status Flush(absl::Duration timeout);
  // Flush, then no more; with acks none until the broker has read everything, too. What is left after `timeout` is completed with REQUEST_TIMED_OUT. Idempotent.
  Status Close(absl::Duration timeout);

  // Topics and partitions (slots) that it remembers: about those that there are.
  struct Known {
    std::size_t topics = 0;
    std::size_t slots = 0;
  };
  Known known() const;

  // Runs on the loop when the connection breaks (a status) and when it is back (OK), for people to read.
  void OnConnectionChange(std::function<void(const Status&)> callback);

 private:
  struct OpenBatch;  // records of one partition
  struct Topic;

  Topic* Find(std::string_view topic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);  // nullptr: not known
  // Asks a broker, again and again until `deadline` if nothing is known; what is known serves while none answers. OK: it is known now.
  Status LearnTopic(std::string_view topic, absl::Duration deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // `topic`, and behind it some that were not looked up for check_age.
  std::vector<std::string> TopicsToAsk(std::string_view topic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // `image` is the answer to that lookup; one that a later lookup's answer overtook changes nothing.
  void Learned(const std::string& name, std::uint64_t lookup, StatusOr<TopicImage> image) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Renew(Topic& topic, TopicImage image) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void Retire(Topic& topic) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);  // its id is gone: open batches leave, slots become free after them
  // With acks none a record is completed once the transport has it: until the broker ends the stream it may be under way.
  void WaitForStreamEnd(absl::Duration deadline);
  Status WaitForMemory(std::size_t bytes, absl::Duration deadline) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  void CloseBatch(Topic& topic, std::shared_ptr<OpenBatch>* batch) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::uint32_t TakeSlot() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // True if the loop must be woken.
  bool Add(Topic& topic, const ProduceRecord& record, AckCallback ack) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  // Loop: closes batches that have lingered long enough, takes all closed ones, in order, and retired slots. How long until the next is due.
  absl::Duration TakeClosed(std::vector<std::shared_ptr<UnbuiltBatch>>* closed, std::vector<std::uint32_t>* retired);
  void SlotFreed(std::uint32_t slot);  // loop
  // Loop: the broker knows no topic of this id; the next Send() asks for the name again.
  void TopicGone(TopicId id);
  // Loop: `records` of a batch that was begun then are completed and their callbacks have run.
  void Released(std::size_t bytes, std::size_t records, absl::Duration begun);
  // Of batches that were begun at `begun_max` or before: whether all are completed, and how many records are not.
  bool IsFinished(absl::Duration begun_max) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);
  std::uint64_t CountUnfinished(absl::Duration begun_max) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_);

  ClientLoop& loop_;
  MetadataCache& metadata_;
  const ProduceOptions options_;
  Cancellation lookups_;              // ended by Close(); thread-safe
  ProduceSession session_;            // used on the loop alone

  mutable Mutex mu_;
  CondVar changed_;                   // memory was released or records were completed
  StringMap<std::unique_ptr<Topic>> topics_ ABSL_GUARDED_BY(mu_);
  std::uint64_t last_lookup_ ABSL_GUARDED_BY(mu_) = 0;  // lookups are numbered in the order of asking, from 1
  std::list<std::string> by_check_ ABSL_GUARDED_BY(mu_);  // topics by when they were looked up, the longest ago first
  std::list<std::shared_ptr<OpenBatch>> open_ ABSL_GUARDED_BY(mu_);      // by age
  std::vector<std::shared_ptr<UnbuiltBatch>> closed_ ABSL_GUARDED_BY(mu_);  // for the loop, in order
  std::vector<std::uint32_t> retired_ ABSL_GUARDED_BY(mu_);     // slots, for the loop
  std::vector<std::uint32_t> free_slots_ ABSL_GUARDED_BY(mu_);
  std::uint32_t next_slot_ ABSL_GUARDED_BY(mu_) = 0;            // of those never given
  std::size_t memory_bytes_ ABSL_GUARDED_BY(mu_) = 0;
  std::map<absl::Duration, std::uint64_t> under_way_ ABSL_GUARDED_BY(mu_);  // records of closed batches not completed, by when those were begun
  int hurrying_ ABSL_GUARDED_BY(mu_) = 0;              // calls that wait for completions: while not zero, nothing lingers
  bool loop_knows_ ABSL_GUARDED_BY(mu_) = false;       // the loop will look by itself: posted to, or a linger timer is set
  bool posted_ ABSL_GUARDED_BY(mu_) = false;
  bool stream_ended_ ABSL_GUARDED_BY(mu_) = false;     // WaitForStreamEnd()
  bool refusing_ ABSL_GUARDED_BY(mu_) = false;         // Close() has begun
};

}  // namespace cordwood::client
