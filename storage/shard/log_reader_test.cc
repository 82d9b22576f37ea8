// SPDX-License-Identifier: Apache-2.0
// Reads bring whole consecutive batches or say what is wrong; times lead to the exact record.
#include "storage/shard/log_reader.h"

#include <fstream>

#include "rocksdb/db.h"
#include "storage/log/keys.h"
#include "storage/shard/testing/shard_fixture.h"

namespace cordwood::testing {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

class LogReaderTest : public ShardFixture {
 protected:
  // Batches of three records each: offsets 0-2, 3-5, …; values are their offsets, of `bytes` bytes.
  void StartWith(int batches, std::size_t bytes = 10) {
    Start();
    for (int i = 0; i < batches; ++i) {
      std::vector<std::string> values;
      for (int k = 0; k < 3; ++k) {
        values.push_back(std::to_string(3 * i + k));
        values.back().resize(bytes, ' ');
      }
      ASSERT_OK(Append(BatchOfText(values)).status());
    }
  }
  StatusOr<ReadResult> Read(std::int64_t from, std::int64_t end, std::size_t bytes_max = 1 << 20) {
    return LogReader(*store_).Read(kPartition, {Offset(from), Offset(end), bytes_max});
  }
  // The offsets of the records of a read.
  std::vector<int> Offsets(std::int64_t from, std::int64_t end, std::size_t bytes_max = 1 << 20) {
    const auto read = Read(from, end, bytes_max);
    EXPECT_OK(read.status());
    std::vector<int> offsets;
    for (const std::string& value : ValuesOf(read->batches.view())) offsets.push_back(std::stoi(value));
    EXPECT_EQ(read->next, offsets.empty() ? Offset(from) : Offset(offsets.back() + 1));
    return offsets;
  }
  void Delete(std::int64_t last_offset) {
    WriteGroup group;
    group.Delete(BatchKey(kPartition, Offset(last_offset)).view());
    ASSERT_OK(CommitGroup(group));
  }
  void ExpectDataLoss(const Status& status, const std::string& what) {
    EXPECT_THAT(status, FailsWith(Reason::kCorruptMessage));
    EXPECT_EQ(status.code(), absl::StatusCode::kDataLoss);
    EXPECT_THAT(MessageOf(status), AllOf(HasSubstr("the log cannot be read at offset "), HasSubstr(what), Not(HasSubstr("partition"))));
  }
};

TEST_F(LogReaderTest, ReadsFromTheBatchThatContainsTheOffset) {
  StartWith(3);
  EXPECT_THAT(Offsets(0, 9), ElementsAre(0, 1, 2, 3, 4, 5, 6, 7, 8));
  EXPECT_THAT(Offsets(4, 9), ElementsAre(3, 4, 5, 6, 7, 8));
  EXPECT_THAT(Offsets(8, 9), ElementsAre(6, 7, 8));
}

TEST_F(LogReaderTest, EndsAtTheLastWholeBatchBelowTheEnd) {
  StartWith(3);
  EXPECT_THAT(Offsets(0, 6), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(Offsets(0, 5), ElementsAre(0, 1, 2));
  EXPECT_THAT(Offsets(0, 2), ElementsAre());
  EXPECT_THAT(Offsets(6, 6), ElementsAre());
}

TEST_F(LogReaderTest, GivesTheFirstBatchWhateverItsSize) {
  StartWith(3, 5000);
  EXPECT_THAT(Offsets(0, 9, 1), ElementsAre(0, 1, 2));
  const std::size_t batch_bytes = Read(0, 9, 1)->batches.size();
  EXPECT_THAT(Offsets(0, 9, 2 * batch_bytes), ElementsAre(0, 1, 2, 3, 4, 5));
  EXPECT_THAT(Offsets(0, 9, 2 * batch_bytes - 1), ElementsAre(0, 1, 2));
}

TEST_F(LogReaderTest, ReadsFromTablesAndBlobsAsFromMemory) {
  for (const std::size_t bytes : {10, 5000}) {
    StartWith(4, bytes);
    ASSERT_OK(store_->Reclaim(false));
    EXPECT_THAT(Offsets(0, 12).size(), 12u);
    EXPECT_THAT(Offsets(7, 12), ElementsAre(6, 7, 8, 9, 10, 11));
    Crash();
    std::filesystem::remove_all(options_.directory);
    std::filesystem::remove(options_.synced_file);
  }
}

TEST_F(LogReaderTest, BatchesOfUnequalSizeAreGatheredWhole) {
  Start();
  std::size_t bytes = 0;
  for (const std::size_t size : {1, 50'000, 10, 200'000, 3}) {
    ASSERT_OK(Append(std::string(size, 'x')).status());
    bytes += Read(log_->log_end().value() - 1, log_->log_end().value())->batches.size();
  }
  EXPECT_EQ(Read(0, 5)->batches.size(), bytes);
  EXPECT_EQ(ReadAll().size(), 5u);
}

TEST_F(LogReaderTest, AGapIsNeverSkipped) {
  StartWith(4);
  Delete(5);
  ExpectDataLoss(Read(3, 12).status(), "expected offset 3");
  EXPECT_THAT(Offsets(0, 12), ElementsAre(0, 1, 2));  // what lies before it is given
  EXPECT_THAT(Offsets(6, 12), ElementsAre(6, 7, 8, 9, 10, 11));
}

TEST_F(LogReaderTest, AMissingTailIsAnError) {
  StartWith(2);
  Delete(5);
  ExpectDataLoss(Read(3, 6).status(), "ends at 3");
}

TEST_F(LogReaderTest, ADamagedSideHeaderOrHeadIsNamed) {
  StartWith(1);
  std::string value;
  ASSERT_TRUE(store_->db().Get({}, rocksdb::Slice(BatchKey(kPartition, Offset(2)).view()), &value).ok());
  for (std::size_t byte = 0; byte < kSideHeaderBytes + 17; ++byte) {
    std::string damaged = value;
    damaged[byte] = static_cast<char>(damaged[byte] ^ 0x10);
    WriteGroup group;
    group.Put(BatchKey(kPartition, Offset(2)).view(), damaged);
    ASSERT_OK(CommitGroup(group));
    ExpectDataLoss(Read(0, 3).status(), "batch up to 2");
  }
}

TEST_F(LogReaderTest, ACutValueIsNamed) {
  StartWith(1);
  std::string value;
  ASSERT_TRUE(store_->db().Get({}, rocksdb::Slice(BatchKey(kPartition, Offset(2)).view()), &value).ok());
  for (std::size_t size = 0; size < value.size(); ++size) {
    WriteGroup group;
    group.Put(BatchKey(kPartition, Offset(2)).view(), std::string_view(value).substr(0, size));
    ASSERT_OK(CommitGroup(group));
    ExpectDataLoss(Read(0, 3).status(), "batch up to 2");
  }
}

TEST_F(LogReaderTest, ABlobOnDiskThatChangedIsAnError) {
  StartWith(1, 5000);
  ASSERT_OK(store_->Reclaim(false));
  for (const auto& entry : std::filesystem::directory_iterator(options_.directory)) {
    if (entry.path().extension() != ".blob") continue;
    std::fstream file(entry.path(), std::ios::in | std::ios::out | std::ios::binary);
    file.seekp(9000);
    file << "damage";
  }
  ExpectDataLoss(Read(1, 3).status(), "offset 1: Corruption");
}

class TimestampTest : public LogReaderTest {
 protected:
  void Append(std::vector<std::int64_t> times, std::size_t bytes = 10) {
    const std::string value(bytes, 'v');
    std::vector<RecordView> records;
    for (const std::int64_t time : times) records.push_back(RecordOf(value, time));
    ASSERT_OK(LogReaderTest::Append(BatchOfRecords(records)).status());
  }
  // "offset@time" of the first record at or after `time`, or "none".
  std::string Find(std::int64_t time, std::int64_t log_start = 0, std::int64_t end = -1) {
    const auto hit = LogReader(*store_).FindTimestamp(kPartition, Offset(log_start), end < 0 ? log_->log_end() : Offset(end), time);
    EXPECT_OK(hit.status());
    if (!hit->has_value()) return "none";
    return ToString((*hit)->offset) + "@" + std::to_string((*hit)->timestamp_ms);
  }
};

TEST_F(TimestampTest, FindsTheExactRecord) {
  Start();
  Append({100, 110, 120});
  Append({130, 140, 150});
  EXPECT_EQ(Find(0), "0@100");
  EXPECT_EQ(Find(110), "1@110");
  EXPECT_EQ(Find(111), "2@120");
  EXPECT_EQ(Find(121), "3@130");
  EXPECT_EQ(Find(150), "5@150");
  EXPECT_EQ(Find(151), "none");
}

TEST_F(TimestampTest, TimesOutOfOrderGiveTheFirstThatIsLateEnough) {
  Start();
  Append({500, 100, 300});
  Append({200, 600});
  EXPECT_EQ(Find(300), "0@500");
  EXPECT_EQ(Find(501), "4@600");
}

TEST_F(TimestampTest, StaysWithinTheLog) {
  Start();
  Append({100, 200, 300});
  Append({400, 500});
  EXPECT_EQ(Find(100, 2), "2@300");
  EXPECT_EQ(Find(350, 0, 3), "none");
  EXPECT_EQ(Find(100, 5), "none");
}

TEST_F(TimestampTest, BisectsALargeIndex) {
  Start();
  for (int i = 0; i < 100; ++i) Append({1000 + 10 * i, 1005 + 10 * i}, 200'000);
  for (int i = 0; i < 100; i += 7) {
    EXPECT_EQ(Find(1000 + 10 * i), std::to_string(2 * i) + "@" + std::to_string(1000 + 10 * i));
    EXPECT_EQ(Find(1001 + 10 * i), std::to_string(2 * i + 1) + "@" + std::to_string(1005 + 10 * i));
    EXPECT_EQ(Find(1000 + 10 * i, 100), Find(1000 + 10 * std::max(i, 50)));
  }
}

TEST_F(TimestampTest, WhatRetentionTookMeanwhileIsNoDataLoss) {
  Start();
  Append({100, 200, 300});
  Append({400, 500});
  Append({600});
  const auto forget = [this](std::int64_t start) {
    WriteGroup group;
    ASSERT_OK(log_->StageLogStart(group, Offset(start)));
    ASSERT_OK(Commit(group));
    log_->StageDropBelowStart(group);
    ASSERT_OK(Commit(group));
  };
  forget(4);
  EXPECT_EQ(Find(100), "4@500");
  EXPECT_EQ(Find(501), "5@600");
  EXPECT_EQ(Find(601), "none");
  Delete(4);
  EXPECT_THAT(LogReader(*store_).FindTimestamp(kPartition, Offset(0), Offset(6), 100).status(), FailsWith(Reason::kCorruptMessage));
  forget(6);
  EXPECT_EQ(Find(100), "none");
  WriteGroup group;
  PartitionLog::StageDelete(group, kPartition);
  ASSERT_OK(CommitGroup(group));
  EXPECT_THAT(LogReader(*store_).FindTimestamp(kPartition, Offset(0), Offset(6), 100).status(), FailsWith(Reason::kUnknownTopicOrPartition));
}

TEST_F(TimestampTest, LogAppendTimeAnswersWithTheFirstRecordOfTheBatch) {
  Start();
  SharedBytes value = BatchOfText({"a", "b"}, 1);
  WriteGroup group;
  ASSERT_OK(log_->StageAppend(group, {&value, 1}, LeaderEpoch(0), 7000, /*log_append_time=*/true).status());
  ASSERT_OK(Commit(group));
  EXPECT_EQ(Find(6999), "0@7000");
  EXPECT_EQ(Find(6999, 1), "1@7000");
  EXPECT_EQ(Find(7001), "none");
}

}  // namespace
}  // namespace cordwood::testing
