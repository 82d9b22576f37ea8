// SPDX-License-Identifier: Apache-2.0
// What recovery believes of a damaged write-ahead log, and when it refuses the shard.
#include <algorithm>
#include <fstream>
#include <map>
#include <vector>

#include "rocksdb/db.h"
#include "rocksdb/metadata.h"
#include "rocksdb/sst_file_manager.h"
#include "storage/shard/testing/shard_fixture.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

constexpr std::size_t kLogBlock = 32 * 1024;  // of RocksDB's write-ahead log
constexpr std::size_t kRecord = 1024;         // divides it: every record of ours stands whole in a block

class RecoveryTest : public ShardFixture {
 protected:
  // The newest write-ahead log.
  std::string LogPath() const {
    std::string newest;
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
      if (entry.path().extension() == ".log") newest = std::max(newest, entry.path().string());
    }
    return newest;
  }
  std::size_t LogBytes() const { return std::filesystem::file_size(LogPath()); }

  // Appends one record of `bytes` bytes in all; the partition's number is at its beginning.
  void AppendBytes(std::size_t bytes) {
    std::string value = std::to_string(log_->log_end().value());
    value.resize(bytes, '.');
    ASSERT_OK(Append(value).status());
  }
  // The next record of the write-ahead log begins at a block, and records of kRecord bytes follow it.
  void AlignLog() {
    AppendBytes(600);  // the first append brings records of its own
    const std::size_t before = LogBytes();
    AppendBytes(600);
    overhead_ = LogBytes() - before - 600;
    const std::size_t rest = kLogBlock - LogBytes() % kLogBlock;
    for (std::size_t left = rest; left > 0; left -= std::min(left, kRecord)) {
      // the last two share what is left, so that neither is too small
      AppendBytes((left >= 2 * kRecord || left == kRecord ? kRecord : left > kRecord ? left - 600 : left) - overhead_);
      if (left > kRecord && left < 2 * kRecord) left = 600 + kRecord;
    }
    ASSERT_EQ(LogBytes() % kLogBlock, 0u);
  }
  void AppendRecords(int count) {
    for (int i = 0; i < count; ++i) AppendBytes(kRecord - overhead_);
  }
  void Zero(const std::string& path, std::size_t from, std::size_t bytes) {
    std::fstream file(path, std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(static_cast<std::streamoff>(from));
    file << std::string(bytes, '\0');
  }
  void Promise() {
    clock_.Advance(absl::Seconds(1));
    ASSERT_OK(store_->Sync());
    ASSERT_OK(store_->Tick());
  }
  // The records in the log, by the numbers they were given.
  void ExpectRecords(std::int64_t count) {
    EXPECT_EQ(log_->log_end(), Offset(count));
    const std::vector<std::string> values = ReadAll();
    ASSERT_EQ(values.size(), static_cast<std::size_t>(count));
    for (std::size_t i = 0; i < values.size(); ++i) EXPECT_EQ(values[i].substr(0, values[i].find('.')), std::to_string(i));
  }
  // Moves the manifest's sequence number on without flushing: what a flush or compaction in the background does.
  void TouchManifest() {
    rocksdb::ColumnFamilyMetaData tables;
    store_->db().GetColumnFamilyMetaData(&tables);
    std::vector<std::string> names;
    for (const auto& file : tables.levels[0].files) names.push_back(file.name);
    ASSERT_FALSE(names.empty());
    ASSERT_TRUE(store_->db().CompactFiles(rocksdb::CompactionOptions(), names, 6).ok());
  }

  std::string FirstFile(const std::string& extension, const std::string& name_start = "") const {
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
      if (entry.path().extension() == extension && entry.path().filename().string().starts_with(name_start)) return entry.path();
    }
    return "no such file";
  }
  // Names and sizes of all files but RocksDB's own text log.
  std::map<std::string, std::uintmax_t> Files() const {
    std::map<std::string, std::uintmax_t> files;
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
      const std::string name = entry.path().filename();
      if (!name.starts_with("LOG")) files[name] = entry.file_size();
    }
    return files;
  }
  void ExpectDamageNames(const std::string& path) {
    const Status refused = Open();
    EXPECT_THAT(refused, FailsWith(Reason::kShardDamaged));
    const std::string message = MessageOf(refused);
    EXPECT_THAT(message, ::testing::HasSubstr(std::filesystem::path(path).filename().string()));
    EXPECT_THAT(message, ::testing::StartsWith(options_.directory));
    EXPECT_EQ(message.rfind(options_.directory), 0u) << "named twice: " << message;
  }

  std::size_t overhead_ = 0;  // what the write-ahead log adds to a record's value
};

