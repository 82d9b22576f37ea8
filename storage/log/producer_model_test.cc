// SPDX-License-Identifier: Apache-2.0
// ProducerState against a model that keeps every batch of the log and looks everything up in it, under random operations.
#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "storage/log/producer_state.h"
#include "storage/log/test_bytes.h"

namespace cordwood {
namespace {

constexpr std::int64_t kRing = std::int64_t{1} << 31;
constexpr ProducerLimits kLimits{.producers_max = 4, .expiration_ms = 100};

struct Appended {
  HeaderBatch batch;
  std::int64_t append_ms;
  std::int64_t first() const { return batch.first; }
  std::int64_t last() const { return (first() + batch.count - 1) % kRing; }
};

// What each rule says, by looking through the whole log.
class NaiveLog {
 public:
  std::vector<Appended> all;

  std::int64_t clock() const { return all.empty() ? -1 : all.back().append_ms; }
  std::int64_t end() const { return all.empty() ? 0 : all.back().batch.offset + 10; }

  // The producer's batches since it was last unknown or raised its epoch, at most five; none if it is unknown now.
  std::vector<Appended> Window(std::int64_t producer) const {
    std::vector<Appended> window;
    std::size_t own = 0;
    for (std::size_t i = 0; i < all.size(); ++i) {
      if (all[i].batch.producer != producer) continue;
      if (!window.empty() && (ExpiredBefore(own, i) || window.back().batch.epoch != all[i].batch.epoch)) window.clear();
      window.push_back(all[i]);
      own = i;
    }
    if (!window.empty() && ExpiredBefore(own, all.size())) window.clear();
    if (window.size() > 5) window.erase(window.begin(), window.end() - 5);
    return window;
  }

  int KnownAt(std::int64_t ms) const {
    std::map<std::int64_t, std::int64_t> last;
    for (const Appended& a : all) {
      if (a.batch.producer >= 0) last[a.batch.producer] = a.append_ms;
    }
    auto alive = [ms](const auto& p) { return ms - p.second <= kLimits.expiration_ms; };
    return static_cast<int>(std::count_if(last.begin(), last.end(), alive));
  }

  std::string Judge(const HeaderBatch& batch, int new_in_entry, std::int64_t append_ms) const {
    if (batch.producer < 0) return "ok";
    const std::vector<Appended> window = Window(batch.producer);
    if (window.empty()) {
      if (batch.first != 0) return "UNKNOWN_PRODUCER_ID";
      return KnownBeforeEntry(append_ms) + new_in_entry < kLimits.producers_max ? "ok" : "LIMIT_EXCEEDED";
    }
    if (batch.epoch < window.back().batch.epoch) return "INVALID_PRODUCER_EPOCH";
    if (batch.epoch > window.back().batch.epoch) return batch.first == 0 ? "ok" : "OUT_OF_ORDER_SEQUENCE_NUMBER";
    const Appended asked{batch, 0};
    for (const Appended& known : window) {
      if (known.first() == asked.first() && known.last() == asked.last()) return "dup@" + std::to_string(known.batch.offset);
    }
    const std::int64_t last = window.back().last();
    if (asked.first() == (last + 1) % kRing) return "ok";
    auto behind = [last](std::int64_t sequence) { return (last - sequence + kRing) % kRing < kRing / 2; };
    return behind(asked.first()) && behind(asked.last()) ? "DUPLICATE_SEQUENCE_NUMBER" : "OUT_OF_ORDER_SEQUENCE_NUMBER";
  }

  std::size_t entry_starts = SIZE_MAX;  // while an entry is judged: where its batches begin

 private:
  // Whether a batch after `own` and before `other` let the producer of `own` expire.
  bool ExpiredBefore(std::size_t own, std::size_t other) const {
    return other > own + 1 && all[other - 1].append_ms - all[own].append_ms > kLimits.expiration_ms;
  }
  int KnownBeforeEntry(std::int64_t append_ms) const {
    NaiveLog before;
    before.all.assign(all.begin(), all.begin() + static_cast<std::ptrdiff_t>(std::min(entry_starts, all.size())));
    return before.KnownAt(std::max(append_ms, before.clock()));
  }
};

class ProducerModel {
 public:
  explicit ProducerModel(unsigned seed) : random_(seed) {}

  void Step() {
    const int choice = Random(20);
    if (choice < 16) return TryEntry();
    if (choice < 18) return TakeSnapshot();
    if (choice == 18) return Silence();
    Truncate();
  }

