// SPDX-License-Identifier: Apache-2.0
// What is left of RocksDB's texts behind a path of ours.
#include "storage/shard/internal/rocksdb_access.h"

#include <gtest/gtest.h>

namespace cordwood {
namespace {

std::string TextOf(const char* said) { return TextWithin(rocksdb::Status::IOError("open", said), "/d/shard-000"); }

TEST(TextWithinTest, FilesBelowThePlaceHaveOnlyTheirNames) {
  EXPECT_EQ(TextOf("/d/shard-000/7.sst in file /d/shard-000/MANIFEST-5"), "IO error: open: 7.sst in file MANIFEST-5");
  EXPECT_EQ(TextOf("no sstable/d/shard-000/7.sst"), "IO error: open: no sstable 7.sst");
}

TEST(TextWithinTest, ThePlaceItselfIsLeftOut) { EXPECT_EQ(TextOf("/d/shard-000: Permission denied"), "IO error: open: Permission denied"); }

TEST(TextWithinTest, PathsThatOnlyBeginAlikeStay) {
  EXPECT_EQ(TextOf("/d/shard-000.synced: Permission denied"), "IO error: open: /d/shard-000.synced: Permission denied");
  EXPECT_EQ(TextOf("/d/shard-0001/7.sst"), "IO error: open: /d/shard-0001/7.sst");
}

TEST(TextWithinTest, AnErrorOfAPlaceNamesItOnce) {
  const Status error = FromRocksDb(rocksdb::Status::IOError("open", "/d/f: Permission denied"), "/d/f");
  EXPECT_EQ(MessageOf(error), "/d/f: IO error: open: Permission denied");
}

}  // namespace
}  // namespace cordwood