// 100 records behind a block boundary, of which the crash loses the second block.
class HoleTest : public RecoveryTest {
 protected:
  void WriteAndLoseABlock(bool touch_manifest) {
    Start();
    AppendBytes(100);
    ASSERT_TRUE(store_->db().Flush(rocksdb::FlushOptions()).ok());
    AlignLog();
    survivors_ = (log_->log_end() + 32).value();
    const std::size_t start = LogBytes();
    AppendRecords(100);
    if (touch_manifest) TouchManifest();
    const std::string path = LogPath();
    Crash();
    hole_file_ = std::filesystem::path(path).filename();
    hole_byte_ = start + kLogBlock;
    Zero(path, hole_byte_, kLogBlock);
  }
  void ExpectSurvivors() {
    ASSERT_OK(Open());
    ASSERT_OK(OpenLog());
    ExpectRecords(survivors_);
  }
  void ExpectCutAtTheHole() {
    ASSERT_TRUE(store_->recovery().log_cut.has_value());
    const LogCut& cut = *store_->recovery().log_cut;
    EXPECT_EQ(cut.file, hole_file_);
    EXPECT_EQ(cut.byte, hole_byte_);
    EXPECT_EQ(cut.last_sequence, store_->recovery().recovered_sequence);
    EXPECT_GT(cut.next_sequence, cut.last_sequence + 1);
  }
  std::int64_t survivors_ = 0;
  std::string hole_file_;
  std::size_t hole_byte_ = 0;
};

TEST_F(HoleTest, ALostPageAtARecordBoundaryEndsTheLog) {
  WriteAndLoseABlock(/*touch_manifest=*/false);
  ExpectSurvivors();
  ExpectCutAtTheHole();
}

// Before 7.0, RocksDB wrote into the manifest the sequence number that writers had reached, not what was in tables: then the hole would lie below it.
TEST_F(HoleTest, AManifestWrittenAfterTheHoleDoesNotHideIt) {
  WriteAndLoseABlock(/*touch_manifest=*/true);
  ExpectSurvivors();
  ExpectCutAtTheHole();
}

TEST_F(HoleTest, WhatIsWrittenBehindACutSurvivesTheNextCrash) {
  WriteAndLoseABlock(/*touch_manifest=*/true);
  ExpectSurvivors();
  AppendBytes(100);
  AppendBytes(100);
  Promise();
  Reopen();
  EXPECT_FALSE(store_->recovery().log_cut.has_value());
  ExpectRecords(survivors_ + 2);
}

TEST_F(HoleTest, ALostTailIsNeverWrittenAgainUnderTheSameEpoch) {
  WriteAndLoseABlock(/*touch_manifest=*/false);
  ASSERT_OK(Open());
  EXPECT_EQ(store_->epoch_floor(), LeaderEpoch(1));
}

TEST_F(RecoveryTest, LessThanWasSyncedIsDamageAndChangesNothing) {
  Start();
  AppendBytes(1000);
  AppendBytes(1000);
  Promise();
  const std::string path = LogPath();
  Crash();
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  const auto files_before = Files();
  const std::string name = std::filesystem::path(path).filename();
  for (int i = 0; i < 2; ++i) {
    const Status refused = Open();
    EXPECT_THAT(refused, FailsWith(Reason::kShardDamaged));
    EXPECT_THAT(MessageOf(refused), ::testing::AllOf(::testing::HasSubstr(options_.directory), ::testing::HasSubstr("was synced; its log is believed up to byte"),
                                                     ::testing::HasSubstr(" of " + name)));
    EXPECT_EQ(Files(), files_before);
  }
}

TEST_F(RecoveryTest, AnUnsyncedTornTailIsCut) {
  Start();
  AppendBytes(1000);
  Promise();
  const std::size_t whole = LogBytes();
  AppendBytes(1000);
  const std::string path = LogPath();
  Crash();
  std::filesystem::resize_file(path, std::filesystem::file_size(path) - 1);
  ASSERT_OK(Open());
  ASSERT_TRUE(store_->recovery().log_cut.has_value());
  EXPECT_EQ(Describe(*store_->recovery().log_cut),
            Describe(LogCut{std::filesystem::path(path).filename(), whole, store_->recovery().recovered_sequence, 0}));
  ASSERT_OK(OpenLog());
  ExpectRecords(1);
}

