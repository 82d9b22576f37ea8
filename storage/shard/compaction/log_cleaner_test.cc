// SPDX-License-Identifier: Apache-2.0
// Random histories of a compacted log against a map of latest values; the process may die between any two writes.
#include "storage/shard/compaction/log_cleaner.h"

#include <map>
#include <optional>
#include <random>

#include "storage/log/keys.h"
#include "storage/shard/testing/clean_for_test.h"
#include "storage/shard/testing/shard_fixture.h"

namespace cordwood::testing {
namespace {

using Latest = std::map<std::string, std::pair<std::int64_t, std::optional<std::string>>>;  // key -> offset and value; nullopt: deleted

// Looks into both.
RecordView KeyedRecord(const std::string& key, const std::optional<std::string>& value) {
  RecordView record;
  record.timestamp_ms = 1000;
  record.key = key;
  if (value.has_value()) record.value = *value;
  return record;
}

SharedBytes BatchOfKeys(const std::vector<std::pair<std::string, std::optional<std::string>>>& pairs, Codec codec = Codec::kNone, const ProducerStamp& producer = {}) {
  RecordBatchBuilder builder;
  for (const auto& [key, value] : pairs) builder.Add(KeyedRecord(key, value));
  return builder.Build(codec, producer, kSideHeaderBytes).value();
}

class LogCleanerTest : public ShardFixture {
 protected:
  LogCleanerTest() { options_.kind = ShardKind::kCompact; }

  Status Clean(CleanForTest run) {
    const auto totals = run.Run(*store_, *log_, [this](WriteGroup& group) { return Commit(group); });
    if (totals.ok()) totals_ = *totals;
    return totals.status();
  }
  Status Clean(std::int64_t now_ms, std::int64_t retention_ms = 1'000'000) { return Clean(CleanForTest{now_ms, retention_ms}); }
  std::string Read(Offset from = Offset(0)) {
    const Offset asked = from;
    std::string text;
    while (from < log_->log_end()) {
      const auto read = LogReader(*store_).Read(kPartition, {from, log_->log_end(), bytes_per_read_});
      if (!read.ok() || read->next <= from) return text + " !" + read.status().ToString();
      std::string_view batches = read->batches.view();
      while (!batches.empty()) {
        const RecordBatchView batch = RecordBatchView::TakeFirst(&batches).value();
        EXPECT_OK(batch.CheckCrc());
        EXPECT_TRUE(read->cleaned || batch.base_offset() <= from);
        from = batch.end_offset();
        RecordReader reader(batch);
        EXPECT_OK(reader.Open());
        for (RecordView record; reader.Next(&record).value();) {
          if (record.offset < asked) continue;  // before it in its batch
          seen_[std::string(*record.key)] = {record.offset.value(), record.value.has_value() ? std::optional(std::string(*record.value)) : std::nullopt};
          text += (text.empty() ? "" : " ") + ToString(record.offset) + ":" + std::string(*record.key);
          if (record.value.has_value()) text += "=" + std::string(*record.value);
        }
      }
      EXPECT_EQ(from, read->next);
    }
    return text;
  }
  // Whoever begins at `from` ends with the latest value of every key that was written since, and sees no other one as the last.
  void ExpectLatest(Offset from) {
    seen_.clear();
    const std::string text = Read(from);
    ASSERT_EQ(text.find('!'), std::string::npos) << text;
    for (const auto& [key, latest] : latest_) {
      const auto seen = seen_.find(key);
      if (seen == seen_.end()) {
        ASSERT_TRUE(latest.first < from.value() || !latest.second.has_value()) << key << " at " << latest.first << " is missing for a reader from " << from.value();
      } else {
        ASSERT_EQ(seen->second, latest) << key;
      }
    }
  }

