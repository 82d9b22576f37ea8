// SPDX-License-Identifier: Apache-2.0
// What members hear, in words.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "broker/groups/coordinator/group_input.h"

namespace cordwood::broker {

// What each stream was told, in words: "welcome 1", "target 2: t-0@5", "target 3: t-0@5; revoke t-1", "positions t-0@0/1", "replay 500 B/s", "committed 7", "end REASON".
class Ear final : public GroupListener {
 public:
  void OnTells(const std::vector<StreamTell>& tells, const TopicView& topics) override {
    for (const StreamTell& tell : tells) heard[tell.stream].push_back(Words(tell, topics));
  }
  std::map<StreamId, std::vector<std::string>> heard;

 private:
  static std::string Name(const TopicPartition& at, const TopicView& topics) {
    return absl::StrCat(topics.names.contains(at.topic) ? topics.names.at(at.topic) : "?", "-", at.partition.value());
  }
  static std::string Name(const AssignedPartition& assigned, const TopicView& topics) {
    std::string name = absl::StrCat(" ", Name(assigned.at, topics), "@", assigned.offset.has_value() ? ToString(*assigned.offset) : "none");
    if (assigned.position_epoch > PositionEpoch(0)) absl::StrAppend(&name, "/", assigned.position_epoch.value());
    if (assigned.end.has_value()) absl::StrAppend(&name, "..", assigned.end->value());
    return name;
  }
  static std::string Words(const StreamTell& tell, const TopicView& topics) {
    std::string words;
    if (const auto* welcome = std::get_if<TellWelcome>(&tell.what)) return absl::StrCat("welcome ", welcome->epoch.value());
    if (const auto* target = std::get_if<TellTarget>(&tell.what)) {
      words = absl::StrCat("target ", target->epoch.value(), ":");
      for (const AssignedPartition& assigned : target->assigned) words += Name(assigned, topics);
      if (!target->revoke.empty()) words += "; revoke";
      for (const TopicPartition& at : target->revoke) words += " " + Name(at, topics);
    } else if (const auto* positions = std::get_if<TellPositions>(&tell.what)) {
      words = "positions";
      for (const AssignedPartition& assigned : positions->positions) words += Name(assigned, topics);
    } else if (const auto* replay = std::get_if<TellReplay>(&tell.what)) {
      words = absl::StrCat("replay ", std::string(ReplayStateName(replay->replay.state, replay->replay.done)), " ", replay->replay.bytes_per_second, " B/s");
    } else if (const auto* done = std::get_if<CommitDone>(&tell.what)) {
      words = absl::StrCat("committed ", done->request);
      for (const Status& entry : done->entries) words += " " + std::string(entry.ok() ? "OK" : ReasonName(ReasonOf(entry)));
    } else if (const auto* end = std::get_if<EndStream>(&tell.what)) {
      words = "end " + std::string(end->status.ok() ? "OK" : ReasonName(ReasonOf(end->status)));
    }
    return words;
  }
};

}  // namespace cordwood::broker