  // Live state, rebuilt from the latest snapshot and rebuilt from the whole log are the same bytes.
  void ExpectAgree() {
    ASSERT_TRUE(state_.Invariants().ok()) << state_.Invariants();
    const Offset end(log_.end());
    ASSERT_EQ(ToHex(state_.Encode(end)), ToHex(Rebuild(log_.end()).Encode(end)));
    ASSERT_EQ(ToHex(state_.Encode(end)), ToHex(Replay(ProducerState(kLimits), 0).Encode(end)));
    ASSERT_EQ(state_.size(), log_.KnownAt(log_.clock()));
  }

  std::map<std::string, int> seen;  // verdict or event -> how often

 private:
  int Random(int n) { return static_cast<int>(random_() % static_cast<unsigned>(n)); }

  HeaderBatch RandomBatch(const NaiveLog& log) {
    if (Random(8) == 0) return HeaderBatch{};
    HeaderBatch batch{1 + Random(6), 0, 0, Random(12) == 0 ? 1 << 29 : 1 + Random(3), 0};
    const std::vector<Appended> window = log.Window(batch.producer);
    if (window.empty()) {
      batch.first = Random(6) == 0 ? 5 : 0;
      return batch;
    }
    batch.epoch = window.back().batch.epoch;
    const std::int64_t next = window.back().last() + 1;
    switch (Random(10)) {
      case 0: batch.epoch = static_cast<std::int16_t>(batch.epoch + 1); batch.first = Random(3) == 0 ? 1 : 0; return batch;
      case 1: batch.epoch = static_cast<std::int16_t>(batch.epoch - 1); break;
      case 2: case 3: return window[static_cast<std::size_t>(Random(static_cast<int>(window.size())))].batch;
      case 4: batch.first = static_cast<std::int32_t>((next + kRing - 1 - Random(20)) % kRing); return batch;
      case 5: batch.first = static_cast<std::int32_t>((next + 1 + Random(20)) % kRing); return batch;
      default: break;
    }
    batch.first = static_cast<std::int32_t>(next % kRing);
    return batch;
  }

  // One to three batches are checked as one entry; if all may be appended, they are.
  void TryEntry() {
    const std::int64_t append_ms = std::max<std::int64_t>(log_.clock(), 0) + Random(30);
    NaiveLog after = log_;
    after.entry_starts = log_.all.size();
    std::vector<HeaderBatch> entry;
    std::vector<std::string> expected;
    std::string refusal;
    std::set<std::int64_t> new_producers;
    for (int n = 1 + Random(3); n > 0 && refusal.empty(); --n) {
      HeaderBatch batch = RandomBatch(after);
      const std::string verdict = after.Judge(batch, static_cast<int>(new_producers.size()), append_ms);
      ++seen[verdict.substr(0, verdict.find('@'))];
      if (verdict[0] != 'o' && verdict[0] != 'd') refusal = verdict;
      batch.offset = after.end();
      entry.push_back(batch);
      expected.push_back(verdict);
      if (verdict != "ok") continue;
      if (batch.producer >= 0 && after.Window(batch.producer).empty()) new_producers.insert(batch.producer);
      after.all.push_back({batch, std::max<std::int64_t>(log_.clock(), 0)});  // the entry is judged by the clock before it
    }
    ExpectVerdicts(entry, expected, refusal, append_ms);
    if (!refusal.empty()) return;
    for (std::size_t i = 0; i < entry.size(); ++i) {
      if (expected[i] == "ok") Append({entry[i], append_ms});
    }
  }

  void ExpectVerdicts(const std::vector<HeaderBatch>& entry, const std::vector<std::string>& expected, const std::string& refusal,
                      std::int64_t append_ms) {
    const HeaderBatches batches(entry);
    const auto verdicts = state_.Check(batches.views(), append_ms);
    ASSERT_EQ(verdicts.ok() ? "" : ReasonName(ReasonOf(verdicts.status())), refusal) << verdicts.status();
    if (!verdicts.ok()) return;
    for (std::size_t i = 0; i < entry.size(); ++i) {
      const AppendVerdict& verdict = (*verdicts)[i];
      Offset original = verdict.base_offset;
      if (verdict.duplicate_of >= 0) {
        ++seen["dup in entry"];
        original = Offset(entry[static_cast<std::size_t>(verdict.duplicate_of)].offset);
      }
      ASSERT_EQ(verdict.duplicate ? "dup@" + ToString(original) : "ok", expected[i]) << "batch " << i;
    }
  }