// No tick has made the synced file durable yet: its mark is enough after a kill.
TEST_F(RecoveryTest, AFlippedBitBelowTheLastSyncIsDamageAfterAKill) {
  Start();
  AppendBytes(1000);
  const std::size_t before = LogBytes();
  AppendBytes(1000);
  ASSERT_OK(store_->Sync());
  const std::string path = LogPath();
  Crash();
  Zero(path, before + 100, 1);
  EXPECT_THAT(Open(), FailsWith(Reason::kShardDamaged));
}

TEST_F(RecoveryTest, AMissingSyncedFileIsDamage) {
  Start();
  Crash();
  std::filesystem::remove(options_.synced_file);
  EXPECT_THAT(Open(), FailsWith(Reason::kShardDamaged));
}

TEST_F(RecoveryTest, AMissingDatabaseIsDamage) {
  Start();
  Promise();
  Crash();
  std::filesystem::remove_all(options_.directory);
  EXPECT_THAT(Open(), FailsWith(Reason::kShardDamaged));
}

TEST_F(RecoveryTest, AShardThatWasWholeIsNotCreatedAgain) {
  Start();
  Crash();
  std::filesystem::remove_all(options_.directory);
  std::filesystem::remove(options_.synced_file);
  options_.must_exist = true;
  EXPECT_THAT(Open(), FailsWith(Reason::kShardDamaged));
  EXPECT_FALSE(std::filesystem::exists(options_.directory));
  std::filesystem::create_directory(options_.directory);
  EXPECT_THAT(Open(), FailsWith(Reason::kShardDamaged));
}

TEST_F(RecoveryTest, ACreationThatWasCutShortStartsAgain) {
  ASSERT_OK(Open());
  Crash();
  std::filesystem::remove_all(options_.directory);
  std::filesystem::create_directory(options_.directory);
  std::filesystem::remove(options_.synced_file);
  ASSERT_OK(Open());
  EXPECT_TRUE(store_->recovery().created);
}

TEST_F(RecoveryTest, ADamagedOrMissingTableIsNamedAndItsShardOnce) {
  for (const char* const extension : {".sst", ".blob"}) {
    Start();
    AppendBytes(10'000);
    ASSERT_OK(store_->Reclaim(false));
    const std::string path = FirstFile(extension);
    Crash();
    std::filesystem::resize_file(path, std::filesystem::file_size(path) - 100);
    ExpectDamageNames(path);
    std::filesystem::remove(path);
    ExpectDamageNames(path);
    std::filesystem::remove_all(options_.directory);
    std::filesystem::remove(options_.synced_file);
  }
}

// The deletion of a big file is cut short at any of its steps; the old name comes back where a rename was not yet durable.
class StumpTest : public RecoveryTest {
 protected:
  void KeepCopies(const std::vector<std::string>& extensions) {
    std::filesystem::create_directory(copies_);
    for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
      if (std::ranges::find(extensions, entry.path().extension().string()) == extensions.end()) continue;
      std::filesystem::copy_file(entry.path(), copies_ / entry.path().filename());
    }
    ASSERT_FALSE(std::filesystem::is_empty(copies_));
  }
  void DropCopiesOfLiveFiles() {
    std::vector<std::string> live;
    std::uint64_t manifest_bytes = 0;
    ASSERT_TRUE(store_->db().GetLiveFiles(live, &manifest_bytes, /*flush_memtable=*/false).ok());
    for (const std::string& name : live) std::filesystem::remove(copies_.string() + name);
    for (const char* const extension : {".sst", ".blob"}) {
      const auto has = [&](const auto& copy) { return copy.path().extension() == extension; };
      ASSERT_TRUE(std::any_of(std::filesystem::directory_iterator(copies_), std::filesystem::directory_iterator(), has)) << extension;
    }
    for (const auto& copy : std::filesystem::directory_iterator(copies_)) {
      EXPECT_TRUE(WaitUntil([&] { return !std::filesystem::exists(options_.directory / copy.path().filename()); })) << copy.path();
    }
  }
  void ExpectNoStumpIsMissed() {
    constexpr std::uintmax_t kSteps = 5;
    for (std::uintmax_t step = 0; step <= kSteps; ++step) {
      for (const char* const renamed : {"", ".trash"}) {
        Crash();
        std::vector<std::string> stumps;
        for (const auto& copy : std::filesystem::directory_iterator(copies_)) {
          stumps.push_back(options_.directory + "/" + copy.path().filename().string() + renamed);
          std::filesystem::copy_file(copy.path(), stumps.back(), std::filesystem::copy_options::overwrite_existing);
          std::filesystem::resize_file(stumps.back(), copy.file_size() * step / kSteps);
        }
        ASSERT_OK(Open());
        ASSERT_OK(OpenLog());
        EXPECT_FALSE(store_->recovery().log_cut.has_value());
        ExpectRecords(records_);
        for (const std::string& stump : stumps) EXPECT_TRUE(WaitUntil([&] { return !std::filesystem::exists(stump); })) << stump;
      }
    }
  }
  const std::filesystem::path copies_ = directory_.path() + "/copies";
  std::int64_t records_ = 0;
};

