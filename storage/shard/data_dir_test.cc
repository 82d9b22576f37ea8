// SPDX-License-Identifier: Apache-2.0
// What a data directory refuses, and the disk ladder's steps.
#include "storage/shard/data_dir.h"

#include <unistd.h>

#include <fstream>
#include <sstream>

#include "storage/shard/disk_ladder.h"
#include "storage/shard/testing/shard_fixture.h"

namespace cordwood::testing {
namespace {

using ::testing::HasSubstr;

class DataDirTest : public ::testing::Test {
 protected:
  void Write(const std::string& name, const std::string& text) { std::ofstream(path_ + "/" + name) << text; }
  std::string Read(const std::string& name) {
    std::ostringstream text;
    text << std::ifstream(path_ + "/" + name).rdbuf();
    return text.str();
  }
  void ExpectRefused(Reason reason, const std::string& what) {
    const auto refused = DataDir::Open(path_);
    EXPECT_THAT(refused.status(), FailsWith(reason));
    EXPECT_THAT(MessageOf(refused.status()), HasSubstr(what));
  }
  TempDir directory_;
  const std::string path_ = directory_.path() + "/data";
};

TEST_F(DataDirTest, IsCreatedWithAnIdThatStays) {
  const Uuid id = DataDir::Open(path_)->id();
  EXPECT_FALSE(id.is_nil());
  EXPECT_EQ(Read("FORMAT"), "major=1\nminor=0\ndata_dir_id=" + id.ToString() + "\nshards=0\n");
  EXPECT_EQ(DataDir::Open(path_)->id(), id);
}

TEST_F(DataDirTest, RemembersItsParts) {
  EXPECT_FALSE(DataDir::Open(path_)->in_use());
  ASSERT_OK(DataDir::Open(path_)->NoteParts(3));
  auto dir = DataDir::Open(path_);
  EXPECT_EQ(dir->shards(), 3);
  EXPECT_TRUE(dir->in_use());
  EXPECT_EQ(Read("FORMAT"), "major=1\nminor=0\ndata_dir_id=" + dir->id().ToString() + "\nshards=3\n");
}

TEST_F(DataDirTest, RemembersTheShardOfCompactedTopics) {
  EXPECT_EQ(DataDir::Open(path_)->compact_shard(), std::nullopt);
  {
    auto dir = DataDir::Open(path_);
    ASSERT_OK(dir->NoteParts(2));
    ASSERT_OK(dir->NoteCompactShard(ShardId(2)));
    EXPECT_EQ(dir->shards(), 2);  // it may not be there yet
    ASSERT_OK(dir->NoteParts(3));
  }
  const auto dir = DataDir::Open(path_);
  EXPECT_EQ(dir->compact_shard(), ShardId(2));
  EXPECT_EQ(Read("FORMAT"), "major=1\nminor=1\ndata_dir_id=" + dir->id().ToString() + "\nshards=3\ncompact_shard=2\n");
}

TEST_F(DataDirTest, NamesItsParts) {
  const auto dir = DataDir::Open(path_);
  EXPECT_EQ(dir->ShardPath(ShardId(0)), path_ + "/shard-000");
  EXPECT_EQ(dir->SyncedFilePath(ShardId(12)), path_ + "/shard-012.synced");
  EXPECT_EQ(dir->MetadataPath(), path_ + "/meta");
}

TEST_F(DataDirTest, ALockedDirectoryNamesTheHolder) {
  const auto held = DataDir::Open(path_);
  ExpectRefused(Reason::kDirectoryLocked, "process " + std::to_string(getpid()));
}

TEST_F(DataDirTest, ANewerFormatIsRefusedByName) {
  const Uuid id = DataDir::Open(path_)->id();
  Write("FORMAT", "major=2\nminor=0\ndata_dir_id=" + id.ToString() + "\n");
  ExpectRefused(Reason::kFormatTooNew, path_ + "/FORMAT: format 2.0");
  Write("FORMAT", "major=1\nminor=2\ndata_dir_id=" + id.ToString() + "\n");
  ExpectRefused(Reason::kFormatTooNew, "format 1.2");
}

TEST_F(DataDirTest, EveryCutOfFormatIsRefused) {
  ASSERT_OK(DataDir::Open(path_)->NoteCompactShard(ShardId(1)));
  const std::string whole = Read("FORMAT");
  for (std::size_t size = 0; size < whole.size(); ++size) {
    Write("FORMAT", whole.substr(0, size));
    ExpectRefused(Reason::kStorageError, path_ + "/FORMAT: damaged");
  }
}

TEST_F(DataDirTest, SomebodyElsesDirectoryIsLeftAlone) {
  std::filesystem::create_directory(path_);
  Write("thesis.tex", "\\documentclass{article}");
  ExpectRefused(Reason::kStorageError, "thesis.tex");
  EXPECT_FALSE(std::filesystem::exists(path_ + "/LOCK"));
}

TEST_F(DataDirTest, AFileInItsPlaceIsAnError) {
  std::ofstream file(path_);
  ExpectRefused(Reason::kStorageError, path_);
}

TEST(DiskLadderTest, TheSmallerOfPercentAndBytesCounts) {
  const DiskLadder ladder;
  const std::uint64_t gib = 1ULL << 30;
  EXPECT_EQ(ladder.LevelOf(300 * gib, 10'000 * gib), DiskLevel::kNormal);  // 3 % of a large disk is plenty
  EXPECT_EQ(ladder.LevelOf(19 * gib, 10'000 * gib), DiskLevel::kWarn);
  EXPECT_EQ(ladder.LevelOf(9 * gib, 10'000 * gib), DiskLevel::kRefusePartitions);
  EXPECT_EQ(ladder.LevelOf(4 * gib, 10'000 * gib), DiskLevel::kRefuseProduce);
  EXPECT_EQ(ladder.LevelOf(9 * gib, 50 * gib), DiskLevel::kNormal);  // 18 % of a small one is, too
  EXPECT_EQ(ladder.LevelOf(4 * gib, 50 * gib), DiskLevel::kWarn);
}

TEST(DiskLadderTest, ATinyDiskStopsAtTheFloor) {
  DiskLadder ladder;
  ladder.floor_bytes = 8 << 20;
  EXPECT_EQ(ladder.LevelOf(60 << 20, 64 << 20), DiskLevel::kNormal);
  EXPECT_EQ(ladder.LevelOf((8 << 20) - 1, 64 << 20), DiskLevel::kRefuseProduce);
}

TEST(DiskLadderTest, SpaceIsReadFromTheFileSystem) {
  const auto space = ReadDiskSpace("/tmp");
  ASSERT_OK(space.status());
  EXPECT_GT(space->total_bytes, 0u);
  EXPECT_LE(space->free_bytes, space->total_bytes);
  EXPECT_THAT(MessageOf(ReadDiskSpace("/no/such/place").status()), HasSubstr("/no/such/place"));
}

}  // namespace
}  // namespace cordwood::testing
