// SPDX-License-Identifier: Apache-2.0
// Records into batches, on the callers' threads.
#include "client/internal/produce_client.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "storage/base/clock.h"

namespace cordwood::client {
namespace {

constexpr std::size_t kRecordOverheadBytes = 64;  // callback and bookkeeping
constexpr absl::Duration kRelearnBackoff = absl::Seconds(10);  // while no broker answers about a topic that is known
constexpr absl::Duration kRelearnPatience = absl::Seconds(1);  // of a Send() that could go on with what is known

absl::Duration Now() { return Clock::System().Monotonic(); }

}  // namespace

struct ProduceClient::OpenBatch : UnbuiltBatch {
  Topic* topic = nullptr;
  std::list<std::shared_ptr<OpenBatch>>::iterator by_age;  // in open_
};

struct ProduceClient::Topic {
  TopicImage image;
  absl::Duration learn_at;                                // when it is looked up again
  StickyPartitioner sticky;
  std::vector<std::shared_ptr<OpenBatch>> batches;        // by partition; null: none open
  std::vector<std::optional<std::uint32_t>> slots;        // by partition, of this topic id alone
};

ProduceClient::ProduceClient(ClientLoop& loop, BrokerConnection& connection, MetadataCache& metadata, const ProduceOptions& options)
    : loop_(loop),
      metadata_(metadata),
      options_(options),
      session_(loop, connection,
               ProduceSource{[this](auto* batches) { return TakeClosed(batches); },
                             [this](TopicId id) { TopicGone(id); },
                             [this](std::size_t memory_bytes, std::size_t records) { Released(memory_bytes, records); }},
               options.codec, options.core) {}

ProduceClient::~ProduceClient() { (void)Close(absl::ZeroDuration()); }

void ProduceClient::OnConnectionChange(std::function<void(const Status&)> callback) {
  loop_.Run([&] { session_.OnConnectionChange(std::move(callback)); });
}

ProduceClient::Topic* ProduceClient::Find(std::string_view topic) {
  const auto found = topics_.find(topic);
  return found == topics_.end() ? nullptr : found->second.get();
}

Status ProduceClient::LearnTopic(std::string_view topic, absl::Duration deadline) {
  Backoff backoff;
  while (!refusing_) {
    absl::Duration patience = deadline - Now();
    if (Topic* known = Find(topic)) {
      if (known->learn_at > -absl::InfiniteDuration()) patience = std::min(patience, kRelearnPatience);
      known->learn_at = Now() + kRelearnBackoff;  // the others go on with what is known
    }
    mu_.Unlock();
    StatusOr<TopicImage> image = metadata_.Refresh(topic, std::max(patience, absl::Milliseconds(1)));
    mu_.Lock();
    if (image.ok()) {
      std::unique_ptr<Topic>& known = topics_[std::string(topic)];
      if (known == nullptr) known = std::make_unique<Topic>();
      Renew(*known, *std::move(image));
      if (!posted_ && !closed_.empty()) {
        posted_ = loop_knows_ = true;
        loop_.Post([this] { session_.Drain(); });
      }
      return absl::OkStatus();
    }
    if (Topic* known = Find(topic)) {
      if (ReasonOf(image.status()) != Reason::kUnknownTopicOrPartition) return absl::OkStatus();
      known->learn_at = -absl::InfiniteDuration();
      return image.status();
    }
    const absl::Duration retry_at = Now() + backoff.Next();
    if (!IsRetriable(image.status()) || loop_.in_loop() || retry_at >= deadline) return image.status();
    for (absl::Duration left = retry_at - Now(); left > absl::ZeroDuration() && !refusing_; left = retry_at - Now()) {
      changed_.WaitFor(mu_, absl::ToChronoNanoseconds(left));
    }
  }
  return Error(Reason::kShuttingDown, "the producer is closed");
}

// Open batches and slots are of one topic id: nothing is carried over to a topic that was created anew.
void ProduceClient::Renew(Topic& topic, TopicImage image) {
  topic.learn_at = Now() + options_.metadata_age_max;
  if (topic.image.id != image.id) {
    for (std::shared_ptr<OpenBatch>& batch : topic.batches) {
      if (batch != nullptr) CloseBatch(topic, &batch);
    }
    topic.slots.clear();
  } else if (image.partitions() < topic.image.partitions()) {
    return;  // partitions are only added: the answer is older than what is known
  }
  topic.image = std::move(image);
  topic.batches.resize(static_cast<std::size_t>(topic.image.partitions()));
  topic.slots.resize(topic.batches.size());
}

void ProduceClient::TopicGone(TopicId id) {
  MutexLock lock(mu_);
  for (auto& [name, topic] : topics_) {
    if (topic->image.id != id) continue;
    metadata_.Forget(name);
    topic->learn_at = -absl::InfiniteDuration();
  }
}

Status ProduceClient::WaitForMemory(std::size_t bytes, absl::Duration deadline) {
  const auto full = [&]() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mu_) { return memory_bytes_ > 0 && memory_bytes_ + bytes > options_.memory_bytes_max; };
  if (full() && !refusing_) {
    ++hurrying_;  // what lingers may be all there is to complete
    mu_.Unlock();
    loop_.Post([this] { session_.Drain(); });
    mu_.Lock();
    // On the loop waiting would keep the memory from coming back.
    absl::Duration left = loop_.in_loop() ? absl::ZeroDuration() : deadline - Now();
    for (; full() && !refusing_ && left > absl::ZeroDuration(); left = deadline - Now()) {
      changed_.WaitFor(mu_, absl::ToChronoNanoseconds(std::min(left, absl::Hours(1))));
    }
    --hurrying_;
    if (full() && !refusing_) return Error(Reason::kRequestTimedOut, "the producer's memory is full of records that wait for acknowledgement");
  }
  if (refusing_) return Error(Reason::kShuttingDown, "the producer is closed");
  return absl::OkStatus();
}

