// SPDX-License-Identifier: Apache-2.0
// The end that comes whether the broker is ready for it or not, and how signals arrive.
#include "broker/server/process_setup.h"

#include <gtest/gtest.h>
#include <signal.h>
#include <unistd.h>

#include "broker/server/event_log.h"

namespace cordwood::broker {
namespace {

TEST(ShutdownDeadlineDeathTest, StopThatTakesTooLongEndsWithCode1AndALine) {
  GTEST_FLAG_SET(death_test_style, "threadsafe");
  EXPECT_EXIT(
      {
        const ShutdownDeadline deadline(absl::Milliseconds(20));
        pause();
      },
      ::testing::ExitedWithCode(1), "error not stopped after shutdown.timeout.ms = 20");
}

TEST(ShutdownDeadlineTest, StopInTimeEndsNothing) {
  { const ShutdownDeadline deadline(absl::Hours(1)); }
  SUCCEED();
}

TEST(StopSignalTest, TermAndInterruptAreWaitedForAndNothingElse) {
  BlockStopSignals();
  EXPECT_FALSE(AwaitStopSignal(absl::ZeroDuration()));
  for (const int signal : {SIGTERM, SIGINT}) {
    kill(getpid(), signal);
    EXPECT_TRUE(AwaitStopSignal(absl::Seconds(10)));
  }
}

TEST(ConnectionsWithinTest, StorageKeepsItsShareOfTheFiles) {
  EXPECT_EQ(ConnectionsWithin(10'000, 1'048'576), 10'000);
  EXPECT_EQ(ConnectionsWithin(10'000, 12'000), 7'904);
  EXPECT_EQ(ConnectionsWithin(10'000, 1'024), 512);
  EXPECT_EQ(ConnectionsWithin(100, UINT64_MAX), 100);
}

TEST(EventLogTest, LineHasTimeLevelAndTextWithoutNewlines) {
  ::testing::internal::CaptureStderr();
  LogEvent(EventLevel::kWarning, "a\nb");
  const std::string line = ::testing::internal::GetCapturedStderr();
  ASSERT_EQ(line.size(), 24 + 7 + 4u);
  EXPECT_EQ(line.substr(23), "Z warn  a b\n");
  EXPECT_EQ(line[10], 'T');
}

}  // namespace
}  // namespace cordwood::broker
