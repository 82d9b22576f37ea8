// SPDX-License-Identifier: Apache-2.0
// Where leader epochs begin and end, by the scenarios of KIP-101 and KIP-279 and against a naive model.
#include "storage/log/epoch_cache.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>
#include <string>
#include <vector>

#include "storage/log/test_bytes.h"

namespace cordwood {
namespace {

EpochCache CacheOf(const std::vector<EpochStart>& entries) {
  EpochCache cache;
  for (const EpochStart& entry : entries) EXPECT_TRUE(cache.Assign(entry.epoch, entry.start));
  EXPECT_TRUE(cache.Invariants().ok()) << cache.Invariants();
  return cache;
}

EpochStart Entry(int epoch, int start) { return {LeaderEpoch(epoch), Offset(start)}; }
EpochEnd End(int epoch, int end) { return {LeaderEpoch(epoch), Offset(end)}; }
using Entries = std::vector<EpochStart>;

// Epoch 1 wrote 0-9, epoch 3 10-19, epoch 4 20 and on.
EpochCache ThreeEpochs() { return CacheOf({Entry(1, 0), Entry(3, 10), Entry(4, 20)}); }

TEST(EpochCacheTest, EmptyCacheKnowsNothing) {
  const EpochCache cache;
  EXPECT_FALSE(cache.latest().has_value());
  EXPECT_EQ(cache.EndOf(LeaderEpoch(5), Offset(0)), End(-1, -1));
  EXPECT_EQ(cache.EpochAt(Offset(0)), kNoLeaderEpoch);
  EXPECT_EQ(cache.Encode(), "");
}

TEST(EpochCacheTest, KnownEpochEndsWhereTheNextBegins) {
  EXPECT_EQ(ThreeEpochs().EndOf(LeaderEpoch(1), Offset(25)), End(1, 10));
  EXPECT_EQ(ThreeEpochs().EndOf(LeaderEpoch(3), Offset(25)), End(3, 20));
}

TEST(EpochCacheTest, LatestEpochEndsAtTheLogEnd) { EXPECT_EQ(ThreeEpochs().EndOf(LeaderEpoch(4), Offset(25)), End(4, 25)); }

// KIP-279: the follower's epoch may be one that the leader never saw; it gets the largest one below, with its end.
TEST(EpochCacheTest, UnknownEpochBetweenGivesTheLargestBelow) {
  EXPECT_EQ(ThreeEpochs().EndOf(LeaderEpoch(2), Offset(25)), End(1, 10));
}

TEST(EpochCacheTest, EpochAboveTheLatestGivesTheLatest) { EXPECT_EQ(ThreeEpochs().EndOf(LeaderEpoch(9), Offset(25)), End(4, 25)); }

TEST(EpochCacheTest, EpochBelowTheFirstGivesNone) {
  EXPECT_EQ(ThreeEpochs().EndOf(LeaderEpoch(0), Offset(25)), End(-1, -1));
  EXPECT_EQ(ThreeEpochs().EndOf(kNoLeaderEpoch, Offset(25)), End(-1, -1));
}

// KIP-101 scenario 1: a follower that lost nothing asks where its last epoch ends, instead of cutting to its own high watermark.
TEST(EpochCacheTest, FollowerOfTheSameEpochKeepsEverything) {
  const EpochCache leader = CacheOf({Entry(0, 0)});
  const Offset follower_end(2);
  EXPECT_EQ(std::min(leader.EndOf(LeaderEpoch(0), Offset(2)).end, follower_end), Offset(2));
}

// KIP-101 scenario 2: the old leader's unreplicated tail gives way to what the new leader wrote at the same offset.
TEST(EpochCacheTest, OldLeaderCutsTheTailThatTheNewOneReplaced) {
  EpochCache old_leader = CacheOf({Entry(0, 0)});                     // wrote 0 and 1, of which only 0 was replicated
  const EpochCache new_leader = CacheOf({Entry(0, 0), Entry(1, 1)});  // wrote 1 anew
  const EpochEnd end = new_leader.EndOf(old_leader.latest()->epoch, Offset(2));
  EXPECT_EQ(end, End(0, 1));
  EXPECT_FALSE(old_leader.TruncateTo(end.end));
  EXPECT_TRUE(old_leader.Assign(LeaderEpoch(1), end.end));
  EXPECT_EQ(old_leader.entries(), new_leader.entries());
}

// KIP-279: two fast elections; without the loop over "largest epoch at or below" the logs would part at offset 10.
TEST(EpochCacheTest, FastElectionsConvergeInTwoRounds) {
  EpochCache follower = CacheOf({Entry(0, 0), Entry(1, 10), Entry(2, 15)});
  const EpochCache leader = CacheOf({Entry(0, 0), Entry(3, 12)});
  EXPECT_EQ(leader.EndOf(LeaderEpoch(2), Offset(20)), End(0, 12));  // not epoch 2: the follower cuts to its own end of epoch 0 …
  const EpochEnd own = follower.EndOf(LeaderEpoch(0), Offset(18));
  EXPECT_EQ(own, End(0, 10));
  EXPECT_TRUE(follower.TruncateTo(own.end));
  EXPECT_EQ(leader.EndOf(follower.latest()->epoch, Offset(20)), End(0, 12));  // … and asks again: now they agree on epoch 0
  EXPECT_EQ(follower.entries(), (Entries{Entry(0, 0)}));
}

// KIP-279: a new leader records its epoch even if it never writes; the next one at the same offset replaces it.
TEST(EpochCacheTest, EpochWithoutRecordsIsReplaced) {
  EpochCache cache = CacheOf({Entry(1, 0), Entry(2, 10)});
  EXPECT_TRUE(cache.Assign(LeaderEpoch(5), Offset(10)));
  EXPECT_EQ(cache.entries(), (Entries{Entry(1, 0), Entry(5, 10)}));
}

TEST(EpochCacheTest, SameOrOlderEpochIsIgnored) {
  EpochCache cache = ThreeEpochs();
  EXPECT_FALSE(cache.Assign(LeaderEpoch(4), Offset(30)));
  EXPECT_FALSE(cache.Assign(LeaderEpoch(2), Offset(30)));
  EXPECT_EQ(cache.entries(), ThreeEpochs().entries());
}

TEST(EpochCacheTest, UnknownEpochAndOffsetAreIgnored) {
  EpochCache cache;
  EXPECT_FALSE(cache.Assign(kNoLeaderEpoch, Offset(0)));
  EXPECT_FALSE(cache.Assign(LeaderEpoch(0), Offset(-1)));
  EXPECT_TRUE(cache.entries().empty());
}

TEST(EpochCacheTest, EpochThatBeginsBelowKnownOnesReplacesThem) {
  EpochCache cache = ThreeEpochs();
  EXPECT_TRUE(cache.Assign(LeaderEpoch(5), Offset(15)));
  EXPECT_EQ(cache.entries(), (Entries{Entry(1, 0), Entry(3, 10), Entry(5, 15)}));
}

TEST(EpochCacheTest, EpochAtIsTheWriterOfTheOffset) {
  EXPECT_EQ(ThreeEpochs().EpochAt(Offset(0)), LeaderEpoch(1));
  EXPECT_EQ(ThreeEpochs().EpochAt(Offset(9)), LeaderEpoch(1));
  EXPECT_EQ(ThreeEpochs().EpochAt(Offset(10)), LeaderEpoch(3));
  EXPECT_EQ(ThreeEpochs().EpochAt(Offset(1000)), LeaderEpoch(4));
  EXPECT_EQ(CacheOf({Entry(1, 5)}).EpochAt(Offset(4)), kNoLeaderEpoch);
}

TEST(EpochCacheTest, TruncateToDropsEpochsThatStartAtOrAbove) {
  EpochCache cache = ThreeEpochs();
  EXPECT_FALSE(cache.TruncateTo(Offset(21)));
  EXPECT_TRUE(cache.TruncateTo(Offset(20)));
  EXPECT_EQ(cache.entries(), (Entries{Entry(1, 0), Entry(3, 10)}));
  EXPECT_TRUE(cache.TruncateTo(Offset(0)));
  EXPECT_TRUE(cache.entries().empty());
}

TEST(EpochCacheTest, TruncateFromMovesTheEpochThatContainsTheStart) {
  EpochCache cache = ThreeEpochs();
  EXPECT_FALSE(cache.TruncateFrom(Offset(0)));
  EXPECT_TRUE(cache.TruncateFrom(Offset(12)));
  EXPECT_EQ(cache.entries(), (Entries{Entry(3, 12), Entry(4, 20)}));
  EXPECT_TRUE(cache.TruncateFrom(Offset(20)));
  EXPECT_EQ(cache.entries(), (Entries{Entry(4, 20)}));
  EXPECT_TRUE(cache.TruncateFrom(Offset(50)));  // the latest stays, whatever goes
  EXPECT_EQ(cache.entries(), (Entries{Entry(4, 50)}));
}

// The worked example of docs/reference/on-disk-format.md.
TEST(EpochCacheTest, BytesAreAsDocumented) {
  EXPECT_EQ(ToHex(CacheOf({Entry(1, 0), Entry(3, 1001)}).Encode()),
            "00000001" "0000000000000000" "00000003" "00000000000003e9");
}

TEST(EpochCacheTest, DecodeGivesBackEveryEntry) {
  EXPECT_EQ(EpochCache::Decode(ThreeEpochs().Encode())->entries(), ThreeEpochs().entries());
  EXPECT_TRUE(EpochCache::Decode("")->entries().empty());
}

TEST(EpochCacheTest, ValuesThatAreNoWholeEntriesAreRefused) {
  for (const std::string& value : WrongLengths(ThreeEpochs().Encode())) {
    if (value.size() % 12 == 0) continue;
    EXPECT_EQ(ReasonOf(EpochCache::Decode(value).status()), Reason::kStorageError) << value.size();
  }
}

TEST(EpochCacheTest, FlippedByteIsRefusedOrAnotherSoundCache) {
  for (const std::string& value : FlippedBytes(ThreeEpochs().Encode())) {
    const auto cache = EpochCache::Decode(value);
    if (!cache.ok()) {
      EXPECT_EQ(ReasonOf(cache.status()), Reason::kStorageError);
      continue;
    }
    EXPECT_TRUE(cache->Invariants().ok());
    EXPECT_EQ(cache->Encode(), value);
  }
}

TEST(EpochCacheTest, EntriesOutOfOrderAreRefused) {
  const std::string one = CacheOf({Entry(1, 10)}).Encode();
  EXPECT_EQ(ReasonOf(EpochCache::Decode(one + one).status()), Reason::kStorageError);
  EXPECT_EQ(ReasonOf(EpochCache::Decode(CacheOf({Entry(2, 20)}).Encode() + one).status()), Reason::kStorageError);
  EXPECT_EQ(MessageOf(EpochCache::Decode(one + CacheOf({Entry(2, 10)}).Encode()).status()),
            "epoch cache entry 1 {epoch 2, start 10} does not raise the start");
}

// The log itself: the epoch of every record, and the epoch that has begun at its end without writing yet.
class NaiveLog {
 public:
  Offset start() const { return Offset(start_); }
  Offset end() const { return Offset(static_cast<std::int64_t>(epochs_.size())); }
  int latest() const { return begun_ >= 0 ? begun_ : Retained() ? epochs_.back() : -1; }

