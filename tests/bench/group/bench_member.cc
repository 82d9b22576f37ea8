// SPDX-License-Identifier: Apache-2.0
#include "tests/bench/group/bench_member.h"

#include "storage/base/check.h"
#include "tests/bench/group/groups_bench.h"

namespace cordwood::testing {

void BenchMember::Join() {
  client::CallEvents events;
  events.on_started = [] {};
  events.on_message = [this](const SharedBytes& bytes) { Take(bytes); };
  events.on_written = [this] {
    unwritten_.pop_front();
    writing_ = false;
    WriteNext();
  };
  events.on_end = [](const Status& status) { Fail("a membership stream ended: " + MessageOf(status)); };
  call_ = loop_.Open(channel_, "/cordwood.v1.Groups/Join", std::move(events));
  v1::MemberMessage message;
  *message.mutable_join() = join_;
  Write(message);
}

BenchMember::~BenchMember() { loop_.CancelTimer(timer_); }

void BenchMember::Take(const SharedBytes& bytes) {
  v1::CoordinatorMessage message;
  CORDWOOD_CHECK(message.ParseFromString(std::string(bytes.view())));
  if (message.has_welcome()) {
    epoch_ = message.welcome().member_epoch();
    interval_ = absl::Milliseconds(message.welcome().heartbeat_interval_ms());
    BeatLater();
  }
  if (message.has_target()) Follow(message.target());
}

void BenchMember::Follow(const v1::Target& target) {
  epoch_ = target.member_epoch();
  owned_.clear();
  for (const v1::AssignedPartition& assigned : target.assigned()) owned_.emplace(assigned.topic_id(), assigned.partition());
  if (events_.on_target) events_.on_target(*this);
  loop_.CancelTimer(timer_);
  Beat(true);
  BeatLater();
}

void BenchMember::Beat(bool with_owned) {
  v1::MemberMessage message;
  v1::Heartbeat& beat = *message.mutable_heartbeat();
  beat.set_member_epoch(epoch_);
  if (with_owned) {
    v1::TopicPartitionList& list = *beat.mutable_owned();
    for (const auto& [topic, partition] : owned_) {
      if (list.topics().empty() || list.topics().rbegin()->topic_id() != topic) list.add_topics()->set_topic_id(topic);
      list.mutable_topics(list.topics_size() - 1)->add_partitions(partition);
    }
  }
  if (events_.on_beat) events_.on_beat();
  Write(message);
}

void BenchMember::BeatLater() {
  timer_ = loop_.After(interval_, [this] {
    Beat(false);
    BeatLater();
  });
}

void BenchMember::Write(const v1::MemberMessage& message) {
  unwritten_.push_back(message.SerializeAsString());
  WriteNext();
}

void BenchMember::WriteNext() {
  if (writing_ || unwritten_.empty()) return;
  writing_ = call_.Write({unwritten_.front()});
}

}  // namespace cordwood::testing
