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
constexpr std::size_t kCheckedBeside = 2;  // more than one, so that deleted topics are found faster than new ones come
constexpr absl::Duration kRelearnBackoff = absl::Seconds(10);  // while no broker answers about a topic that is known
constexpr absl::Duration kRelearnPatience = absl::Seconds(1);  // of a Send() that could go on with what is known, or is on the loop

absl::Duration Now() { return Clock::System().Monotonic(); }

}  // namespace

struct ProduceClient::OpenBatch : UnbuiltBatch {
  Topic* topic = nullptr;
  std::list<std::shared_ptr<OpenBatch>>::iterator by_age;  // in open_
};

struct ProduceClient::Topic {
  TopicImage image;
  std::uint64_t lookup = 0;                               // that told `image`
  absl::Duration learn_at;                                // when it is looked up again
  absl::Duration checked;                                 // when it was looked up last
  std::list<std::string>::iterator by_check;              // in by_check_
  StickyPartitioner sticky;
  std::vector<std::shared_ptr<OpenBatch>> batches;        // by partition; null: none open
  std::vector<std::optional<std::uint32_t>> slots;        // by partition, of this topic id alone

  // It may have been added since.
  bool lacks(const std::optional<PartitionIndex>& partition) const { return partition.has_value() && partition->value() >= image.partitions(); }
};

ProduceClient::ProduceClient(ClientLoop& loop, BrokerConnection& connection, MetadataCache& metadata, const ProduceOptions& options)
    : loop_(loop),
      metadata_(metadata),
      options_(options),
      session_(loop, connection,
               ProduceSource{[this](auto* batches, auto* retired) { return TakeClosed(batches, retired); },
                             [this](std::uint32_t slot) { SlotFreed(slot); },
                             [this](TopicId id) { TopicGone(id); },
                             [this](std::size_t memory_bytes, std::size_t records, absl::Duration begun) { Released(memory_bytes, records, begun); }},
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
    bool hurried = loop_.in_loop();  // where everything else stands still meanwhile
    if (Topic* known = Find(topic)) {
      hurried |= known->learn_at > -absl::InfiniteDuration();
      known->learn_at = Now() + kRelearnBackoff;  // the others go on with what is known
    }
    const std::vector<std::string> asked = TopicsToAsk(topic);
    const std::uint64_t lookup = ++last_lookup_;
    mu_.Unlock();
    const absl::Duration patience = std::min(deadline - Now(), hurried ? kRelearnPatience : absl::InfiniteDuration());
    auto images = metadata_.Refresh(asked, std::max(patience, absl::Milliseconds(1)), &lookups_);
    mu_.Lock();
    const Status status = images.ok() ? images->front().status() : images.status();
    for (std::size_t i = 0; images.ok() && i < asked.size(); ++i) Learned(asked[i], lookup, std::move((*images)[i]));
    if (!posted_ && !(closed_.empty() && retired_.empty())) {
      posted_ = loop_knows_ = true;
      loop_.Post([this] { session_.Drain(); });
    }
    if (refusing_) break;  // Close() may be over
    if (Find(topic) != nullptr) return absl::OkStatus();
    const absl::Duration retry_at = Now() + backoff.Next();
    if (!IsRetriable(status) || loop_.in_loop() || retry_at >= deadline) return status;
    for (absl::Duration left = retry_at - Now(); left > absl::ZeroDuration() && !refusing_; left = retry_at - Now()) {
      changed_.WaitFor(mu_, absl::ToChronoNanoseconds(left));
    }
  }
  return Error(Reason::kShuttingDown, "the producer is closed");
}

std::vector<std::string> ProduceClient::TopicsToAsk(std::string_view topic) {
  std::vector<std::string> names{std::string(topic)};
  const absl::Duration due = Now() - options_.check_age;
  for (std::size_t left = std::min(by_check_.size(), kCheckedBeside); left > 0; --left) {
    Topic* oldest = Find(by_check_.front());
    if (oldest->checked > due) break;
    oldest->checked = Now();
    if (by_check_.front() != topic) names.push_back(by_check_.front());
    by_check_.splice(by_check_.end(), by_check_, by_check_.begin());
  }
  return names;
}

void ProduceClient::Learned(const std::string& name, std::uint64_t lookup, StatusOr<TopicImage> image) {
  const auto found = topics_.find(name);
  if (found != topics_.end() && lookup < found->second->lookup) return;  // what is known was asked for later
  if (image.ok()) {
    std::unique_ptr<Topic>& known = found != topics_.end() ? found->second : topics_[name];
    if (known == nullptr) {
      known = std::make_unique<Topic>();
      known->by_check = by_check_.insert(by_check_.end(), name);
    }
    known->checked = Now();
    known->lookup = lookup;
    Renew(*known, *std::move(image));
  } else if (found != topics_.end() && ReasonOf(image.status()) == Reason::kUnknownTopicOrPartition) {
    Retire(*found->second);
    by_check_.erase(found->second->by_check);
    topics_.erase(found);
  }
}

void ProduceClient::Retire(Topic& topic) {
  for (std::shared_ptr<OpenBatch>& batch : topic.batches) {
    if (batch != nullptr) CloseBatch(topic, &batch);
  }
  for (const std::optional<std::uint32_t>& slot : topic.slots) {
    if (slot.has_value()) retired_.push_back(*slot);
  }
  topic.slots.clear();
}

