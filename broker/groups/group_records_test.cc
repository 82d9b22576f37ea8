// SPDX-License-Identifier: Apache-2.0
// The records of __consumer_offsets: there and back, and every byte flipped or missing.
#include "broker/groups/group_records.h"

#include <gtest/gtest.h>

#include <functional>
#include <random>

namespace cordwood::broker {
namespace {

TopicPartition At(std::uint8_t topic, std::int32_t partition) {
  TopicPartition at;
  at.topic.bytes[0] = topic;
  at.partition = PartitionIndex(partition);
  return at;
}

const GroupRecordKey kOffsetKey{GroupRecordKind::kOffset, "billing", At(7, 3), {}};
const GroupRecordKey kMemberKey{GroupRecordKind::kMember, "billing", {}, "m-1"};
const CommittedOffset kOffset{Offset(42), LeaderEpoch(5), 1'700'000'000'000, PositionEpoch(2), "orders", "note"};
const GroupHeader kHeader{MemberEpoch(9), MemberEpoch(8), AssignorKind::kRange, -1};
const GroupMember kMember{"till-1", "shop", AssignorKind::kUniform, 300'000, MemberEpoch(4), "ord.*", {"orders", "refunds"}};
const MemberTarget kTarget{At(1, 0), At(1, 2), At(2, 0)};
const GroupRecordKey kReplayKey{GroupRecordKind::kReplay, "billing.replay", {}, {}};
const ReplayJob kReplay{"billing", ReplayState::kPaused, 5'000'000, std::nullopt, 1'700'000'000'000, {{At(1, 0), {Offset(10), Offset(20), 3}}, {At(2, 5), {Offset(7), Offset(7), 0}}}};
const ReplayJob kAtItsPace{"billing", ReplayState::kRunning, 0, ReplayClock{1'600'000'000'000, 250, 1'700'000'000'100}, 1'700'000'000'000, {{At(1, 0), {Offset(10), Offset(20), 0}}}};
const MemberCurrent kCurrent{MemberEpoch(9), {{At(1, 0), {MemberEpoch(4), false}}, {At(2, 5), {MemberEpoch(9), true}}}};

// Each kind of bytes, with what decodes and encodes it again; nullopt if it is refused.
struct Codec {
  std::string bytes;
  std::function<StatusOr<std::string>(std::string_view)> again;
};
template <class T>
std::function<StatusOr<std::string>(std::string_view)> Again(StatusOr<T> (*decode)(std::string_view)) {
  return [decode](std::string_view bytes) -> StatusOr<std::string> {
    CORDWOOD_ASSIGN_OR_RETURN(const T value, decode(bytes));
    return Encode(value);
  };
}
std::vector<Codec> AllKinds() {
  return {{Encode(kOffsetKey), Again(DecodeGroupRecordKey)},  {Encode(kMemberKey), Again(DecodeGroupRecordKey)},
          {Encode(kOffset), Again(DecodeCommittedOffset)},    {Encode(kHeader), Again(DecodeGroupHeader)},
          {Encode(kMember), Again(DecodeGroupMember)},        {Encode(kTarget), Again(DecodeMemberTarget)},
          {Encode(MemberTarget{}), Again(DecodeMemberTarget)}, {Encode(kCurrent), Again(DecodeMemberCurrent)},
          {Encode(kReplayKey), Again(DecodeGroupRecordKey)},  {Encode(kReplay), Again(DecodeReplayJob)},
          {Encode(kAtItsPace), Again(DecodeReplayJob)}};
}

TEST(GroupRecordsTest, WhatIsEncodedIsReadAgain) {
  EXPECT_EQ(*DecodeGroupRecordKey(Encode(kOffsetKey)), kOffsetKey);
  EXPECT_EQ(*DecodeGroupRecordKey(Encode(kMemberKey)), kMemberKey);
  EXPECT_EQ(*DecodeCommittedOffset(Encode(kOffset)), kOffset);
  EXPECT_EQ(*DecodeGroupHeader(Encode(kHeader)), kHeader);
  EXPECT_EQ(*DecodeGroupMember(Encode(kMember)), kMember);
  EXPECT_EQ(*DecodeMemberTarget(Encode(kTarget)), kTarget);
  EXPECT_EQ(*DecodeMemberCurrent(Encode(kCurrent)), kCurrent);
  EXPECT_EQ(*DecodeGroupRecordKey(Encode(kReplayKey)), kReplayKey);
  EXPECT_EQ(*DecodeReplayJob(Encode(kReplay)), kReplay);
  EXPECT_EQ(*DecodeReplayJob(Encode(kAtItsPace)), kAtItsPace);
}

TEST(GroupRecordsTest, TheExampleOfThePageIsTrue) {
  EXPECT_EQ(Encode(GroupRecordKey{GroupRecordKind::kOffset, "g", At(7, 3), {}}),
            std::string("\x01\x01\x00\x01g\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x00\x00\x00\x03", 25));
  EXPECT_EQ(Encode(CommittedOffset{Offset(42), LeaderEpoch(5), 1000, PositionEpoch(2), "orders", ""}),
            std::string("\x01\0\0\0\0\0\0\0\x2A\0\0\0\x05\0\0\0\0\0\0\x03\xE8\0\0\0\x02\0\x06orders\0\0", 35));
}

TEST(GroupRecordsTest, TheReplayJobOfThePageIsTrue) {
  ReplayJob job{"g", ReplayState::kRunning, 5'000'000, std::nullopt, 1000, {{At(7, 3), {Offset(42), Offset(100), 0}}}};
  EXPECT_EQ(Encode(GroupRecordKey{GroupRecordKind::kReplay, "g.replay", {}, {}}), std::string("\x01\x06\x00\x08g.replay", 12));
  EXPECT_EQ(Encode(job), std::string("\x01\x00\x00\x01g\0\0\0\0\0\0\x03\xE8\0\0\0\0\0\x4C\x4B\x40\0\0\0\0\x01", 26) +
                             std::string("\x07\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\0\x01\0\0\0\x03", 24) +
                             std::string("\0\0\0\0\0\0\0\x2A\0\0\0\0\0\0\0\x64\0\0\0\0\0\0\0\0", 24));
}

TEST(GroupRecordsTest, EveryLengthThatIsCutIsRefused) {
  for (const Codec& codec : AllKinds()) {
    for (std::size_t length = 0; length < codec.bytes.size(); ++length) {
      const auto again = codec.again(codec.bytes.substr(0, length));
      // The member id is the rest of its key: cut there, it is another key.
      if (again.ok()) {
        EXPECT_EQ(codec.bytes, Encode(kMemberKey));
        continue;
      }
      EXPECT_EQ(ReasonOf(again.status()), Reason::kStorageError);
    }
  }
}

TEST(GroupRecordsTest, EveryByteThatIsFlippedIsRefusedOrReadAsItIsWritten) {
  for (const Codec& codec : AllKinds()) {
    for (std::size_t bit = 0; bit < codec.bytes.size() * 8; ++bit) {
      std::string bytes = codec.bytes;
      bytes[bit / 8] = static_cast<char>(bytes[bit / 8] ^ (1 << (bit % 8)));
      const auto again = codec.again(bytes);
      if (again.ok()) {
        EXPECT_EQ(*again, bytes);
      } else {
        EXPECT_TRUE(ReasonOf(again.status()) == Reason::kStorageError || ReasonOf(again.status()) == Reason::kFormatTooNew);
      }
    }
  }
}

TEST(GroupRecordsTest, AnyBytesAreRefusedOrReadAsTheyAreWritten) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 20'000; ++i) {
    std::string bytes(random() % 60, '\0');
    for (char& byte : bytes) byte = static_cast<char>(random() % 3 == 0 ? random() : random() % 3);
    if (!bytes.empty()) bytes[0] = 1;
    for (const Codec& codec : AllKinds()) {
      const auto again = codec.again(bytes);
      EXPECT_TRUE(!again.ok() || *again == bytes);
    }
  }
}

TEST(GroupRecordsTest, MoreBytesThanAValueHasAreRefused) {
  EXPECT_EQ(ReasonOf(DecodeCommittedOffset(Encode(kOffset) + "x").status()), Reason::kStorageError);
  EXPECT_EQ(ReasonOf(DecodeGroupHeader(Encode(kHeader) + "x").status()), Reason::kStorageError);
  EXPECT_EQ(ReasonOf(DecodeGroupMember(Encode(kMember) + "x").status()), Reason::kStorageError);
  EXPECT_EQ(ReasonOf(DecodeMemberTarget(Encode(kTarget) + "x").status()), Reason::kStorageError);
  EXPECT_EQ(ReasonOf(DecodeMemberCurrent(Encode(kCurrent) + "x").status()), Reason::kStorageError);
}

TEST(GroupRecordsTest, ANewerVersionIsRefusedByName) {
  for (const Codec& codec : AllKinds()) {
    std::string bytes = codec.bytes;
    bytes[0] = 2;
    EXPECT_EQ(ReasonOf(codec.again(bytes).status()), Reason::kFormatTooNew);
  }
  std::string bytes = Encode(kOffsetKey);
  bytes[1] = 7;
  EXPECT_EQ(ReasonOf(DecodeGroupRecordKey(bytes).status()), Reason::kFormatTooNew);
}

TEST(GroupRecordsTest, WhatIsOutOfOrderOrRangeIsRefused) {
  EXPECT_FALSE(DecodeMemberTarget(Encode(MemberTarget{At(1, 2), At(1, 0)})).ok());
  EXPECT_FALSE(DecodeMemberTarget(Encode(MemberTarget{At(1, 0), At(1, 0)})).ok());
  EXPECT_FALSE(DecodeMemberTarget(Encode(MemberTarget{At(2, 0), At(1, 0)})).ok());
  EXPECT_FALSE(DecodeMemberTarget(Encode(MemberTarget{At(1, -1)})).ok());
  EXPECT_FALSE(DecodeGroupHeader(Encode(GroupHeader{MemberEpoch(1), MemberEpoch(2), AssignorKind::kUniform, -1})).ok());
  EXPECT_FALSE(DecodeMemberCurrent(Encode(MemberCurrent{MemberEpoch(3), {{At(1, 0), {MemberEpoch(4), false}}}})).ok());
  const auto refused = [](const std::function<void(ReplayJob&)>& change) {
    ReplayJob job = kAtItsPace;
    change(job);
    return ReasonOf(DecodeReplayJob(Encode(job)).status()) == Reason::kStorageError;
  };
  EXPECT_FALSE(refused([](ReplayJob&) {}));
  EXPECT_TRUE(refused([](ReplayJob& job) { job.source.clear(); }));
  EXPECT_TRUE(refused([](ReplayJob& job) { job.source.assign(256, 'g'); }));
  EXPECT_TRUE(refused([](ReplayJob& job) { job.ranges.at(At(1, 0)).to = Offset(9); }));
  EXPECT_TRUE(refused([](ReplayJob& job) { job.ranges.at(At(1, 0)).skipped = 11; }));
  EXPECT_TRUE(refused([](ReplayJob& job) { job.ranges.clear(); }));
  EXPECT_TRUE(refused([](ReplayJob& job) { job.bytes_per_second = 1; }));  // beside the original pace
  EXPECT_TRUE(refused([](ReplayJob& job) { job.state = ReplayState::kPaused; }));  // its clock runs
  EXPECT_TRUE(refused([](ReplayJob& job) { job.clock->elapsed_ms = -1; }));
  EXPECT_TRUE(refused([](ReplayJob& job) { job.clock->first_ms = INT64_MAX; }));
  GroupMember member = kMember;
  member.topics = {"b", "a"};
  EXPECT_FALSE(DecodeGroupMember(Encode(member)).ok());
  CommittedOffset offset = kOffset;
  offset.offset = Offset(-1);
  EXPECT_FALSE(DecodeCommittedOffset(Encode(offset)).ok());
  offset = kOffset;
  offset.metadata.assign(kCommitMetadataBytesMax + 1, 'x');
  EXPECT_FALSE(DecodeCommittedOffset(Encode(offset)).ok());
  offset = kOffset;
  offset.commit_ms = INT64_MAX;
  EXPECT_FALSE(DecodeCommittedOffset(Encode(offset)).ok());
  EXPECT_FALSE(DecodeGroupHeader(Encode(GroupHeader{MemberEpoch(1), MemberEpoch(1), AssignorKind::kUniform, INT64_MAX})).ok());
  EXPECT_FALSE(DecodeGroupHeader(Encode(GroupHeader{MemberEpoch(INT32_MAX), MemberEpoch(1), AssignorKind::kUniform, -1})).ok());
  EXPECT_FALSE(DecodeGroupRecordKey(Encode(GroupRecordKey{GroupRecordKind::kGroup, "", {}, {}})).ok());
  EXPECT_FALSE(DecodeGroupRecordKey(Encode(GroupRecordKey{GroupRecordKind::kGroup, std::string(256, 'g'), {}, {}})).ok());
}

}  // namespace
}  // namespace cordwood::broker
