// SPDX-License-Identifier: Apache-2.0
// When an index entry or a snapshot is due, and what the entry says.
#include "storage/log/index_pacer.h"

#include <gtest/gtest.h>

namespace cordwood {
namespace {

TEST(IndexPacerTest, EntryIsDueAtOneMebibyte) {
  IndexPacer pacer;
  pacer.OnAppend(Offset(10), kIndexEveryBytes - 1, 500, 1000);
  EXPECT_FALSE(pacer.Due().has_value());
  pacer.OnAppend(Offset(11), 1, 400, 1001);
  ASSERT_TRUE(pacer.Due().has_value());
  EXPECT_EQ(pacer.Due()->offset, Offset(11));
  EXPECT_EQ(pacer.Due()->bytes_before, kIndexEveryBytes);
  EXPECT_EQ(pacer.Due()->max_timestamp_ms, 500);  // of the first batch: so far, not of the last
  EXPECT_EQ(pacer.Due()->append_ms, 1001);
}

TEST(IndexPacerTest, NextEntryCountsFromTheOneWritten) {
  IndexPacer pacer;
  pacer.OnAppend(Offset(1), kIndexEveryBytes + 100, 0, 0);
  pacer.OnWritten(*pacer.Due());
  EXPECT_FALSE(pacer.Due().has_value());
  pacer.OnAppend(Offset(2), kIndexEveryBytes - 1, 0, 0);
  EXPECT_FALSE(pacer.Due().has_value());
  pacer.OnAppend(Offset(3), 1, 0, 0);
  EXPECT_EQ(pacer.Due()->offset, Offset(3));
}

TEST(IndexPacerTest, RetentionCheckTakesAnyGrowthOnce) {
  IndexPacer pacer;
  EXPECT_FALSE(pacer.Due(true).has_value());
  pacer.OnAppend(Offset(1), 70, 5, 6);
  EXPECT_FALSE(pacer.Due().has_value());
  ASSERT_TRUE(pacer.Due(true).has_value());
  pacer.OnWritten(*pacer.Due(true));
  EXPECT_FALSE(pacer.Due(true).has_value());
}

TEST(IndexPacerTest, ReopenedPacerGoesOnFromTheLastEntry) {
  IndexPacer pacer(IndexEntry{Offset(100), 900, 1000, 5 * kIndexEveryBytes});
  EXPECT_FALSE(pacer.Due(true).has_value());
  pacer.OnAppend(Offset(101), 70, 5, 1001);
  EXPECT_EQ(pacer.at_end().bytes_before, 5 * kIndexEveryBytes + 70);
  EXPECT_EQ(pacer.at_end().max_timestamp_ms, 900);
  EXPECT_FALSE(pacer.Due().has_value());
  EXPECT_EQ(pacer.Due(true)->offset, Offset(101));
}

TEST(IndexPacerTest, SnapshotIsDueAtOneMebibyteOrSixteenTimesItsSize) {
  IndexPacer pacer;
  pacer.OnAppend(Offset(1), 1024 * 1024 - 1, 0, 0);
  EXPECT_FALSE(pacer.SnapshotDue(100));
  pacer.OnAppend(Offset(2), 1, 0, 0);
  EXPECT_TRUE(pacer.SnapshotDue(100));
  EXPECT_TRUE(pacer.SnapshotDue(65'536));
  EXPECT_FALSE(pacer.SnapshotDue(65'537));
  pacer.OnSnapshot();
  EXPECT_FALSE(pacer.SnapshotDue(100));
}

TEST(IndexPacerTest, SnapshotIsDueSoonAfterReopening) {
  IndexPacer pacer(IndexEntry{Offset(100), 900, 1000, 5 * kIndexEveryBytes});
  EXPECT_TRUE(pacer.SnapshotDue(100));
  pacer.OnSnapshot();
  EXPECT_FALSE(pacer.SnapshotDue(100));
}

}  // namespace
}  // namespace cordwood
