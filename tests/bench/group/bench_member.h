// SPDX-License-Identifier: Apache-2.0
// A member of a group that does what it is told and nothing else, as cheap as it can be: thousands live on one thread.
#pragma once

#include <deque>
#include <functional>
#include <memory>
#include <set>
#include <string>
#include <utility>

#include "client/internal/call.h"
#include "cordwood/v1/groups.pb.h"

namespace cordwood::testing {

using OwnedPartition = std::pair<std::string, int>;  // topic id, partition

// Owns what its last target gave it, says so at once, and beats as often as it is asked to. Ends the process when the stream ends.
// Threading: the loop's thread only, destruction too.
class BenchMember {
 public:
  // May be empty.
  struct Events {
    std::function<void(BenchMember& member)> on_target;  // its partitions are those of the new target already
    std::function<void()> on_beat;                       // before a heartbeat is written
  };

  BenchMember(client::ClientLoop& loop, std::shared_ptr<grpc::Channel> channel, v1::JoinRequest join, Events events)
      : loop_(loop), channel_(std::move(channel)), join_(std::move(join)), events_(std::move(events)) {}
  ~BenchMember();  // without a word, as a process that is killed
  BenchMember(const BenchMember&) = delete;
  BenchMember& operator=(const BenchMember&) = delete;

  void Join();
  const std::set<OwnedPartition>& owned() const { return owned_; }

 private:
  void Take(const SharedBytes& bytes);
  void Follow(const v1::Target& target);
  void Beat(bool with_owned);
  void BeatLater();
  void Write(const v1::MemberMessage& message);
  void WriteNext();

  client::ClientLoop& loop_;
  const std::shared_ptr<grpc::Channel> channel_;
  const v1::JoinRequest join_;
  const Events events_;
  client::Call::Handle call_;
  std::deque<std::string> unwritten_;  // the first one is on its way while writing_
  bool writing_ = false;
  std::set<OwnedPartition> owned_;
  int epoch_ = 0;
  absl::Duration interval_;
  client::ClientLoop::TimerId timer_ = 0;
};

}  // namespace cordwood::testing
