// SPDX-License-Identifier: Apache-2.0
// What a Consumer is made of.
#pragma once

#include <atomic>
#include <chrono>
#include <cstddef>
#include <map>
#include <memory>
#include <optional>
#include <utility>
#include <vector>

#include "client/connection.h"
#include "client/consumer_offsets.h"
#include "client/group/group_offsets.h"
#include "client/internal/call.h"
#include "client/internal/fetch_client.h"
#include "client/read_ahead.h"
#include "cordwood/consumer.h"

namespace cordwood {

// Threading: as Consumer.
struct Consumer::State {
  struct Assigned {
    std::size_t slot = 0;
    std::optional<Failure> failure;  // silent until it is sought elsewhere or assigned anew
  };
  using Assignment = std::map<TopicPartition, Assigned>;

  class Group;

  State(std::shared_ptr<client::SharedConnection> shared, const ConsumerOptions& wanted);
  ~State();

  std::optional<Failure> Ended() const;  // why no call will do any more

  using Places = std::vector<std::pair<TopicPartition, Position>>;
  Result<void> Assign(Places places);
  void Unassign(Assignment::iterator assigned);
  Result<void> Seek(const Places& places);
  // `located` are those of `fresh`, which `next` does not hold yet.
  Result<void> Replace(Assignment next, const Places& fresh, const std::vector<client::LocatedPartition>& located);
  void SeekTo(const std::vector<std::pair<Assignment::iterator, Offset>>& offsets);
  void Pause(Assignment::iterator assigned);
  void Resume(Assignment::iterator assigned);
  Result<void> Subscribe(const std::vector<std::string>& topics, std::string_view pattern);
  Result<void> Unsubscribe(Consumer& self, std::chrono::milliseconds timeout);
  Result<void> Close(Consumer& self, std::chrono::milliseconds timeout);
  void Stop();  // without a word to the group

  Result<std::vector<ConsumerRecord>> Poll(Consumer& self, std::chrono::milliseconds timeout);
  Result<std::vector<ConsumerRecord>> PollUntil(Consumer& self, absl::Duration deadline);
  // kInvalidRequest: in a rebalance callback; kShuttingDown: closed.
  Result<void> CheckCall(const char* call) const;
  // kInvalidConfig: no group id.
  Result<void> CheckGroup() const;
  // Waits for it for request_timeout, or until call_deadline.
  Result<void> Await(Future<void> commit) const;
  // What there is now: records, or a failure that comes for the first time.
  Result<std::vector<ConsumerRecord>> TakeReady();
  // True: the policy had an answer, and the partition goes on there.
  bool Reset(Assignment::iterator assigned, const client::ReadAhead::Failed& failure);
  // They take turns; nullptr: nobody has failed, or only paused partitions.
  const Failure* NextOldFailure();
  void GiveBack();

  std::shared_ptr<client::SharedConnection> connection;
  const ConsumerOptions options;
  client::ClientLoop loop{"cw-consumer"};
  client::FetchClient fetch;
  client::ReadAhead ahead;
  Assignment assignment;
  std::vector<Assignment::iterator> by_slot;
  std::size_t failed = 0;        // partitions with a failure
  TopicPartition last_told{};    // whose failure Poll() gave last
  std::size_t to_give_back = 0;  // taken from `ahead`, not said to `fetch` yet
  bool closed = false;
  std::atomic<bool> wanted_awake{false};  // Wakeup() was called
  std::shared_ptr<CallbackThread> callback_thread;
  client::GroupOffsets group_offsets;
  absl::Duration call_deadline = absl::InfiniteDuration();  // of the Close() or Unsubscribe() under way
  std::unique_ptr<Group> group;  // null: not subscribed
};

}  // namespace cordwood
