// SPDX-License-Identifier: Apache-2.0
#include "storage/log/log_fragments.h"

#include <gtest/gtest.h>

#include "storage/log/log_cut.h"

namespace cordwood {
namespace {

TEST(LogFragmentsTest, ARecordHasAHeaderInEachBlockThatItTouches) {
  EXPECT_EQ(EndOfLogRecord(0, 100), 107u);
  EXPECT_EQ(EndOfLogRecord(107, 100), 214u);
  EXPECT_EQ(EndOfLogRecord(0, kLogBlockBytes - 7), kLogBlockBytes);
  EXPECT_EQ(EndOfLogRecord(0, kLogBlockBytes - 6), kLogBlockBytes + 8);
  EXPECT_EQ(EndOfLogRecord(10, 3 * kLogBlockBytes), 10 + 3 * kLogBlockBytes + 4 * 7);
}

TEST(LogFragmentsTest, ABlocksEndThatHoldsNoHeaderIsSkipped) {
  EXPECT_EQ(EndOfLogRecord(kLogBlockBytes - 6, 1), kLogBlockBytes + 8);
  EXPECT_EQ(EndOfLogRecord(kLogBlockBytes - 7, 1), kLogBlockBytes + 8);  // behind a fragment of nothing
}

TEST(LogCutTest, SaysWhereAndWhatFollows) {
  EXPECT_EQ(Describe(LogCut{"000012.log", 4711, 99, 0}), "byte 4711 of 000012.log, behind sequence 99: what follows is torn");
  EXPECT_EQ(Describe(LogCut{"000012.log", 4711, 99, 120}),
            "byte 4711 of 000012.log, behind sequence 99: sequence 120 follows, what was between is lost");
}

}  // namespace
}  // namespace cordwood
