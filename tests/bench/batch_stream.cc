// SPDX-License-Identifier: Apache-2.0
// The stream's events: write while there is window, count what is answered.
#include "tests/bench/batch_stream.h"

#include <algorithm>
#include <string>
#include <utility>

#include "client/internal/stream_codec.h"
#include "cordwood/v1/log.pb.h"

namespace cordwood::testing {
namespace {

constexpr std::size_t kMessageBytes = 1 << 20;
constexpr std::int32_t kTimeoutMs = 30'000;

}  // namespace

Status BatchStream::Run(std::uint64_t batches) {
  loop_.Post([this, batches] {
    wanted_ = batches;
    Open();
    Pump();
  });
  MutexLock lock(mu_);
  while (!finished_) changed_.Wait(mu_);
  return status_;
}

void BatchStream::Open() {
  client::CallEvents events;
  events.on_message = [this](const SharedBytes& message) { Answered(message); };
  events.on_written = [this] {
    writing_ = false;
    Pump();
  };
  events.on_end = [this](const Status& status) { Finish(status.ok() ? absl::UnavailableError("the broker ended the stream") : status); };
  call_ = loop_.Open(connection_.channel(), "/cordwood.v1.Log/ProduceStream", std::move(events));
}

void BatchStream::Pump() {
  while (call_ && !writing_ && sent_ < wanted_) {
    if (!WriteNext()) return;
  }
}

bool BatchStream::WriteNext() {
  const std::uint64_t count = std::min<std::uint64_t>(std::max<std::size_t>(kMessageBytes / batch_.size(), 1), wanted_ - sent_);
  const std::size_t bytes = count * batch_.size();
  if (unanswered_bytes_ > 0 && unanswered_bytes_ + bytes > window_bytes_) return false;
  client::ProduceMessage message;
  message.seq = next_seq_++;
  message.bytes = bytes;
  std::vector<client::EntryName> names;
  const std::uint64_t partitions = bound_.size();
  for (std::uint64_t i = 0; i < std::min(count, partitions); ++i) {
    const auto slot = static_cast<std::uint32_t>((sent_ + i) % partitions);
    const std::uint64_t of_this = count / partitions + (i < count % partitions ? 1 : 0);
    message.entries.push_back({slot, {}, std::vector<SharedBytes>(of_this, batch_)});
    client::EntryName name{slot + 1, {}, static_cast<std::int32_t>(slot)};
    if (!bound_[slot]) name.topic_id = topic_.id.raw();
    bound_[slot] = true;
    names.push_back(name);
  }
  if (!call_.Write(client::EncodeProduceRequest(message, names, client::Acks::kAll, kTimeoutMs))) return false;  // its end is on the way
  writing_ = true;
  sent_ += count;
  unanswered_.emplace(message.seq, count);
  unanswered_bytes_ += bytes;
  return true;
}

void BatchStream::Answered(const SharedBytes& message) {
  v1::ProduceResponse response;
  if (!response.ParseFromArray(message.view().data(), static_cast<int>(message.size()))) return Finish(absl::InternalError("an answer that is none"));
  if (response.window_bytes() > 0) window_bytes_ = response.window_bytes();
  for (const v1::Done& done : response.done()) {
    if (done.errors_size() > 0) return Finish(client::FromEntryError(done.errors(0)));
    const auto found = unanswered_.find(done.seq());
    if (found == unanswered_.end()) return Finish(absl::InternalError("an answer to what was not asked"));
    answered_ += found->second;
    unanswered_bytes_ -= found->second * batch_.size();
    unanswered_.erase(found);
  }
  if (answered_ == wanted_) return Finish(absl::OkStatus());
  Pump();
}

void BatchStream::Finish(const Status& status) {
  call_.Reset();
  MutexLock lock(mu_);
  if (finished_) return;
  finished_ = true;
  status_ = status;
  changed_.SignalAll();
}

}  // namespace cordwood::testing
