// SPDX-License-Identifier: Apache-2.0
// FetchCore's stream and timers on the loop, and the queue between loop and caller.
#include "client/internal/fetch_client.h"

#include <algorithm>
#include <chrono>
#include <numeric>
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
    client_.SetConnectionStatus(status.ok() ? TransportError("the broker ended the stream") : status);
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

FetchClient::FetchClient(ClientLoop& loop, BrokerConnection& connection, const FetchCoreOptions& options)
    : loop_(loop), session_(std::make_unique<Session>(*this, loop, connection, options)) {}

FetchClient::~FetchClient() { Shutdown(); }

void FetchClient::Shutdown() {
  loop_.Run([this] { session_->Shutdown(); });
}

StatusOr<std::vector<std::size_t>> FetchClient::Add(const std::vector<FetchFrom>& partitions) {
  std::vector<std::size_t> slots;
  Status status;
  loop_.Run([&] {
    for (const FetchFrom& from : partitions) {
      const StatusOr<std::size_t> slot = session_->core().AddPartition(from.topic, from.partition, from.offset);
      if (!slot.ok()) {
        status = slot.status();
        for (const std::size_t added : slots) session_->core().Remove(added);
        return;
      }
      slots.push_back(*slot);
    }
    session_->Pump();
  });
  CORDWOOD_RETURN_IF_ERROR(status);
  return slots;
}

std::vector<FetchedChunk> FetchClient::Take(absl::Duration timeout, bool* woken) {
  const absl::Duration deadline = Now() + timeout;
  MutexLock lock(mu_);
  while (ahead_.empty() && !woken_) {
    const absl::Duration left = deadline - Now();
    if (left <= absl::ZeroDuration()) break;
    changed_.WaitFor(mu_, absl::ToChronoNanoseconds(std::min(left, absl::Hours(1))));
  }
  if (woken != nullptr) *woken = std::exchange(woken_, false);
  return std::exchange(ahead_, {});
}

void FetchClient::Wakeup() {
  MutexLock lock(mu_);
  woken_ = true;
  changed_.SignalAll();
}

std::size_t FetchClient::untaken_bytes() const {
  MutexLock lock(mu_);
  return std::accumulate(ahead_.begin(), ahead_.end(), std::size_t{0}, [](std::size_t sum, const FetchedChunk& chunk) { return sum + chunk.memory_bytes; });
}

void FetchClient::Consumed(std::size_t memory_bytes) {
  loop_.Post([this, memory_bytes] {
    session_->core().Consumed(memory_bytes);
    session_->Pump();
  });
}

void FetchClient::DropAhead(std::size_t slot) {
  MutexLock lock(mu_);
  std::size_t bytes = 0;
  std::erase_if(ahead_, [&](const FetchedChunk& chunk) {
    if (chunk.slot == slot) bytes += chunk.memory_bytes;
    return chunk.slot == slot;
  });
  session_->core().Consumed(bytes);
}

void FetchClient::Seek(const std::vector<Place>& places) {
  loop_.Run([&] {
    for (const Place& place : places) {
      DropAhead(place.slot);
      session_->core().Seek(place.slot, place.offset);
    }
    session_->Pump();
  });
}

void FetchClient::Silence(const std::vector<std::size_t>& slots) {
  loop_.Run([&] {
    for (const std::size_t slot : slots) {
      DropAhead(slot);
      session_->core().Silence(slot);
    }
    session_->Pump();
  });
}

void FetchClient::Remove(const std::vector<std::size_t>& slots) {
  loop_.Run([&] {
    for (const std::size_t slot : slots) {
      DropAhead(slot);
      session_->core().Remove(slot);
    }
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

Status FetchClient::connection_status() const {
  MutexLock lock(mu_);
  return connection_status_;
}

}  // namespace cordwood::client
