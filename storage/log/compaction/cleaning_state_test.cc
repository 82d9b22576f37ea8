// SPDX-License-Identifier: Apache-2.0
#include "storage/log/compaction/cleaning_state.h"

#include <gtest/gtest.h>

#include "storage/log/test_bytes.h"

namespace cordwood {
namespace {

constexpr std::int64_t kHour = 3600 * 1000;

CleaningState Sample() {
  CleaningState state;
  state.clean_end = Offset(1000);
  state.gaps_end = Offset(990);
  state.tombstones_gone_to = Offset(100);
  state.bytes_before_clean_end = 4096;
  state.clean_bytes = 512;
  state.tombstones = 7;
  state.runs = 3;
  state.last_run = {1'700'000'000'000, 250, 9000, 3584, 42};
  state.marks = {{Offset(500), 1'699'999'000'000}, {Offset(1000), 1'700'000'000'000}};
  return state;
}

TEST(CleaningStateTest, BytesAreAsDocumented) {
  EXPECT_EQ(ToHex(Encode(Sample())),
            "01"  "00000000000003e8"  "00000000000003de"  "0000000000000064"  "0000000000001000"  "0000000000000200"  "0000000000000007"
            "0000000000000003"  "0000018bcfe56800"  "00000000000000fa"  "0000000000002328"  "0000000000000e00"  "000000000000002a"
            "02"  "00000000000001f4"  "0000018bcfd625c0"  "00000000000003e8"  "0000018bcfe56800");
}

TEST(CleaningStateTest, DamageIsRefusedOrAnotherValue) {
  const std::string whole = Encode(Sample());
  EXPECT_EQ(Encode(DecodeCleaningState(whole).value()), whole);
  for (std::size_t size = 0; size < whole.size(); ++size) EXPECT_EQ(ReasonOf(DecodeCleaningState(whole.substr(0, size)).status()), Reason::kStorageError) << size;
  EXPECT_FALSE(DecodeCleaningState(whole + "x").ok());
  for (std::size_t bit = 0; bit < whole.size() * 8; ++bit) {
    std::string flipped = whole;
    flipped[bit / 8] = static_cast<char>(flipped[bit / 8] ^ (1 << bit % 8));
    const auto decoded = DecodeCleaningState(flipped);
    if (decoded.ok()) {
      EXPECT_EQ(Encode(*decoded), flipped) << bit;
    }
  }
}

TEST(CleaningStateTest, RecordsThatMakeNoSenseAreRefused) {
  const auto refused = [](void (*change)(CleaningState&)) {
    CleaningState state = Sample();
    change(state);
    return ReasonOf(DecodeCleaningState(Encode(state)).status()) == Reason::kStorageError;
  };
  EXPECT_TRUE(refused([](CleaningState& s) { s.clean_end = Offset(-1); }));
  EXPECT_TRUE(refused([](CleaningState& s) { s.tombstones_gone_to = Offset(1001); }));
  EXPECT_TRUE(refused([](CleaningState& s) { s.clean_bytes = 1ULL << 63; }));
  EXPECT_TRUE(refused([](CleaningState& s) { s.marks[1].end = Offset(1001); }));
  EXPECT_TRUE(refused([](CleaningState& s) { s.marks[0].end = Offset(1000), s.marks[1].end = Offset(999); }));
  EXPECT_TRUE(refused([](CleaningState& s) { s.marks.resize(65); }));
}

TEST(CleaningStateTest, TombstonesGoWhenTheLogHasBeenCleanUpToThemForTheRetention) {
  CleaningState state;
  state.clean_end = Offset(100);
  state.AddMark(Offset(100), 10 * kHour, 24 * kHour, Offset(0));
  EXPECT_EQ(state.TombstonesFrom(34 * kHour - 1, 24 * kHour), Offset(0));
  EXPECT_EQ(state.TombstonesFrom(34 * kHour, 24 * kHour), Offset(100));
  EXPECT_EQ(state.TombstonesFrom(5 * kHour, 0), Offset(0));  // the clock was set back
}

TEST(CleaningStateTest, ALogThatIsCleanedAllTheTimeLetsItsTombstonesGo) {
  CleaningState state;
  std::int64_t offset = 0;
  for (std::int64_t now = 0; now < 60 * kHour; now += 60'000) {
    const Offset gone = state.TombstonesFrom(now, 24 * kHour);
    state.clean_end = Offset(++offset);
    state.AddMark(state.clean_end, now, 24 * kHour, gone);
    ASSERT_LE(state.marks.size(), 20u);
    ASSERT_TRUE(DecodeCleaningState(Encode(state)).ok());
  }
  // A record cleaned n minutes ago is at offset - n: at least 24 hours, at most a sixteenth more.
  EXPECT_LE(state.tombstones_gone_to, Offset(offset - 24 * 60));
  EXPECT_GE(state.tombstones_gone_to, Offset(offset - 24 * 60 - 2 * 24 * 60 / 16));
}

TEST(CleaningStateTest, MarksAreBoundedWhateverTheRetention) {
  CleaningState state;
  for (std::int64_t i = 1; i < 1000; ++i) {
    state.clean_end = Offset(i);
    state.AddMark(state.clean_end, i * kHour, 16, Offset(0));
    ASSERT_LE(state.marks.size(), kCleanMarksMax);
    ASSERT_TRUE(DecodeCleaningState(Encode(state)).ok());
  }
}

TEST(CleaningUrgencyTest, DirtyLogsAreDueByRatio) {
  CleaningState state;
  const CompactionLimits limits;
  EXPECT_EQ(CleaningUrgency(state, {}, limits, 0), std::nullopt);  // empty
  EXPECT_EQ(CleaningUrgency(state, {Offset(0), 100, 100, -1}, limits, 0), 1.0);
  state.clean_end = Offset(50);
  state.bytes_before_clean_end = 1000;
  state.clean_bytes = 100;
  EXPECT_EQ(CleaningUrgency(state, {Offset(0), 1099, 1099, -1}, limits, 0), std::nullopt);
  EXPECT_EQ(CleaningUrgency(state, {Offset(0), 1100, 1100, -1}, limits, 0), 0.5);
  EXPECT_EQ(DirtyRatio(state, {Offset(50), 1100, 100, -1}), 1.0);  // what was clean is gone
}

TEST(CleaningUrgencyTest, WhatIsDirtyForTooLongComesFirst) {
  CleaningState state;
  CompactionLimits limits;
  limits.min_dirty_ratio = 1;
  limits.max_lag_ms = 1000;
  state.clean_end = Offset(50);
  state.bytes_before_clean_end = state.clean_bytes = 1000;
  EXPECT_EQ(CleaningUrgency(state, {Offset(0), 1001, 1001, 5000}, limits, 5999), std::nullopt);
  EXPECT_GT(CleaningUrgency(state, {Offset(0), 1001, 1001, 5000}, limits, 6000), 1.0);
  EXPECT_EQ(CleaningUrgency(state, {Offset(0), 1000, 1000, -1}, limits, 6000), std::nullopt);
}

TEST(CleaningUrgencyTest, TombstonesWhoseTimeIsUpMakeACleanLogDueOnce) {
  CleaningState state;
  const CompactionLimits limits;
  state.clean_end = Offset(50);
  state.bytes_before_clean_end = state.clean_bytes = 1000;
  state.AddMark(Offset(50), 0, limits.delete_retention_ms, Offset(0));
  const CleaningFacts facts{Offset(0), 1000, 1000, -1};
  EXPECT_EQ(CleaningUrgency(state, facts, limits, 25 * kHour), std::nullopt);  // it has none
  state.tombstones = 1;
  EXPECT_EQ(CleaningUrgency(state, facts, limits, 23 * kHour), std::nullopt);
  EXPECT_EQ(CleaningUrgency(state, facts, limits, 24 * kHour), 0.0);
  state.AddMark(Offset(50), 24 * kHour, limits.delete_retention_ms, Offset(50));
  EXPECT_EQ(CleaningUrgency(state, facts, limits, 99 * kHour), std::nullopt);
}

}  // namespace
}  // namespace cordwood
