// SPDX-License-Identifier: Apache-2.0
#include "broker/groups/group_state.h"

#include <gtest/gtest.h>

namespace cordwood::broker {
namespace {

GroupMember Instance(const std::string& instance_id) {
  GroupMember member;
  member.instance_id = instance_id;
  member.rebalance_timeout_ms = 1000;
  member.joined_epoch = MemberEpoch(1);
  return member;
}

TEST(GroupStateTest, AnInstanceIdIsFoundWhereverItsMemberCameFrom) {
  GroupState state("g");
  GroupHeader header;
  header.group_epoch = header.assignment_epoch = MemberEpoch(1);
  state.SetHeader(header);
  state.SetMember("a", Instance("till-1"));
  state.SetMember("b", Instance("till-2"));
  state.SetMember("c", Instance(""));
  state.SetMember("b", Instance("till-3"));
  state.EraseMember("a");
  for (const char* member : {"b", "c"}) state.SetEpoch(member, MemberEpoch(1));
  auto holders = [](const GroupState& of) {
    std::string all;
    for (const char* instance : {"till-1", "till-2", "till-3", ""}) all += of.HolderOfInstance(instance) + ";";
    return all;
  };
  EXPECT_EQ(holders(state), ";;b;;");
  EXPECT_EQ(state.Invariants(), absl::OkStatus());
  GroupState replayed("g");
  for (const auto& [key, value] : state.Snapshot()) ASSERT_EQ(replayed.Apply(DecodeGroupRecordKey(key).value(), value), absl::OkStatus());
  ASSERT_EQ(replayed.FinishReplay(), absl::OkStatus());
  EXPECT_EQ(holders(replayed), ";;b;;");
  EXPECT_EQ(replayed.Snapshot(), state.Snapshot());
}

}  // namespace
}  // namespace cordwood::broker
