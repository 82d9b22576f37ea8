// SPDX-License-Identifier: Apache-2.0
// What the records of a group say, read without the core: the oracle's view of the log.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "broker/groups/group_records.h"

namespace cordwood::broker {

class LogView {
 public:
  struct Member {
    GroupMember record;
    MemberTarget target;
    MemberCurrent current;
  };

  void Apply(const GroupRecord& record);  // one that the core wrote: aborts if it cannot be read

  const std::map<std::string, std::string>& records() const { return records_; }
  const std::optional<GroupHeader>& header() const { return header_; }
  const std::map<std::string, Member>& members() const { return members_; }
  const std::map<TopicPartition, CommittedOffset>& offsets() const { return offsets_; }
  const std::optional<ReplayJob>& replay() const { return replay_; }
  // Whether this incarnation is a member still.
  bool Lives(const std::string& member, MemberEpoch joined) const;

 private:
  std::map<std::string, std::string> records_;
  std::optional<GroupHeader> header_;
  std::map<std::string, Member> members_;
  std::map<TopicPartition, CommittedOffset> offsets_;
  std::optional<ReplayJob> replay_;
};

}  // namespace cordwood::broker