  void Begin(int epoch) { begun_ = epoch; }
  void Append(int records) {
    epochs_.insert(epochs_.end(), static_cast<std::size_t>(records), latest());
    begun_ = -1;
  }
  void TruncateTo(Offset end) {
    begun_ = -1;
    epochs_.resize(static_cast<std::size_t>(end.value()));
  }
  void TruncateFrom(Offset start) {
    const int latest_before = latest();
    start_ = static_cast<std::size_t>(start.value());
    if (!Retained()) begun_ = latest_before;
  }

  int EpochAt(std::size_t offset) const { return offset < start_ ? -1 : epochs_[offset]; }
  EpochEnd EndOf(int asked) const {
    int found = begun_ >= 0 && begun_ <= asked ? begun_ : -1;
    for (std::size_t i = start_; i < epochs_.size(); ++i) found = epochs_[i] <= asked ? std::max(found, epochs_[i]) : found;
    if (found < 0) return End(-1, -1);
    for (std::size_t i = start_; i < epochs_.size(); ++i) {
      if (epochs_[i] > found) return End(found, static_cast<int>(i));
    }
    return End(found, static_cast<int>(epochs_.size()));
  }

 private:
  bool Retained() const { return start_ < epochs_.size(); }
  std::vector<int> epochs_;
  std::size_t start_ = 0;
  int begun_ = -1;
};

void ExpectAgree(const EpochCache& cache, const NaiveLog& log, int epoch_max) {
  ASSERT_TRUE(cache.Invariants().ok()) << cache.Invariants();
  for (int epoch = -1; epoch <= epoch_max + 1; ++epoch) ASSERT_EQ(cache.EndOf(LeaderEpoch(epoch), log.end()), log.EndOf(epoch)) << epoch;
  for (std::int64_t i = 0; i < log.end().value(); ++i) {
    ASSERT_EQ(cache.EpochAt(Offset(i)).value(), log.EpochAt(static_cast<std::size_t>(i))) << i;
  }
  ASSERT_EQ(cache.latest().has_value() ? cache.latest()->epoch.value() : -1, log.latest());
  ASSERT_EQ(EpochCache::Decode(cache.Encode())->entries(), cache.entries());
}

TEST(EpochCacheTest, AgreesWithANaiveLogUnderRandomOperations) {
  for (unsigned seed = 0; seed < 60; ++seed) {
    SCOPED_TRACE(seed);
    std::mt19937 random(seed);
    auto between = [&random](Offset a, Offset b) { return a + static_cast<std::int64_t>(random() % static_cast<unsigned>(b - a + 1)); };
    EpochCache cache;
    NaiveLog log;
    int epoch_max = 0;
    for (int step = 0; step < 80; ++step) {
      const unsigned choice = random() % 10;
      if (choice < 3 || log.latest() < 0) {
        epoch_max += 1 + static_cast<int>(random() % 3);
        EXPECT_TRUE(cache.Assign(LeaderEpoch(epoch_max), log.end()));
        log.Begin(epoch_max);
      } else if (choice < 7) {
        log.Append(1 + static_cast<int>(random() % 5));
      } else {
        const Offset to = between(log.start(), log.end());
        choice < 9 ? static_cast<void>(cache.TruncateTo(to)) : static_cast<void>(cache.TruncateFrom(to));
        choice < 9 ? log.TruncateTo(to) : log.TruncateFrom(to);
      }
      ASSERT_NO_FATAL_FAILURE(ExpectAgree(cache, log, epoch_max)) << "step " << step;
    }
  }
}

}  // namespace
}  // namespace cordwood