void ProduceClient::CloseBatch(Topic& topic, std::shared_ptr<OpenBatch>* batch) {
  open_.erase((*batch)->by_age);
  topic.sticky.BatchClosed((*batch)->partition, topic.image.partitions());
  closed_.push_back(std::move(*batch));
  *batch = nullptr;
}

bool ProduceClient::Add(Topic& topic, absl::Duration now, const ProduceRecord& record, AckCallback ack) {
  const std::int32_t partitions = topic.image.partitions();
  const PartitionIndex partition = record.partition.has_value() ? *record.partition
                                   : record.key.has_value()     ? PartitionOfKey(*record.key, partitions)
                                                                : topic.sticky.Current(partitions);
  const auto index = static_cast<std::size_t>(partition.value());
  RecordView view{Offset{0}, record.timestamp_ms, record.key, record.value, record.headers};
  if (view.timestamp_ms == kNoTimestampMs) view.timestamp_ms = Clock::System().WallMs();
  std::shared_ptr<OpenBatch>& batch = topic.batches[index];
  if (batch != nullptr && batch->builder.plain_bytes() + batch->builder.RecordBytes(view) > options_.batch_bytes) CloseBatch(topic, &batch);
  if (batch == nullptr) {
    if (!topic.slots[index].has_value()) topic.slots[index] = next_slot_++;
    batch = std::make_shared<OpenBatch>();
    batch->slot = *topic.slots[index];
    batch->topic_id = topic.image.id;
    batch->partition = partition;
    batch->created = now;
    batch->topic = &topic;
    batch->by_age = open_.insert(open_.end(), batch);
  }
  const std::size_t before = batch->builder.plain_bytes();
  batch->builder.Add(view);
  const std::size_t grown = batch->builder.plain_bytes() - before + kRecordOverheadBytes;
  batch->acks.push_back(std::move(ack));
  batch->memory_bytes += grown;
  memory_bytes_ += grown;
  ++unfinished_;
  if (batch->builder.plain_bytes() >= options_.batch_bytes) CloseBatch(topic, &batch);
  // The loop looks when a batch is full; for the others one linger timer at a time is enough.
  const bool wake = !posted_ && (!closed_.empty() || !loop_knows_);
  if (wake) posted_ = loop_knows_ = true;
  return wake;
}