  std::size_t bytes_per_read_ = 1 << 20;
  CleaningTotals totals_;
  Latest latest_;
  Latest seen_;
};

TEST_F(LogCleanerTest, OfEachKeyTheLastRecordStaysAtItsOffset) {
  Start();
  ASSERT_OK(Append(BatchOfKeys({{"a", "1"}, {"b", "1"}, {"a", "2"}})).status());
  ASSERT_OK(Append(BatchOfKeys({{"b", "2"}})).status());
  ASSERT_OK(Append(BatchOfKeys({{"a", "3"}, {"c", "1"}})).status());
  ASSERT_OK(Clean(1));
  EXPECT_EQ(Read(), "3:b=2 4:a=3 5:c=1");
  EXPECT_EQ(totals_.removed_records, 3u);
  EXPECT_EQ(Read(Offset(5)), "5:c=1");
  Reopen();
  EXPECT_EQ(Read(), "3:b=2 4:a=3 5:c=1");
  ASSERT_OK(Append(BatchOfKeys({{"b", "3"}})).status());
  ASSERT_OK(Clean(2));
  EXPECT_EQ(Read(), "4:a=3 5:c=1 6:b=3");
}

TEST_F(LogCleanerTest, TombstonesStayUntilTheirTimeIsUpAndTheEndOfTheLogForEver) {
  Start();
  ASSERT_OK(Append(BatchOfKeys({{"a", "1"}, {"b", "1"}})).status());
  ASSERT_OK(Append(BatchOfKeys({{"a", std::nullopt}})).status());
  ASSERT_OK(Clean(1000, 100));
  EXPECT_EQ(Read(), "1:b=1 2:a");
  ASSERT_OK(Clean(1099, 100));
  EXPECT_EQ(Read(), "1:b=1 2:a");
  ASSERT_OK(Clean(1100, 100));
  EXPECT_EQ(Read(), "1:b=1");  // its batch stays, empty: the log ends with it
  Reopen();
  EXPECT_EQ(log_->log_end(), Offset(3));
  ASSERT_OK(Append(BatchOfKeys({{"c", "1"}})).status());
  ASSERT_OK(Clean(1101, 100));
  EXPECT_EQ(Read(), "1:b=1 3:c=1");
}

TEST_F(LogCleanerTest, AGapThatNoRunMadeIsDataLoss) {
  Start();
  for (int i = 0; i < 4; ++i) ASSERT_OK(Append(BatchOfKeys({{std::to_string(i), "1"}})).status());
  ASSERT_OK(Clean(1));
  WriteGroup group;
  group.Delete(BatchKey(kPartition, Offset(2)).view());
  ASSERT_OK(Commit(group));
  EXPECT_THAT(Read(), ::testing::HasSubstr("expected offset 2"));
  ASSERT_OK(Append(BatchOfKeys({{"3", "2"}})).status());
  EXPECT_THAT(Clean(2), FailsWith(Reason::kCorruptMessage));  // nor does a run hide it
  EXPECT_THAT(Read(), ::testing::HasSubstr("expected offset 2"));
}

TEST_F(LogCleanerTest, AMapTooSmallForAllCleansWhatItCan) {
  Start();
  for (int i = 0; i < 3000; ++i) ASSERT_OK(Append(BatchOfKeys({{"k" + std::to_string(i % 1500), std::to_string(i)}})).status());
  int runs = 0;
  do {
    ASSERT_OK(Clean(CleanForTest{1, 1'000'000, 100'000, 24 * 1000}));
    ++runs;
  } while (ReadCleaningState(*store_, kPartition)->clean_end < log_->log_end());
  EXPECT_GE(runs, 3);
  const std::string text = Read();
  EXPECT_EQ(std::count(text.begin(), text.end(), '='), 1500);
}

TEST_F(LogCleanerTest, DamagedBatchesAreNotRewritten) {
  Start();
  ASSERT_OK(Append(BatchOfKeys({{"a", "1"}, {"b", "1"}})).status());
  ASSERT_OK(Append(BatchOfKeys({{"a", "2"}})).status());
  auto read = LogReader(*store_).Read(kPartition, {Offset(0), Offset(2), 1});
  std::string value(kSideHeaderBytes, '\0');
  value += read->batches.view();
  value.back() = static_cast<char>(value.back() ^ 1);  // in the last record's headers
  WriteSideHeader(value.data(), SideHeader{5000});
  WriteGroup group;
  group.Put(BatchKey(kPartition, Offset(1)).view(), value);
  ASSERT_OK(Commit(group));
  EXPECT_THAT(Clean(1), FailsWith(Reason::kCorruptMessage));
  EXPECT_EQ(ReadCleaningState(*store_, kPartition)->clean_end, Offset(0));
}

TEST_F(LogCleanerTest, ProducersAreKnownAfterACleaningAndARestart) {
  Start();
  for (int i = 0; i < 8; ++i) ASSERT_OK(Append(BatchOfKeys({{"a", std::to_string(i)}}, Codec::kNone, Stamp(9, i))).status());
  ASSERT_OK(Clean(1));
  EXPECT_EQ(Read(), "7:a=7");
  Reopen();
  const auto again = Append(BatchOfKeys({{"a", "5"}}, Codec::kNone, Stamp(9, 5)));
  ASSERT_OK(again.status());
  EXPECT_TRUE(again->duplicates[0]);
  EXPECT_EQ(again->base_offsets[0], Offset(5));
  EXPECT_OK(Append(BatchOfKeys({{"a", "8"}}, Codec::kNone, Stamp(9, 8))).status());
}

TEST_F(LogCleanerTest, WhatTheLogStartHasPassedIsNotBroughtBack) {
  Start();
  ASSERT_OK(Append(BatchOfKeys({{"a", "1"}, {"b", "1"}})).status());
  ASSERT_OK(Append(BatchOfKeys({{"a", "2"}})).status());
  WriteGroup group;
  ASSERT_OK(log_->StageLogStart(group, Offset(2)));
  ASSERT_OK(Commit(group));
  log_->StageDropBelowStart(group);
  ASSERT_OK(Commit(group));
  CleaningState state;
  std::string value(100, 'v');
  ASSERT_OK(log_->StageCleaned(group, std::vector<CleanedValue>{{Offset(0), Offset(2), value}}, state));
  ASSERT_OK(Commit(group));
  ASSERT_OK(OpenLog());
  EXPECT_EQ(Read(Offset(2)), "2:a=2");
  EXPECT_THAT(Read(), ::testing::HasSubstr("expected offset 0, found a batch from 2"));
  EXPECT_THAT(log_->StageCleaned(group, std::vector<CleanedValue>{{Offset(2), Offset(9), value}}, state), FailsWith(Reason::kStorageError));
}

TEST_F(LogCleanerTest, ARunThatRetentionOvertakesGoesOnAtTheLogStart) {
  Start();
  for (int i = 0; i < 6; ++i) ASSERT_OK(Append(BatchOfKeys({{i % 2 == 0 ? "a" : "b", std::to_string(i)}})).status());
  WriteGroup group;
  CleaningPlan plan;
  plan.partition = kPartition;
  plan.end = log_->StageCleaningStart(group);
  plan.map_bytes = 1 << 20;
  ASSERT_OK(Commit(group));
  LogCleaner cleaner(*store_, plan, [](std::size_t) { return true; });
  ASSERT_OK(cleaner.ReadKeys());
  ASSERT_OK(log_->StageLogStart(group, Offset(3)));
  ASSERT_OK(Commit(group));
  ASSERT_TRUE(log_->StageDropBelowStart(group));
  ASSERT_OK(Commit(group));
  CleaningState state;
  const auto values = cleaner.NextChunk(1 << 20, &state);
  ASSERT_OK(values.status());
  EXPECT_TRUE(cleaner.done());
  ASSERT_OK(log_->StageCleaned(group, *values, state));
  ASSERT_OK(Commit(group));
  EXPECT_EQ(Read(Offset(3)), "4:a=4 5:b=5");
}

TEST_F(LogCleanerTest, TimestampsAreFoundOverGaps) {
  Start();
  for (int i = 0; i < 6; ++i) {
    RecordBatchBuilder builder;
    const std::string key = i % 2 == 0 ? "a" : std::to_string(i);
    const std::optional<std::string> value = "v";
    RecordView record = KeyedRecord(key, value);
    record.timestamp_ms = 1000 + i;
    builder.Add(record);
    ASSERT_OK(Append(builder.Build(Codec::kNone, {}, kSideHeaderBytes).value()).status());
  }
  ASSERT_OK(Clean(1));
  const auto hit = LogReader(*store_).FindTimestamp(kPartition, Offset(0), log_->log_end(), 1002);
  ASSERT_TRUE(hit.ok() && hit->has_value()) << hit.status();
  EXPECT_EQ((*hit)->offset, Offset(3));
}

// What the histories below do, by a seed.
class LogCleanerModelTest : public LogCleanerTest {
 protected:
  void Play(std::uint64_t seed) {
    std::mt19937_64 random(seed);
    const auto below = [&](std::uint64_t n) { return random() % n; };
    Start();
    std::int64_t now_ms = 1000;
    std::map<int, int> sequences;
    for (int step = 0; step < 100; ++step) {
      const std::uint64_t what = below(10);
      if (what < 6) {
        std::vector<std::pair<std::string, std::optional<std::string>>> pairs(1 + below(5));
        for (auto& [key, value] : pairs) {
          key = "k" + std::to_string(below(12));
          if (below(4) > 0) value = std::to_string(step) + std::string(below(3) * 40, 'x');
        }
        const int producer = static_cast<int>(below(3));
        const ProducerStamp stamp = producer == 0 ? ProducerStamp() : Stamp(producer, sequences[producer]);
        const auto appended = Append(BatchOfKeys(pairs, static_cast<Codec>(below(5)), stamp), now_ms);
        ASSERT_OK(appended.status());
        if (producer > 0) sequences[producer] += static_cast<int>(pairs.size());
        for (std::size_t i = 0; i < pairs.size(); ++i) latest_[pairs[i].first] = {appended->base_offsets[0].value() + static_cast<std::int64_t>(i), pairs[i].second};
      } else if (what < 9) {
        now_ms += static_cast<std::int64_t>(below(200));
        CleanForTest run{now_ms, 500, 1 + below(300), 24 * (2 + below(20))};
        if (below(3) == 0) run.writes_max = static_cast<int>(below(6));
        ASSERT_OK(Clean(run));
        if (run.writes_max != INT_MAX || below(4) == 0) Reopen();
      } else {
        Reopen();
      }
      ASSERT_OK(log_->Invariants());
      bytes_per_read_ = 1 + below(400);
      for (const std::int64_t from : {std::int64_t{0}, static_cast<std::int64_t>(below(static_cast<std::uint64_t>(log_->log_end().value()) + 1))}) {
        ASSERT_NO_FATAL_FAILURE(ExpectLatest(Offset(from))) << "seed " << seed << " step " << step;
      }
    }
    // In the end each key stands once, and what was deleted long ago not at all.
    now_ms += 10'000;
    for (int i = 0; i < 3; ++i) ASSERT_OK(Clean(now_ms + 1000 * i, 500));
    seen_.clear();
    const std::string text = Read();
    std::size_t alive = 0;
    for (const auto& [key, latest] : latest_) alive += latest.second.has_value() ? 1 : 0;
    EXPECT_EQ(seen_.size(), alive) << text;
    EXPECT_EQ(static_cast<std::size_t>(std::count(text.begin(), text.end(), '=')), alive) << text;
  }
};

TEST_F(LogCleanerModelTest, ReadersEndWithTheLatestValuesWhereverTheProcessDied) {
  for (std::uint64_t seed = 1; seed <= 2; ++seed) {
    ASSERT_NO_FATAL_FAILURE(Play(seed)) << "seed " << seed;
    Crash();
    std::filesystem::remove_all(options_.directory);
    std::filesystem::remove(options_.synced_file);
    latest_.clear();
  }
}

}  // namespace
}  // namespace cordwood::testing
