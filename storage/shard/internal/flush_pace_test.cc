// SPDX-License-Identifier: Apache-2.0
// The rate of flushes follows the rate of appends.
#include "storage/shard/internal/flush_pace.h"

#include <gtest/gtest.h>

namespace cordwood {
namespace {

constexpr std::size_t kBuffer = 64 * 1024 * 1024;

class FlushPaceTest : public ::testing::Test {
 protected:
  void SealAfter(absl::Duration filled_in) {
    clock_.Advance(filled_in);
    pace_.OnMemTableSealed(rocksdb::MemTableInfo());
  }

  SimulatedClock clock_;
  FlushPace pace_{kBuffer, clock_};
};

TEST_F(FlushPaceTest, RecoveryIsNotHeldBack) { EXPECT_EQ(pace_.bytes_per_second(), kFlushRateUnlimited); }

TEST_F(FlushPaceTest, ABufferIsWrittenInAQuarterOfTheTimeItTookToFill) {
  SealAfter(absl::Seconds(4));
  EXPECT_EQ(pace_.bytes_per_second(), static_cast<std::int64_t>(kBuffer));
  SealAfter(absl::Seconds(2));
  EXPECT_EQ(pace_.bytes_per_second(), 2 * static_cast<std::int64_t>(kBuffer));
}

TEST_F(FlushPaceTest, AfterADayOfSilenceTheRateIsTheLeast) {
  SealAfter(absl::Hours(24));
  EXPECT_EQ(pace_.bytes_per_second(), kFlushRateMin);
}

TEST_F(FlushPaceTest, ABurstAfterSilenceIsFollowedWithItsFirstBuffer) {
  SealAfter(absl::Hours(24));
  SealAfter(absl::Milliseconds(80));
  EXPECT_GE(pace_.bytes_per_second(), std::int64_t{3} << 30);
}

TEST_F(FlushPaceTest, BuffersThatAreSealedAtOnceAreWrittenAtFullSpeed) {
  SealAfter(absl::ZeroDuration());
  EXPECT_EQ(pace_.bytes_per_second(), kFlushRateUnlimited);
}

TEST_F(FlushPaceTest, WhatIsAddedToOptionsLimitsThem) {
  rocksdb::Options options;
  FlushPace::AddTo(options, kBuffer, clock_);
  ASSERT_EQ(options.listeners.size(), 1u);
  clock_.Advance(absl::Seconds(4));
  options.listeners.front()->OnMemTableSealed(rocksdb::MemTableInfo());
  EXPECT_EQ(options.rate_limiter->GetBytesPerSecond(), static_cast<std::int64_t>(kBuffer));
}

TEST_F(FlushPaceTest, OnceLiftedItStaysSo) {
  rocksdb::Options options;
  FlushPace::AddTo(options, kBuffer, clock_);
  FlushPace::Lift(options);
  clock_.Advance(absl::Hours(24));
  options.listeners.front()->OnMemTableSealed(rocksdb::MemTableInfo());
  EXPECT_EQ(options.rate_limiter->GetBytesPerSecond(), kFlushRateUnlimited);
}

}  // namespace
}  // namespace cordwood
