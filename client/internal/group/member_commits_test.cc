// SPDX-License-Identifier: Apache-2.0
// How much one commit may say.
#include <gtest/gtest.h>

#include <string>
#include <utility>
#include <vector>

#include "client/internal/group/member_core.h"

namespace cordwood::client {
namespace {

constexpr std::size_t kGroupMessageBytesMax = 1024 * 1024;  // of the broker

// A member that has partition 0 of one topic.
class MemberCommitsTest : public ::testing::Test {
 protected:
  static MemberCoreOptions Options() {
    MemberCoreOptions options;
    options.group = "g";
    options.new_member_id = [] { return std::string("m"); };
    return options;
  }
  MemberCommitsTest() : core_(Options(), now_) {
    core_.StreamOpened(now_);
    (void)core_.NextMessage(now_);
    v1::CoordinatorMessage message;
    message.mutable_welcome()->set_member_epoch(1);
    message.mutable_welcome()->set_heartbeat_interval_ms(5'000);
    message.mutable_welcome()->set_session_timeout_ms(15'000);
    EXPECT_EQ(core_.Received(message, now_), absl::OkStatus());
    message.mutable_target()->set_member_epoch(1);
    auto* assigned = message.mutable_target()->add_assigned();
    assigned->set_topic_id(std::string(16, 't'));
    assigned->set_leader_epoch(3);
    EXPECT_EQ(core_.Received(message, now_), absl::OkStatus());
    place_ = core_.TakeChanges().assigned.at(0);
    while (core_.NextMessage(now_).has_value()) {
    }
  }
  MemberCommitEntry EntryOf(std::size_t metadata_bytes) const { return {place_.at, place_.tenure, Offset(5), LeaderEpoch(2), 0, std::string(metadata_bytes, 'm')}; }

  const absl::Duration now_ = absl::Hours(1);
  MemberCore core_;
  MemberPlace place_;
};

TEST_F(MemberCommitsTest, ALargeCommitGoesInMessagesThatTheBrokerTakes) {
  std::vector<MemberCommitEntry> entries(10'000, EntryOf(kCommitMetadataBytesMax));
  for (std::size_t i = 0; i < entries.size(); ++i) entries[i].offset = Offset(static_cast<std::int64_t>(i));
  std::int64_t next = 0;
  for (std::vector<MemberCommitEntry>& entries_of_one : InMessages(std::move(entries))) {
    for (const MemberCommitEntry& entry : entries_of_one) EXPECT_EQ(entry.offset.value(), next++);
    ASSERT_TRUE(core_.Commit(std::move(entries_of_one), now_).ok());
    const auto message = core_.NextMessage(now_);
    ASSERT_TRUE(message.has_value() && message->has_commit());
    EXPECT_LT(message->ByteSizeLong(), kGroupMessageBytesMax);
  }
  EXPECT_EQ(next, 10'000);
  EXPECT_EQ(InMessages(std::vector<MemberCommitEntry>(6'000)).size(), 1u);
  EXPECT_EQ(InMessages({}).size(), 1u);
}

TEST_F(MemberCommitsTest, LeaderEpochsComeAndGo) {
  EXPECT_EQ(place_.leader_epoch, LeaderEpoch(3));
  ASSERT_TRUE(core_.Commit({EntryOf(0)}, now_).ok());
  const auto message = core_.NextMessage(now_);
  ASSERT_TRUE(message.has_value() && message->has_commit());
  EXPECT_EQ(message->commit().entries(0).leader_epoch(), 2);
}

TEST_F(MemberCommitsTest, AnEntryThatSaysTooMuchIsRefusedBeforeTheStreamIsLostOverIt) {
  ASSERT_TRUE(core_.Commit({EntryOf(2 * kGroupMessageBytesMax), EntryOf(0)}, now_).ok());
  const auto message = core_.NextMessage(now_);
  ASSERT_TRUE(message.has_value() && message->has_commit());
  EXPECT_EQ(message->commit().entries_size(), 1);
  v1::CoordinatorMessage done;
  done.mutable_commit_done()->set_seq(message->commit().seq());
  EXPECT_EQ(core_.Received(done, now_), absl::OkStatus());
  const std::vector<MemberCommitAnswer> answers = core_.TakeAnswers();
  ASSERT_EQ(answers.size(), 1u);
  EXPECT_EQ(ReasonOf(answers[0].entries.at(0)), Reason::kOffsetMetadataTooLarge);
  EXPECT_TRUE(answers[0].entries.at(1).ok());
}

}  // namespace
}  // namespace cordwood::client
