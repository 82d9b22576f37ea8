// SPDX-License-Identifier: Apache-2.0
// Producer snapshots byte for byte, and what is refused.
#include <gtest/gtest.h>

#include <string>

#include "storage/log/producer_state.h"
#include "storage/log/test_bytes.h"

namespace cordwood {
namespace {

// Producer 42 appended sequences 0-2 at offset 0 and 3 at offset 3, producer 7 sequence 0 at offset 4.
ProducerState Known() {
  const HeaderBatches batches({{42, 1, 0, 3, 0}, {42, 1, 3, 1, 3}, {7, 0, 0, 1, 4}, {-1, -1, -1, 1, 5}});
  ProducerState state;
  for (std::size_t i = 0; i < batches.views().size(); ++i) state.Apply(batches.views()[i], 1'700'000'000'000 + static_cast<int>(i));
  return state;
}

StatusOr<ProducerState> Decode(const std::string& value, ProducerLimits limits = {}) {
  Offset end;
  return ProducerState::Decode(value, limits, &end);
}

// The worked example of docs/reference/on-disk-format.md.
TEST(ProducerSnapshotTest, BytesAreAsDocumented) {
  EXPECT_EQ(ToHex(Known().Encode(Offset(6))),
            "0000000000000006" "0000018bcfe56803" "00000002"
            "0000000000000007" "0000" "0000018bcfe56802" "01" "00000000" "00000000" "0000000000000004"
            "000000000000002a" "0001" "0000018bcfe56801" "02" "00000000" "00000002" "0000000000000000"
                                                              "00000003" "00000003" "0000000000000003");
}

TEST(ProducerSnapshotTest, EmptyStateIsTwentyBytes) {
  EXPECT_EQ(ToHex(ProducerState().Encode(Offset(0))), "0000000000000000" "ffffffffffffffff" "00000000");
}

TEST(ProducerSnapshotTest, DecodeGivesBackStateAndEnd) {
  Offset end;
  const auto decoded = ProducerState::Decode(Known().Encode(Offset(6)), {}, &end);
  ASSERT_TRUE(decoded.ok()) << decoded.status();
  EXPECT_EQ(end, Offset(6));
  EXPECT_EQ(decoded->size(), 2);
  EXPECT_TRUE(decoded->Invariants().ok());
  EXPECT_EQ(decoded->Encode(Offset(6)), Known().Encode(Offset(6)));
}

TEST(ProducerSnapshotTest, EveryWrongLengthIsStorageError) {
  for (const std::string& value : WrongLengths(Known().Encode(Offset(6)))) {
    EXPECT_EQ(ReasonOf(Decode(value).status()), Reason::kStorageError) << value.size();
  }
}

TEST(ProducerSnapshotTest, FlippedByteIsRefusedOrAnotherSoundState) {
  for (const std::string& value : FlippedBytes(Known().Encode(Offset(6)))) {
    Offset end(-7);
    const auto state = ProducerState::Decode(value, {}, &end);
    if (!state.ok()) {
      EXPECT_EQ(ReasonOf(state.status()), Reason::kStorageError);
      EXPECT_EQ(end, Offset(-7));
      continue;
    }
    EXPECT_TRUE(state->Invariants().ok()) << state->Invariants();
    if (state->size() == 2) {   // else a flipped time has let them expire
      EXPECT_EQ(ToHex(state->Encode(end)), ToHex(value));
    }
  }
}

TEST(ProducerSnapshotTest, CountBeyondTheValueAllocatesNothing) {
  std::string value = Known().Encode(Offset(6));
  value.replace(16, 4, "\xFF\xFF\xFF\xFF");
  EXPECT_EQ(MessageOf(Decode(value).status()), "producer snapshot: too short");
}

TEST(ProducerSnapshotTest, BatchBeyondTheEndIsRefused) {
  EXPECT_EQ(MessageOf(Decode(Known().Encode(Offset(4))).status()), "producer snapshot: producer 7 has a batch beyond the end");
}

TEST(ProducerSnapshotTest, SameProducerTwiceIsRefused) {
  std::string value = Known().Encode(Offset(6));
  value.replace(20 + 35, 8, value, 20, 8);
  EXPECT_EQ(MessageOf(Decode(value).status()), "producer snapshot: producer 7 after 7");
}

TEST(ProducerSnapshotTest, ProducerWithoutBatchesIsRefused) {
  const std::string value =
      FromHex("0000000000000006 0000000000000001 00000001 0000000000000007 0000 0000000000000001 00") + std::string(16, '\0');
  EXPECT_EQ(ReasonOf(Decode(value).status()), Reason::kStorageError);
  EXPECT_EQ(ReasonOf(Decode(value.substr(0, value.size() - 16)).status()), Reason::kStorageError);
}

TEST(ProducerSnapshotTest, ShorterExpirationForgetsAtOnce) {
  const auto state = Decode(Known().Encode(Offset(6)), {.producers_max = 10, .expiration_ms = 1});
  ASSERT_TRUE(state.ok()) << state.status();
  EXPECT_EQ(state->size(), 1);
}

TEST(ProducerSnapshotTest, MoreProducersThanTheBoundAreKept) {
  EXPECT_EQ(Decode(Known().Encode(Offset(6)), {.producers_max = 1, .expiration_ms = 1000})->size(), 2);
}

}  // namespace
}  // namespace cordwood
