// SPDX-License-Identifier: Apache-2.0
// Events of the stream into ProduceCore, its decisions into calls, timers and callbacks.
#include "client/internal/produce_session.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "client/internal/stream_codec.h"
#include "storage/base/clock.h"

namespace cordwood::client {
namespace {

constexpr std::size_t kHandlesMax = 65'535;
constexpr absl::Duration kTickMax = absl::Milliseconds(250);
constexpr absl::Duration kAppendTimeoutMax = absl::Minutes(5);  // a broker refuses what asks for more
constexpr char kProduceStream[] = "/cordwood.v1.Log/ProduceStream";
constexpr char kInitProducer[] = "/cordwood.v1.Log/InitProducer";

absl::Duration Now() { return Clock::System().Monotonic(); }

// A stream that ends with one of these ends the same way next time.
bool EndsForGood(const Status& why) {
  return IsTransportError(why) && !IsRetriable(why) && why.code() != absl::StatusCode::kResourceExhausted;
}

}  // namespace

void ProduceSession::Drain() {
  if (closed_) return;
  std::vector<std::shared_ptr<UnbuiltBatch>> batches;
  std::vector<std::uint32_t> retired;
  const absl::Duration due = source_.take(&batches, &retired);
  for (const std::uint32_t slot : retired) {  // first: among the batches may be some of the same partitions under other slots
    AddSlotsTo(slot);
    core_.Retire(slot);
    retired_.push_back(slot);
  }
  for (const auto& batch : batches) Build(*batch);
  if (due != absl::InfiniteDuration() && linger_timer_ == 0) {
    linger_timer_ = loop_.After(std::max(due, absl::ZeroDuration()), [this] {
      linger_timer_ = 0;
      Drain();
    });
  }
  Pump();
}

void ProduceSession::EndStream(std::function<void()> ended) {
  if (!call_) return ended();
  on_stream_end_ = std::move(ended);
  call_.FinishWriting();
}

void ProduceSession::Shutdown() {
  if (closed_) return;
  core_.FailAll(std::nullopt);
  RunCallbacks();
  closed_ = true;
  on_stream_end_ = nullptr;
  call_.Reset();
  init_call_.Reset();
  channel_.reset();  // here, where its last call lets go of it, too
  for (ClientLoop::TimerId* timer : {&linger_timer_, &reopen_timer_}) loop_.CancelTimer(std::exchange(*timer, 0));
  tick_timer_.Cancel();
}

void ProduceSession::AddSlotsTo(std::uint32_t last_slot) {
  while (names_.size() <= last_slot) {
    core_.AddPartition();
    names_.emplace_back();
  }
}

void ProduceSession::Build(UnbuiltBatch& open) {
  AddSlotsTo(open.slot);
  names_[open.slot].topic_id = open.topic_id;
  names_[open.slot].partition = open.partition;
  ProduceBatch batch;
  batch.acks = std::move(open.acks);
  batch.memory_bytes = open.memory_bytes;
  batch.created = open.created;
  StatusOr<SharedBytes> bytes = open.builder.Build(codec_, {});
  if (!bytes.ok()) return RunCallbacks(open.partition, Completion{std::move(batch), bytes.status(), Offset{-1}, open.slot});
  batch.bytes = *std::move(bytes);
  core_.Enqueue(open.slot, std::move(batch));
}

void ProduceSession::RunCallbacks(PartitionIndex partition, const Completion& completion) {
  for (std::size_t i = 0; i < completion.batch.acks.size(); ++i) {
    const AckCallback& ack = completion.batch.acks[i];
    if (!ack) continue;
    if (!completion.status.ok()) {
      ack(completion.status);
    } else if (completion.base_offset.value() < 0) {
      ack(RecordAck{partition, Offset{-1}});
    } else {
      ack(RecordAck{partition, completion.base_offset + static_cast<std::int64_t>(i)});
    }
  }
  source_.released(completion.batch.memory_bytes, completion.batch.acks.size(), completion.batch.created);
}

void ProduceSession::RunCallbacks() {
  for (const Completion& completion : core_.TakeCompletions()) {
    const Name& name = names_[completion.slot];
    const Reason reason = ReasonOf(completion.status);
    if (reason == Reason::kUnknownTopicId || reason == Reason::kUnknownTopicOrPartition) source_.topic_gone(name.topic_id);
    RunCallbacks(name.partition, completion);
  }
}

void ProduceSession::FreeRetired() {
  std::erase_if(retired_, [this](std::uint32_t slot) {
    if (!core_.Release(slot)) return false;
    source_.slot_freed(slot);
    return true;
  });
}

void ProduceSession::Pump() {
  if (closed_) return;
  RunCallbacks();
  FreeRetired();
  if (core_.wants_stream() && !call_ && reopen_timer_ == 0) OpenStream();
  if (core_.wants_producer_id() && !init_call_ && reopen_timer_ == 0) AskProducerId();
  SendMessages();
  RunCallbacks();  // of what was too old to be sent
  if (core_.idle()) return;
  const absl::Duration now = Now();
  tick_timer_.Arm(std::clamp(core_.NextWake(), now + absl::Milliseconds(1), now + kTickMax), [this] { Tick(); });
}

void ProduceSession::Tick() {
  core_.Tick(Now());
  if (call_ && core_.overdue(Now())) {
    call_.Reset();
    Broken(TransportError("the broker owes an answer for too long"));
  }
  Pump();
}

void ProduceSession::OpenStream() {
  channel_ = connection_.channel();
  CallEvents events;
  events.on_message = [this](const SharedBytes& message) {
    v1::ProduceResponse response;
    if (!response.ParseFromArray(message.view().data(), static_cast<int>(message.size()))) return call_.Cancel();
    Healthy();
    core_.Answered(response, Now(), refusal_backoff_.Next());
    for (const std::uint32_t slot : core_.TakeDenied()) source_.topic_gone(names_[slot].topic_id);
    Pump();
  };
  events.on_written = [this] {
    core_.Written();
    Pump();
  };
  events.on_end = [this](const Status& status) {
    call_.Reset();
    Broken(status);
    Pump();
  };
  // Not sooner, or what no connection took would count as sent.
  events.on_started = [this] {
    core_.StreamOpened();
    Pump();
  };
  call_ = loop_.Open(channel_, kProduceStream, std::move(events));
}

void ProduceSession::SendMessages() {
  if (!call_) return;
  const absl::Duration timeout = std::min(options_.answer_timeout * 6 / 7, kAppendTimeoutMax);  // the broker gives up first
  const auto timeout_ms = static_cast<std::int32_t>(std::max<std::int64_t>(absl::ToInt64Milliseconds(timeout), 1));
  while (auto message = core_.NextMessage(Now())) {
    std::vector<EntryName> names;
    names.reserve(message->entries.size());
    for (const ProduceMessage::Entry& entry : message->entries) {
      const Name& name = names_[entry.slot];
      EntryName sent{entry.slot < kHandlesMax ? entry.slot + 1 : 0, {}, name.partition.value()};
      if (sent.handle == 0 || entry.named) sent.topic_id = name.topic_id.raw();
      names.push_back(sent);
    }
    // A call that is over takes nothing; its end is on the way and brings the batches back.
    if (!call_.Write(EncodeProduceRequest(*message, names, options_.acks, timeout_ms))) return;
  }
}

void ProduceSession::AskProducerId() {
  const std::shared_ptr<grpc::Channel> channel = connection_.channel();
  CallEvents events;
  events.on_message = [this](const SharedBytes& message) {
    v1::InitProducerResponse response;
    if (!response.ParseFromArray(message.view().data(), static_cast<int>(message.size()))) return;
    Healthy();
    core_.ProducerIdArrived(ProducerId(response.producer_id()), ProducerEpoch(static_cast<std::int16_t>(response.producer_epoch())));
  };
  events.on_end = [this, channel](const Status& status) {
    init_call_.Reset();
    MoveOn(channel, status);
    if (EndsForGood(status)) core_.FailAll(status);
    if (core_.wants_producer_id()) Reopen(std::max(backoff_.Next(), RetryAfter(status)));
    Pump();
  };
  init_call_ = loop_.Open(channel, kInitProducer, std::move(events), absl::Seconds(10));
  init_call_.Write({v1::InitProducerRequest().SerializeAsString()});
  init_call_.FinishWriting();
}

void ProduceSession::Healthy() {
  backoff_.Reset();
  if (std::exchange(unwell_, false) && on_change_) on_change_(absl::OkStatus());
}

void ProduceSession::Broken(const Status& status) {
  const absl::Duration wait = backoff_.Next();
  core_.StreamBroken(status, Now(), wait);
  if (EndsForGood(status)) core_.FailAll(status);
  MoveOn(channel_, status);
  if (!core_.idle() && !std::exchange(unwell_, true) && on_change_) {
    on_change_(status.ok() ? TransportError("the broker ended the stream") : status);
  }
  if (const auto ended = std::exchange(on_stream_end_, nullptr)) ended();
  Reopen(wait);
}

// A broker that is silent is as good as gone.
void ProduceSession::MoveOn(const std::shared_ptr<grpc::Channel>& channel, const Status& why) {
  if (why.code() == absl::StatusCode::kUnavailable || why.code() == absl::StatusCode::kDeadlineExceeded) connection_.MoveOn(channel);
}

void ProduceSession::Reopen(absl::Duration wait) {
  if (reopen_timer_ != 0) return;
  reopen_timer_ = loop_.After(wait, [this] {
    reopen_timer_ = 0;
    Pump();
  });
}

}  // namespace cordwood::client
