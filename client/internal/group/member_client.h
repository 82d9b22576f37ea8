// SPDX-License-Identifier: Apache-2.0
// A member's stream to its coordinator: MemberCore with a clock, timers and a connection. It stays in the group without any thread of the user.
#pragma once

#include <atomic>
#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/time/time.h"
#include "client/internal/broker_connection.h"
#include "client/internal/call.h"
#include "client/internal/group/member_core.h"
#include "storage/base/mutex.h"

namespace cordwood::client {

// On the loop's thread.
struct MemberEvents {
  std::function<void()> on_news;  // TakeNews() has something to say, or in_doubt() is another
  std::function<void(absl::Duration)> on_slow_poll;
};

struct MemberNews {
  MemberChanges changes;
  bool replay_changed = false;
  std::optional<MemberReplay> replay;  // nullopt: the group is no replay job
  Status failure;  // not OK: no member any more, for good
};

struct MemberIdentity {
  std::string member_id;
  std::int32_t epoch = 0;
  std::string reason;  // for people
};

struct MemberProgressEntry {
  GroupPartition at;
  Offset position;
  bool paused = false;
};

// Threading: the application's thread, one at a time. `loop` and `connection` must outlive it.
class MemberClient {
 public:
  using CommitCallback = std::function<void(std::vector<Status> entries)>;  // on the loop's thread, once

  MemberClient(ClientLoop& loop, BrokerConnection& connection, MemberCoreOptions options, MemberEvents events);
  ~MemberClient() { Shutdown(); }
  MemberClient(const MemberClient&) = delete;
  MemberClient& operator=(const MemberClient&) = delete;

  void Subscribe(const v1::Subscription& subscription);
  void PollBegan();
  void PollEnded();
  void Progressed(std::vector<MemberProgressEntry> progress);
  bool has_news() const { return news_.load(std::memory_order_acquire); }
  bool in_doubt() const { return in_doubt_.load(std::memory_order_acquire); }
  MemberNews TakeNews();
  MemberIdentity identity();
  void GaveUp(std::vector<MemberPlace> revoked);
  void Taken(std::vector<MemberPlace> moved);
  void Commit(std::vector<MemberCommitEntry> entries, CommitCallback callback);
  // Waits until the coordinator knows, or for `timeout`: then it will notice by the session timeout.
  bool Leave(absl::Duration timeout);
  // Nothing happens any more; open commits fail. Waits for nobody. Idempotent.
  void Shutdown();

 private:
  // All on the loop.
  void Pump();
  void OpenStream();
  void SendMessages();
  void Broken(const Status& status);
  void Reopen(absl::Duration after);
  void FollowMoved();
  void Tell();
  void ArmTimer();
  BrokerConnection& connection() { return elsewhere_ != nullptr ? *elsewhere_ : connection_; }

  ClientLoop& loop_;
  BrokerConnection& connection_;
  const MemberEvents events_;

  // The loop's thread.
  MemberCore core_;
  std::unique_ptr<BrokerConnection> elsewhere_;  // to the coordinator that Moved named
  std::shared_ptr<grpc::Channel> channel_;       // of call_
  Call::Handle call_;
  bool writing_ = false;
  bool closed_ = false;
  bool told_failure_ = false;
  Backoff backoff_;
  ClientLoop::TimerId reopen_timer_ = 0;
  ClientLoop::TimerId wake_timer_ = 0;
  std::map<std::uint64_t, CommitCallback> callbacks_;  // by seq

  std::atomic<bool> news_{false};
  std::atomic<bool> in_doubt_{false};
  std::atomic<bool> parked_{false};
  std::atomic<bool> polling_{false};
  std::atomic<std::int64_t> poll_ended_ns_;  // monotonic; written by the application, read by the loop

  Mutex mu_;
  CondVar changed_;
  bool left_ ABSL_GUARDED_BY(mu_) = false;
};

}  // namespace cordwood::client