Status ProduceClient::Send(std::string_view topic, const ProduceRecord& record, AckCallback ack) {
  std::size_t size = (record.key ? record.key->size() : 0) + (record.value ? record.value->size() : 0);
  for (const RecordHeader& header : record.headers) size += header.key.size() + (header.value ? header.value->size() : 0);
  if (size > options_.record_bytes_max) {
    return Error(Reason::kMessageTooLarge, "a record of " + std::to_string(size) + " bytes; no more than " +
                                               std::to_string(options_.record_bytes_max) + " can be sent at once");
  }
  const absl::Duration now = Now();
  const absl::Duration deadline = now + options_.send_timeout;
  bool wake = false;
  {
    MutexLock lock(mu_);
    Topic* known = Find(topic);
    if (known == nullptr || known->learn_at <= now) CORDWOOD_RETURN_IF_ERROR(LearnTopic(topic, deadline));
    CORDWOOD_RETURN_IF_ERROR(WaitForMemory(size + kRecordOverheadBytes, deadline));
    known = Find(topic);
    if (record.partition.has_value() && (record.partition->value() < 0 || record.partition->value() >= known->image.partitions())) {
      return Error(Reason::kUnknownTopicOrPartition, "topic \"" + std::string(topic) + "\" has no partition " + ToString(*record.partition) +
                                                         "; it has " + std::to_string(known->image.partitions()));
    }
    wake = Add(*known, now, record, std::move(ack));
  }
  if (wake) loop_.Post([this] { session_.Drain(); });
  return absl::OkStatus();
}

absl::Duration ProduceClient::TakeClosed(std::vector<std::shared_ptr<UnbuiltBatch>>* closed) {
  MutexLock lock(mu_);
  const absl::Duration now = Now();
  absl::Duration due = absl::InfiniteDuration();
  while (!open_.empty()) {
    OpenBatch& oldest = *open_.front();
    const absl::Duration left = oldest.created + options_.linger - now;
    if (hurrying_ == 0 && !refusing_ && left > absl::ZeroDuration()) {
      due = left;
      break;
    }
    CloseBatch(*oldest.topic, &oldest.topic->batches[static_cast<std::size_t>(oldest.partition.value())]);
  }
  closed->swap(closed_);
  posted_ = false;
  loop_knows_ = due != absl::InfiniteDuration();
  return due;
}

void ProduceClient::Released(std::size_t bytes, std::size_t records) {
  MutexLock lock(mu_);
  memory_bytes_ -= bytes;
  unfinished_ -= records;
  changed_.SignalAll();
}

Status ProduceClient::Flush(absl::Duration timeout) {
  const absl::Duration deadline = Now() + timeout;
  {
    MutexLock lock(mu_);
    ++hurrying_;
  }
  loop_.Post([this] { session_.Drain(); });
  MutexLock lock(mu_);
  while (unfinished_ > 0) {
    const absl::Duration left = deadline - Now();
    if (left <= absl::ZeroDuration()) break;
    changed_.WaitFor(mu_, absl::ToChronoNanoseconds(std::min(left, absl::Hours(1))));
  }
  --hurrying_;
  if (unfinished_ == 0) return absl::OkStatus();
  return Error(Reason::kRequestTimedOut, std::to_string(unfinished_) + " records are not acknowledged yet");
}

void ProduceClient::WaitForStreamEnd(absl::Duration deadline) {
  loop_.Post([this] {
    session_.EndStream([this] {
      MutexLock lock(mu_);
      stream_ended_ = true;
      changed_.SignalAll();
    });
  });
  MutexLock lock(mu_);
  while (!stream_ended_) {
    const absl::Duration left = deadline - Now();
    if (left <= absl::ZeroDuration()) return;
    changed_.WaitFor(mu_, absl::ToChronoNanoseconds(std::min(left, absl::Hours(1))));
  }
}

Status ProduceClient::Close(absl::Duration timeout) {
  const absl::Duration deadline = Now() + timeout;
  {
    MutexLock lock(mu_);
    refusing_ = true;
    changed_.SignalAll();
  }
  const Status flushed = Flush(timeout);
  if (flushed.ok() && options_.core.acks == Acks::kNone) WaitForStreamEnd(deadline);
  loop_.Run([this] {
    session_.Drain();
    session_.Shutdown();
  });
  return flushed;
}

}  // namespace cordwood::client