TEST_F(StumpTest, OfALogThatAFlushMadeSuperfluousIsNoHole) {
  Start();
  for (int i = 0; i < 20; ++i) AppendBytes(10'000);
  KeepCopies({".log"});
  ASSERT_TRUE(store_->db().Flush(rocksdb::FlushOptions()).ok());
  for (int i = 0; i < 20; ++i) AppendBytes(10'000);
  records_ = log_->log_end().value();
  Promise();
  ExpectNoStumpIsMissed();
}

TEST_F(StumpTest, OfATableOrABlobFileIsNoDamage) {
  Start();
  for (int i = 0; i < 20; ++i) AppendBytes(10'000);
  ASSERT_OK(store_->Reclaim(false));
  for (int i = 0; i < 20; ++i) AppendBytes(10'000);
  ASSERT_TRUE(store_->db().Flush(rocksdb::FlushOptions()).ok());
  KeepCopies({".sst", ".blob"});
  ASSERT_OK(store_->Reclaim(true));
  DropCopiesOfLiveFiles();
  records_ = log_->log_end().value();
  Promise();
  ExpectNoStumpIsMissed();
}

// Counted twice it would stay counted for ever, and beyond a bound no deletion is paced any more.
TEST_F(RecoveryTest, WhatTheLastRunLeftInTheTrashIsNotCountedAgain) {
  Start();
  AppendBytes(100);
  Crash();
  const std::string trash = options_.directory + "/000002.log.trash";
  std::ofstream(trash) << "x";
  std::filesystem::resize_file(trash, 64 << 20);  // half a second's, were it given back by the pace
  ASSERT_OK(Open());
  EXPECT_FALSE(std::filesystem::exists(trash));
  EXPECT_TRUE(WaitUntil([&] { return store_->db().GetDBOptions().sst_file_manager->GetTotalTrashSize() == 0; }));
}

TEST_F(RecoveryTest, ADamagedManifestIsDamage) {
  Start();
  AppendBytes(100);
  CloseStore();
  const std::string manifest = FirstFile("", "MANIFEST");
  Zero(manifest, 20, 10);
  ExpectDamageNames(manifest);
}

TEST_F(RecoveryTest, ARecordThatWasTornAtTheEndOfTheManifestIsNoDamage) {
  Start();
  AppendBytes(100);
  Crash();
  const std::string manifest = FirstFile("", "MANIFEST");
  const auto whole = std::filesystem::file_size(manifest);
  const std::string half_an_edit("\x12\x34\x56\x78\x40\x00\x01half", 11);
  std::ofstream(manifest, std::ios::app | std::ios::binary) << half_an_edit << std::string(600, '\0');
  ASSERT_GT(std::filesystem::file_size(manifest), whole);
  ASSERT_OK(Open());
  EXPECT_GT(store_->recovery().recovered_sequence, 0U);
}

TEST_F(RecoveryTest, AnotherShardsDirectoryIsRefused) {
  Start();
  Crash();
  options_.shard = ShardId(3);
  EXPECT_THAT(Open(), FailsWith(Reason::kShardDamaged));
}

TEST_F(RecoveryTest, OnlyAnUncleanStopRaisesTheEpochFloor) {
  Start();
  EXPECT_EQ(store_->epoch_floor(), LeaderEpoch(0));
  CloseStore();
  ASSERT_OK(Open());
  EXPECT_EQ(store_->epoch_floor(), LeaderEpoch(0));
  Reopen();
  EXPECT_EQ(store_->epoch_floor(), LeaderEpoch(1));
  Reopen();
  EXPECT_EQ(store_->epoch_floor(), LeaderEpoch(2));
}

}  // namespace
}  // namespace cordwood::testing
