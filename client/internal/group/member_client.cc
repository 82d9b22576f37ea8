// SPDX-License-Identifier: Apache-2.0
// The stream Groups/Join on the loop, and the hand-over between the loop and the application's thread.
#include "client/internal/group/member_client.h"

#include <algorithm>
#include <chrono>
#include <utility>

#include "client/internal/rpc_error.h"
#include "storage/base/clock.h"

namespace cordwood::client {
namespace {

constexpr char kJoin[] = "/cordwood.v1.Groups/Join";

absl::Duration Now() { return Clock::System().Monotonic(); }

// Of a commit in many messages.
struct GatheredCommit {
  void Take(std::size_t first, std::vector<Status> statuses) {
    std::move(statuses.begin(), statuses.end(), entries.begin() + static_cast<std::ptrdiff_t>(first));
    if (--missing == 0) callback(std::move(entries));
  }

  std::vector<Status> entries;
  std::size_t missing = 0;
  MemberClient::CommitCallback callback;
};

}  // namespace

MemberClient::MemberClient(ClientLoop& loop, BrokerConnection& connection, MemberCoreOptions options, MemberEvents events)
    : loop_(loop), connection_(connection), events_(std::move(events)), core_(std::move(options), Now()), poll_ended_ns_(absl::ToInt64Nanoseconds(Now())) {
  loop_.Post([this] { Pump(); });
}

void MemberClient::Shutdown() {
  loop_.Run([this] {
    closed_ = true;
    call_.Reset();
    for (ClientLoop::TimerId* timer : {&reopen_timer_, &wake_timer_}) loop_.CancelTimer(std::exchange(*timer, 0));
    callbacks_.clear();
  });
}

void MemberClient::Subscribe(const v1::Subscription& subscription) {
  loop_.Run([&] {
    core_.Subscribe(subscription);
    Pump();
  });
}

void MemberClient::PollBegan() {
  polling_.store(true, std::memory_order_release);
  if (!parked_.load(std::memory_order_acquire)) return;
  loop_.Post([this] { Pump(); });
}

void MemberClient::PollEnded() {
  poll_ended_ns_.store(absl::ToInt64Nanoseconds(Now()), std::memory_order_release);
  polling_.store(false, std::memory_order_release);
}

void MemberClient::Progressed(std::vector<MemberProgressEntry> progress) {
  loop_.Post([this, progress = std::move(progress)] {
    for (const MemberProgressEntry& entry : progress) core_.Progressed(entry.at, entry.position, entry.paused);
  });
}

MemberNews MemberClient::TakeNews() {
  MemberNews news;
  loop_.Run([&] {
    news_.store(false, std::memory_order_release);
    news.changes = core_.TakeChanges();
    news.failure = core_.failure();
    news.replay_changed = core_.TakeReplayChanged();
    news.replay = core_.replay();
    Pump();
  });
  return news;
}

MemberIdentity MemberClient::identity() {
  MemberIdentity identity;
  loop_.Run([&] { identity = {core_.member_id(), core_.epoch(), core_.reason()}; });
  return identity;
}

void MemberClient::GaveUp(std::vector<MemberPlace> revoked) {
  loop_.Post([this, revoked = std::move(revoked)] {
    core_.GaveUp(revoked);
    Pump();
  });
}

void MemberClient::Taken(std::vector<MemberPlace> moved) {
  loop_.Post([this, moved = std::move(moved)] {
    core_.Taken(moved);
    Pump();
  });
}

void MemberClient::Commit(std::vector<MemberCommitEntry> entries, CommitCallback callback) {
  loop_.Post([this, entries = std::move(entries), callback = std::move(callback)]() mutable {
    const auto gathered = std::make_shared<GatheredCommit>();
    gathered->entries.resize(entries.size());
    gathered->callback = std::move(callback);
    std::size_t first = 0;
    std::vector<std::vector<MemberCommitEntry>> messages = InMessages(std::move(entries));
    gathered->missing = messages.size();
    for (std::vector<MemberCommitEntry>& message : messages) {
      const std::size_t count = message.size();
      const auto take = [gathered, first](std::vector<Status> statuses) { gathered->Take(first, std::move(statuses)); };
      const StatusOr<std::uint64_t> seq = core_.Commit(std::move(message), Now());
      if (seq.ok()) {
        callbacks_.emplace(*seq, take);
      } else {
        take(std::vector<Status>(count, seq.status()));
      }
      first += count;
    }
    Pump();
  });
}

bool MemberClient::Leave(absl::Duration timeout) {
  const absl::Duration deadline = Now() + timeout;
  loop_.Post([this] {
    core_.Leave();
    Pump();
  });
  MutexLock lock(mu_);
  while (!left_) {
    const absl::Duration left = deadline - Now();
    if (left <= absl::ZeroDuration()) return false;
    changed_.WaitFor(mu_, absl::ToChronoNanoseconds(std::min(left, absl::Hours(1))));
  }
  return true;
}

void MemberClient::Pump() {
  if (closed_) return;
  const absl::Duration now = Now();
  core_.Polled(polling_.load(std::memory_order_acquire) ? now : absl::Nanoseconds(poll_ended_ns_.load(std::memory_order_acquire)));
  core_.Tick(now);
  FollowMoved();
  if (call_ && !core_.wants_stream()) {
    call_.Reset();
    core_.StreamEnded(absl::OkStatus(), now);
  }
  if (call_ && core_.overdue(now)) {
    call_.Reset();
    Broken(TransportError("the coordinator owes an answer for too long"));
  }
  if (core_.wants_stream() && !call_ && reopen_timer_ == 0) OpenStream();
  SendMessages();
  Tell();
  ArmTimer();
}

void MemberClient::SendMessages() {
  while (call_ && !writing_) {
    const auto message = core_.NextMessage(Now());
    // A call that is over takes nothing; its end is on the way.
    if (!message.has_value() || !call_.Write({message->SerializeAsString()})) return;
    writing_ = true;
  }
}

void MemberClient::FollowMoved() {
  const auto leader = core_.TakeMoved();
  if (!leader.has_value()) return;
  call_.Reset();
  core_.StreamEnded(TransportError("another broker coordinates the group now"), Now());
  Reopen(backoff_.Next());  // brokers that do not agree may name one another in turn
  if (leader->host().empty()) return connection_.MoveOn(channel_);
  elsewhere_ = std::make_unique<BrokerConnection>(std::vector{leader->host() + ":" + std::to_string(leader->port())}, connection_.options());
}

void MemberClient::OpenStream() {
  channel_ = connection().channel();
  writing_ = false;
  CallEvents events;
  // Not sooner: what no connection took was not said.
  events.on_started = [this] {
    core_.StreamOpened(Now());
    Pump();
  };
  events.on_message = [this](const SharedBytes& bytes) {
    v1::CoordinatorMessage message;
    if (!message.ParseFromArray(bytes.view().data(), static_cast<int>(bytes.size())) || !core_.Received(message, Now()).ok()) return call_.Cancel();
    if (message.has_welcome()) backoff_.Reset();
    Pump();
  };
  events.on_written = [this] {
    writing_ = false;
    Pump();
  };
  events.on_end = [this](const Status& status) {
    call_.Reset();
    Broken(status);
    Pump();
  };
  call_ = loop_.Open(channel_, kJoin, std::move(events));
}

void MemberClient::Broken(const Status& status) {
  core_.StreamEnded(status, Now());
  if (IsTransportError(status) || ReasonOf(status) == Reason::kNotCoordinator) {
    if (elsewhere_ != nullptr) {
      elsewhere_.reset();
    } else {
      connection_.MoveOn(channel_);
    }
  }
  if (core_.wants_stream()) Reopen(std::max(backoff_.Next(), RetryAfter(status)));
}

void MemberClient::Reopen(absl::Duration after) {
  if (reopen_timer_ != 0) return;
  reopen_timer_ = loop_.After(after, [this] {
    reopen_timer_ = 0;
    Pump();
  });
}

void MemberClient::Tell() {
  for (MemberCommitAnswer& answer : core_.TakeAnswers()) {
    const auto found = callbacks_.find(answer.seq);
    if (found == callbacks_.end()) continue;
    const CommitCallback callback = std::move(found->second);
    callbacks_.erase(found);
    callback(std::move(answer.entries));
  }
  parked_.store(core_.parked(), std::memory_order_release);
  if (const auto slow = core_.TakeSlowPoll(); slow.has_value() && events_.on_slow_poll) events_.on_slow_poll(*slow);
  const bool doubt = in_doubt_.exchange(core_.in_doubt(), std::memory_order_acq_rel) != core_.in_doubt();
  const bool failed = !core_.failure().ok() && !std::exchange(told_failure_, true);
  const bool news = (core_.has_changes() || failed) && !news_.exchange(true, std::memory_order_acq_rel);
  if (doubt || news) events_.on_news();
  if (!core_.left()) return;
  MutexLock lock(mu_);
  left_ = true;
  changed_.SignalAll();
}

void MemberClient::ArmTimer() {
  loop_.CancelTimer(std::exchange(wake_timer_, 0));
  const absl::Duration wake = core_.next_wake();
  if (wake == absl::InfiniteDuration()) return;
  wake_timer_ = loop_.After(std::max(wake - Now(), absl::Milliseconds(1)), [this] {
    wake_timer_ = 0;
    Pump();
  });
}

}  // namespace cordwood::client
