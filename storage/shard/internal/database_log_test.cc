// SPDX-License-Identifier: Apache-2.0
// RocksDB's log: kept, bounded, and silent where it cannot be written.
#include "storage/shard/internal/database_log.h"

#include <gtest/gtest.h>

#include <filesystem>

#include "tests/support/temp_dir.h"

namespace cordwood {
namespace {

class DatabaseLogTest : public ::testing::Test {
 protected:
  std::string Read(const std::string& name) const { return testing::ReadFile(files_.Sub(name)); }
  static void Say(DatabaseLog& log, const std::string& text) { rocksdb::Log(rocksdb::InfoLogLevel::WARN_LEVEL, &log, "%s", text.c_str()); }
  const testing::TempDir files_;
  const std::string& directory_ = files_.path();
};

TEST_F(DatabaseLogTest, ARunKeepsTheLogOfTheOneBefore) {
  for (const char* text : {"first", "second"}) {
    DatabaseLog log(directory_);
    Say(log, text);
  }
  EXPECT_NE(Read("LOG").find("second\n"), std::string::npos);
  EXPECT_NE(Read("LOG.old").find("first\n"), std::string::npos);
}

TEST_F(DatabaseLogTest, TwoMebibytesAreTheMost) {
  DatabaseLog log(directory_);
  for (int i = 0; i < 4000; ++i) Say(log, std::string(1000, 'x'));
  EXPECT_LT(Read("LOG").size() + Read("LOG.old").size(), 2 * 1024 * 1024 + 4096u);
}

TEST_F(DatabaseLogTest, ALongLineIsCut) {
  DatabaseLog log(directory_);
  Say(log, std::string(100'000, 'x'));
  EXPECT_LT(Read("LOG").size(), 3000u);
}

TEST_F(DatabaseLogTest, WhatCannotBeWrittenIsDropped) {
  DatabaseLog log("/nonexistent");
  for (int i = 0; i < 3; ++i) Say(log, "nobody hears this");
  EXPECT_FALSE(std::filesystem::exists("/nonexistent/LOG"));
}

}  // namespace
}  // namespace cordwood