  void Append(const Appended& appended) {
    log_.all.push_back(appended);
    state_.Apply(HeaderBatches({appended.batch}).views()[0], appended.append_ms);
  }

  void Silence() {
    HeaderBatch batch;
    batch.offset = log_.end();
    Append({batch, std::max<std::int64_t>(log_.clock(), 0) + 60 + Random(60)});
  }

  void TakeSnapshot() { snapshots_.push_back(state_.Encode(Offset(log_.end()))); }

  ProducerState Replay(ProducerState state, std::int64_t from) const {
    for (const Appended& a : log_.all) {
      if (a.batch.offset >= from) state.Apply(HeaderBatches({a.batch}).views()[0], a.append_ms);
    }
    return state;
  }

  // From the newest snapshot that ends at or below `end`.
  ProducerState Rebuild(std::int64_t end) const {
    for (auto snapshot = snapshots_.rbegin(); snapshot != snapshots_.rend(); ++snapshot) {
      Offset snapshot_end;
      ProducerState state = ProducerState::Decode(*snapshot, kLimits, &snapshot_end).value();
      if (snapshot_end.value() <= end) return Replay(std::move(state), snapshot_end.value());
    }
    return Replay(ProducerState(kLimits), 0);
  }

  // TruncateTo() on a copy keeps exactly what of the windows lies below; the live state goes on from snapshot and replay.
  void Truncate() {
    if (log_.all.empty()) return;
    const int drop = 1 + Random(static_cast<int>(std::min<std::size_t>(log_.all.size(), 8)));
    const std::size_t keep = log_.all.size() - static_cast<std::size_t>(drop);
    const std::int64_t end = log_.all[keep].batch.offset;
    ProducerState truncated = state_;
    truncated.TruncateTo(Offset(end));
    ASSERT_TRUE(truncated.Invariants().ok()) << truncated.Invariants();
    for (std::int64_t producer = 1; producer <= 6; ++producer) ExpectTruncated(truncated, log_.Window(producer), end);
    ++seen["truncated"];

    log_.all.resize(keep);
    std::erase_if(snapshots_, [end](const std::string& s) { return LoadBigEndian<std::int64_t>(s.data()) > end; });
    state_ = Rebuild(end);
  }

  static void ExpectTruncated(const ProducerState& truncated, const std::vector<Appended>& window, std::int64_t end) {
    const bool any_left = !window.empty() && window.front().batch.offset < end;
    for (const Appended& known : window) {
      const auto verdicts = truncated.Check(HeaderBatches({known.batch}).views());
      const bool duplicate = verdicts.ok() && (*verdicts)[0].duplicate;
      ASSERT_EQ(duplicate, known.batch.offset < end);
      if (duplicate) {
        ASSERT_EQ((*verdicts)[0].base_offset, Offset(known.batch.offset));
      }
      if (!any_left && known.batch.first != 0) {
        ASSERT_EQ(ReasonOf(verdicts.status()), Reason::kUnknownProducerId);
      }
    }
    for (std::size_t i = 1; i < window.size(); ++i) {  // the first that went is the next again
      if (window[i].batch.offset < end || window[i - 1].batch.offset >= end) continue;
      const bool follows = window[i].first() == (window[i - 1].last() + 1) % kRing;
      if (follows) {
        ASSERT_TRUE(truncated.Check(HeaderBatches({window[i].batch}).views()).ok());
      }
    }
  }

  std::mt19937 random_;
  NaiveLog log_;
  ProducerState state_{kLimits};
  std::vector<std::string> snapshots_;
};

TEST(ProducerModelTest, StateAgreesWithTheWholeLogUnderRandomOperations) {
  std::map<std::string, int> seen;
  for (unsigned seed = 0; seed < 80; ++seed) {
    SCOPED_TRACE(seed);
    ProducerModel model(seed);
    for (int step = 0; step < 150; ++step) {
      ASSERT_NO_FATAL_FAILURE(model.Step()) << "step " << step;
      ASSERT_NO_FATAL_FAILURE(model.ExpectAgree()) << "step " << step;
    }
    for (const auto& [what, count] : model.seen) seen[what] += count;
  }
  for (const char* what : {"ok", "dup", "dup in entry", "UNKNOWN_PRODUCER_ID", "LIMIT_EXCEEDED", "INVALID_PRODUCER_EPOCH",
                           "OUT_OF_ORDER_SEQUENCE_NUMBER", "DUPLICATE_SEQUENCE_NUMBER", "truncated"}) {
    EXPECT_GT(seen[what], 20) << what;
  }
}

}  // namespace
}  // namespace cordwood
