// SPDX-License-Identifier: Apache-2.0
// A member of a group and a reader of its offsets, over the generated stubs.
#pragma once

#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "cordwood/v1/groups.grpc.pb.h"
#include "tests/support/log_client.h"

namespace cordwood::testing {

class MemberStream : public Stream<v1::MemberMessage, v1::CoordinatorMessage> {
 public:
  explicit MemberStream(const LogClient& client) : stub_(v1::Groups::NewStub(client.channel())) { stream_ = stub_->Join(&context_); }

  bool Join(const v1::JoinRequest& join) {
    v1::MemberMessage message;
    *message.mutable_join() = join;
    return Send(message);
  }
  // Under the epoch of the last target; it has what that said.
  bool Beat() {
    v1::MemberMessage message;
    message.mutable_heartbeat()->set_member_epoch(epoch_);
    v1::TopicPartitionList& owned = *message.mutable_heartbeat()->mutable_owned();
    for (const v1::AssignedPartition& assigned : target_.assigned()) {
      v1::TopicPartitions& topic = *owned.add_topics();
      topic.set_topic_id(assigned.topic_id());
      topic.add_partitions(assigned.partition());
    }
    return Send(message);
  }
  bool Commit(std::uint64_t seq, const std::vector<v1::OffsetEntry>& entries) {
    v1::MemberMessage message;
    message.mutable_commit()->set_seq(seq);
    message.mutable_commit()->set_member_epoch(epoch_);
    for (const v1::OffsetEntry& entry : entries) *message.mutable_commit()->add_entries() = entry;
    return Send(message);
  }
  bool Leave() {
    v1::MemberMessage message;
    message.mutable_leave();
    return Send(message);
  }
  // The next message; its target and epoch are noted. False: the stream has ended.
  bool Next(v1::CoordinatorMessage* message) {
    if (!Read(message)) return false;
    if (message->has_welcome()) epoch_ = message->welcome().member_epoch();
    if (message->has_target()) {
      target_ = message->target();
      epoch_ = target_.member_epoch();
    }
    return true;
  }
  // Reads up to a target with so many partitions and nothing to give up.
  bool AwaitPartitions(int count) {
    v1::CoordinatorMessage message;
    while (Next(&message)) {
      if (message.has_target() && target_.assigned_size() == count && target_.revoke().topics().empty()) return true;
    }
    return false;
  }
  // Reads up to the end.
  Status AwaitEnd() {
    v1::CoordinatorMessage message;
    while (Next(&message)) {
    }
    return Finish();
  }
  // Reads up to the answer of the next commit.
  v1::CommitDone AwaitCommit() {
    v1::CoordinatorMessage message;
    while (Next(&message)) {
      if (message.has_commit_done()) return message.commit_done();
    }
    return {};
  }
  const v1::Target& target() const { return target_; }
  int epoch() const { return epoch_; }
  void set_epoch(int epoch) { epoch_ = epoch; }
  // A place in the i-th partition of the target.
  v1::OffsetEntry Place(int i, std::int64_t offset) const {
    v1::OffsetEntry entry;
    entry.set_topic_id(target_.assigned(i).topic_id());
    entry.set_partition(target_.assigned(i).partition());
    entry.set_offset(offset);
    entry.set_position_epoch(target_.assigned(i).position_epoch());
    return entry;
  }

 private:
  const std::unique_ptr<v1::Groups::Stub> stub_;
  v1::Target target_;
  int epoch_ = 0;
};

inline v1::JoinRequest JoinOf(const std::string& group, const std::string& member, const std::vector<std::string>& topics) {
  v1::JoinRequest join;
  join.set_group(group);
  join.set_member_id(member);
  for (const std::string& topic : topics) join.mutable_subscription()->add_topics(topic);
  return join;
}

}  // namespace cordwood::testing
