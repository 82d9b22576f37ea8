// SPDX-License-Identifier: Apache-2.0
// FetchCore's stream and timers on the loop, and the queue between loop and caller.
#include "client/internal/fetch_client.h"

#include <algorithm>
#include <chrono>
#include <string>
#include <utility>

#include "storage/base/clock.h"

namespace cordwood::client {
namespace {

constexpr char kFetchStream[] = "/cordwood.v1.Log/FetchStream";

absl::Duration Now() { return Clock::System().Monotonic(); }

}  // namespace

// The loop's thread only, but for construction.
class FetchClient::Session {
 public:
  Session(FetchClient& client, ClientLoop& loop, BrokerConnection& connection, const FetchCoreOptions& options)
      : core_(options), client_(client), loop_(loop), connection_(connection) {}

  void Pump() {
    if (closed_) return;
    if (!call_ && reopen_timer_ == 0) OpenStream();
    if (call_ && !writing_) {
      if (const auto request = core_.NextRequest(Now())) writing_ = call_.Write({request->SerializeAsString()});
    }
    const absl::Duration retry_at = core_.retry_at();
    loop_.CancelTimer(std::exchange(retry_timer_, 0));  // another partition may be due sooner
    if (retry_at == absl::InfiniteDuration() || writing_) return;
    retry_timer_ = loop_.After(std::max(retry_at - Now(), absl::Milliseconds(1)), [this] {
      retry_timer_ = 0;
      Pump();
    });
  }

  void Shutdown() {
    closed_ = true;
    call_.Reset();
    for (ClientLoop::TimerId* timer : {&reopen_timer_, &retry_timer_}) loop_.CancelTimer(std::exchange(*timer, 0));
  }

  FetchCore& core() { return core_; }

 private:
  void OpenStream() {
    channel_ = connection_.channel();
    writing_ = false;
    CallEvents events;
    events.on_message = [this](const SharedBytes& message) {
      std::vector<FetchedChunk> chunks;
      const Status status = core_.Answered(message, Now(), &chunks);
      if (!status.ok()) return call_.Cancel();
      backoff_.Reset();
      client_.SetConnectionStatus(absl::OkStatus());
      client_.Deliver(std::move(chunks));
      Pump();
    };
    events.on_written = [this] {
      writing_ = false;
      Pump();
    };
    events.on_end = [this](const Status& status) { Broken(status); };
    call_ = loop_.Open(channel_, kFetchStream, std::move(events));
    core_.StreamOpened();
  }

  void Broken(const Status& status) {
    call_.Reset();
    core_.StreamBroken();
    connection_.MoveOn(channel_);
    client_.SetConnectionStatus(status.ok() ? absl::UnavailableError("the broker ended the stream") : status);
    reopen_timer_ = loop_.After(backoff_.Next(), [this] {
      reopen_timer_ = 0;
      Pump();
    });
  }

  FetchCore core_;
  FetchClient& client_;
  ClientLoop& loop_;
  BrokerConnection& connection_;
  std::shared_ptr<grpc::Channel> channel_;  // of call_
  Call::Handle call_;
  Backoff backoff_;
  ClientLoop::TimerId reopen_timer_ = 0;
  ClientLoop::TimerId retry_timer_ = 0;
  bool writing_ = false;
  bool closed_ = false;
};

FetchClient::FetchClient(ClientLoop& loop, BrokerConnection& connection, const std::vector<FetchFrom>& partitions, const FetchCoreOptions& options)
    : loop_(loop), session_(std::make_unique<Session>(*this, loop, connection, options)) {
  for (const FetchFrom& from : partitions) session_->core().AddPartition(from.topic, from.partition, from.offset);
  loop_.Post([this] { session_->Pump(); });
}

FetchClient::~FetchClient() {
  loop_.Run([this] { session_->Shutdown(); });
}

std::optional<FetchedChunk> FetchClient::Next(absl::Duration timeout) {
  const absl::Duration deadline = Now() + timeout;
  FetchedChunk chunk;
  {
    MutexLock lock(mu_);
    while (ahead_.empty()) {
      const absl::Duration left = deadline - Now();
      if (left <= absl::ZeroDuration()) return std::nullopt;
      changed_.WaitFor(mu_, absl::ToChronoNanoseconds(std::min(left, absl::Hours(1))));
    }
    chunk = std::move(ahead_.front());
    ahead_.pop_front();
  }
  if (const std::size_t bytes = chunk.batches.size(); bytes > 0) {
    loop_.Post([this, bytes] {
      session_->core().Consumed(bytes);
      session_->Pump();
    });
  }
  return chunk;
}

void FetchClient::DropAhead(std::size_t slot) {
  MutexLock lock(mu_);
  std::size_t bytes = 0;
  const auto end = std::remove_if(ahead_.begin(), ahead_.end(), [&](const FetchedChunk& chunk) {
    if (chunk.slot != slot) return false;
    bytes += chunk.batches.size();
    return true;
  });
  ahead_.erase(end, ahead_.end());
  session_->core().Consumed(bytes);
}

void FetchClient::Seek(std::size_t slot, Offset to) {
  loop_.Run([&] {
    DropAhead(slot);
    session_->core().Seek(slot, to);
    session_->Pump();
  });
}

void FetchClient::Remove(std::size_t slot) {
  loop_.Run([&] {
    DropAhead(slot);
    session_->core().Remove(slot);
    session_->Pump();
  });
}

void FetchClient::Deliver(std::vector<FetchedChunk> chunks) {
  MutexLock lock(mu_);
  for (FetchedChunk& chunk : chunks) ahead_.push_back(std::move(chunk));
  changed_.SignalAll();
}

void FetchClient::SetConnectionStatus(const Status& status) {
  MutexLock lock(mu_);
  connection_status_ = status;
}

Status FetchClient::connection_status() {
  MutexLock lock(mu_);
  return connection_status_;
}

}  // namespace cordwood::client