// Open batches and slots are of one topic id: nothing is carried over to a topic that was created anew.
void ProduceClient::Renew(Topic& topic, TopicImage image) {
  topic.learn_at = Now() + options_.metadata_age_max;
  if (topic.image.id != image.id) {
    Retire(topic);
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
  under_way_[(*batch)->created] += (*batch)->acks.size();
  topic.sticky.BatchClosed((*batch)->partition, topic.image.partitions());
  closed_.push_back(std::move(*batch));
  *batch = nullptr;
}

std::uint32_t ProduceClient::TakeSlot() {
  if (free_slots_.empty()) return next_slot_++;
  const std::uint32_t slot = free_slots_.back();
  free_slots_.pop_back();
  return slot;
}

bool ProduceClient::Add(Topic& topic, const ProduceRecord& record, AckCallback ack) {
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
    if (!topic.slots[index].has_value()) topic.slots[index] = TakeSlot();
    batch = std::make_shared<OpenBatch>();
    batch->slot = *topic.slots[index];
    batch->topic_id = topic.image.id;
    batch->partition = partition;
    batch->created = Now();
    batch->topic = &topic;
    batch->by_age = open_.insert(open_.end(), batch);
  }
  const std::size_t before = batch->builder.plain_bytes();
  batch->builder.Add(view);
  const std::size_t grown = batch->builder.plain_bytes() - before + kRecordOverheadBytes;
  batch->acks.push_back(std::move(ack));
  batch->memory_bytes += grown;
  memory_bytes_ += grown;
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
    if (known == nullptr || known->learn_at <= now || known->lacks(record.partition)) CORDWOOD_RETURN_IF_ERROR(LearnTopic(topic, deadline));
    CORDWOOD_RETURN_IF_ERROR(WaitForMemory(size + kRecordOverheadBytes, deadline));
    while ((known = Find(topic)) == nullptr) {  // it was deleted while this waited
      CORDWOOD_RETURN_IF_ERROR(LearnTopic(topic, deadline));
      CORDWOOD_RETURN_IF_ERROR(WaitForMemory(size + kRecordOverheadBytes, deadline));
    }
    if (known->lacks(record.partition) || (record.partition.has_value() && record.partition->value() < 0)) {
      return Error(Reason::kUnknownTopicOrPartition, "topic \"" + std::string(topic) + "\" has no partition " + ToString(*record.partition) +
                                                         "; it has " + std::to_string(known->image.partitions()));
    }
    wake = Add(*known, record, std::move(ack));
  }
  if (wake) loop_.Post([this] { session_.Drain(); });
  return absl::OkStatus();
}

absl::Duration ProduceClient::TakeClosed(std::vector<std::shared_ptr<UnbuiltBatch>>* closed, std::vector<std::uint32_t>* retired) {
  MutexLock lock(mu_);
  const absl::Duration now = Now();
  absl::Duration due = absl::InfiniteDuration();
  while (!open_.empty()) {
    OpenBatch& oldest = *open_.front();
    const absl::Duration left = oldest.created + std::min(options_.linger, options_.core.delivery_timeout) - now;
    if (hurrying_ == 0 && !refusing_ && left > absl::ZeroDuration()) {
      due = left;
      break;
    }
    CloseBatch(*oldest.topic, &oldest.topic->batches[static_cast<std::size_t>(oldest.partition.value())]);
  }
  closed->swap(closed_);
  retired->insert(retired->end(), retired_.begin(), retired_.end());
  retired_.clear();
  posted_ = false;
  loop_knows_ = due != absl::InfiniteDuration();
  return due;
}

void ProduceClient::SlotFreed(std::uint32_t slot) {
  MutexLock lock(mu_);
  free_slots_.push_back(slot);
}

ProduceClient::Known ProduceClient::known() const {
  MutexLock lock(mu_);
  return {topics_.size(), next_slot_};
}

void ProduceClient::Released(std::size_t bytes, std::size_t records, absl::Duration begun) {
  MutexLock lock(mu_);
  memory_bytes_ -= bytes;
  const auto found = under_way_.find(begun);
  if ((found->second -= records) == 0) under_way_.erase(found);
  changed_.SignalAll();
}

bool ProduceClient::IsFinished(absl::Duration begun_max) const {
  return (open_.empty() || open_.front()->created > begun_max) && (under_way_.empty() || under_way_.begin()->first > begun_max);
}

std::uint64_t ProduceClient::CountUnfinished(absl::Duration begun_max) const {
  std::uint64_t records = 0;
  for (auto i = open_.begin(); i != open_.end() && (*i)->created <= begun_max; ++i) records += (*i)->acks.size();
  for (auto i = under_way_.begin(); i != under_way_.end() && i->first <= begun_max; ++i) records += i->second;
  return records;
}

Status ProduceClient::Flush(absl::Duration timeout) {
  absl::Duration called;
  {
    MutexLock lock(mu_);
    called = Now();  // no batch that is there was begun later
    ++hurrying_;
  }
  const absl::Duration deadline = called + timeout;
  loop_.Post([this] { session_.Drain(); });
  MutexLock lock(mu_);
  while (!IsFinished(called)) {
    const absl::Duration left = deadline - Now();
    if (left <= absl::ZeroDuration()) break;
    changed_.WaitFor(mu_, absl::ToChronoNanoseconds(std::min(left, absl::Hours(1))));
  }
  --hurrying_;
  if (IsFinished(called)) return absl::OkStatus();
  return Error(Reason::kRequestTimedOut, std::to_string(CountUnfinished(called)) + " records are not acknowledged yet");
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
  lookups_.Cancel();  // or one on the loop would hold everything up
  const Status flushed = Flush(timeout);
  if (flushed.ok() && options_.core.acks == Acks::kNone) WaitForStreamEnd(deadline);
  loop_.Run([this] {
    session_.Drain();
    session_.Shutdown();
  });
  return flushed;
}

}  // namespace cordwood::client
