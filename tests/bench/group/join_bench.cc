// SPDX-License-Identifier: Apache-2.0
// A member joins a large group, again and again: what those notice whose partitions stay. Before each join the same is looked at for as long without one.
#include <algorithm>
#include <cstdint>
#include <map>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "tests/bench/group/group_consumers.h"
#include "tests/bench/group/groups_bench.h"
#include "tests/bench/measure.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

constexpr int kPollsAfterChange = 3;

class JoinBench {
 public:
  JoinBench(const GroupArguments& arguments, int members, int partitions, absl::Duration window) : arguments_(arguments), partitions_(partitions), window_(window) {
    for (int i = 0; i < members; ++i) consumers_.push_back(NewConsumer());
  }
  void Run(int rounds) {
    for (int i = 0; i < rounds; ++i) Round();
    JsonLine("join")
        .Add("rounds", rounds)
        .Add("moved", moved_)
        .Add("given_up_beyond", given_up_ - moved_)
        .Add("taken_anew", taken_)
        .Add("joined_ms", Percentile(joined_ms_, 1))
        .Add("told", told_)
        .Add("silent", silent_)
        .Add("baseline_p99_ms", Percentile(baseline_ms_, 0.99))
        .Add("baseline_max_ms", Percentile(baseline_ms_, 1))
        .Add("stay_p99_ms", Percentile(stay_ms_, 0.99))
        .Add("stay_max_ms", Percentile(stay_ms_, 1))
        .Print();
  }

 private:
  std::unique_ptr<BenchConsumer> NewConsumer() {
    return std::make_unique<BenchConsumer>(arguments_.address, arguments_.topic, [](Seen& seen, const ConsumerRecord& record) {
      double& longest = seen.seconds[record.partition()];
      longest = std::max(longest, WallSeconds() - RecordFlow::SentSeconds(record));
    });
  }
  std::size_t Owned() {
    std::size_t owned = 0;
    for (const auto& consumer : consumers_) owned += consumer->With([](const Seen& seen) { return seen.owned.size(); });
    return owned;
  }
  void AwaitOwned(int count) {
    if (!WaitUntil([&] { return Owned() == static_cast<std::size_t>(count); }, absl::Minutes(2))) Fail(absl::StrCat("the members own ", Owned(), " partitions, not ", count));
  }
  // They have heard of the end of the last change, which is no news of partitions.
  void AwaitPolls() {
    const auto polls = [](BenchConsumer& consumer) { return consumer.With([](const Seen& seen) { return seen.polls; }); };
    std::vector<int> enough;
    for (const auto& consumer : consumers_) enough.push_back(polls(*consumer) + kPollsAfterChange);
    for (std::size_t i = 0; i < consumers_.size(); ++i) {
      if (!WaitUntil([&] { return polls(*consumers_[i]) >= enough[i]; })) Fail("a member does not poll");
    }
  }
  void Begin() {
    epochs_.clear();
    for (const auto& consumer : consumers_) {
      consumer->With([this](Seen& seen) {
        epochs_[&seen] = seen.epoch;
        seen.taken = seen.given_up = 0;
        seen.seconds.clear();
        return 0;
      });
    }
  }
  // The longest wait of a record, of each partition that its member still has.
  void End(std::vector<double>* waits_ms) {
    for (const auto& consumer : consumers_) {
      consumer->With([&](const Seen& seen) {
        for (const auto& [partition, seconds] : seen.seconds) {
          if (seen.owned.contains(partition)) waits_ms->push_back(seconds * 1e3);
        }
        for (const std::int32_t partition : seen.owned) silent_ += !seen.seconds.contains(partition);
        told_ += seen.given_up == 0 && seen.epoch != epochs_.at(&seen);
        taken_ += seen.taken;
        given_up_ += seen.given_up;
        return 0;
      });
    }
  }
  void Round() {
    AwaitOwned(partitions_);  // the last one's are back
    AwaitPolls();
    Begin();
    absl::SleepFor(window_);
    End(&baseline_ms_);
    Begin();
    const Span joining;
    const absl::Time until = absl::Now() + window_;
    const std::unique_ptr<BenchConsumer> newcomer = NewConsumer();
    const std::size_t its = static_cast<std::size_t>(partitions_) / (consumers_.size() + 1);
    const auto owned = [&] { return newcomer->With([](const Seen& seen) { return seen.owned.size(); }); };
    if (!WaitUntil([&] { return owned() >= its; })) Fail(absl::StrCat("the new member owns ", owned(), " partitions, not ", its));
    joined_ms_.push_back(joining.seconds() * 1e3);
    absl::SleepFor(until - absl::Now());
    End(&stay_ms_);
    moved_ += static_cast<int>(owned());
  }

  const GroupArguments arguments_;
  const int partitions_;
  const absl::Duration window_;
  std::vector<std::unique_ptr<BenchConsumer>> consumers_;
  std::vector<double> joined_ms_, baseline_ms_, stay_ms_;
  int moved_ = 0;     // to newcomers
  int given_up_ = 0;  // by the others
  int taken_ = 0;     // by the others
  int told_ = 0;      // members that gave up nothing and have a new epoch
  std::map<const Seen*, std::int32_t> epochs_;  // when the window began
  int silent_ = 0;    // owned partitions that no record came of in a window
};

}  // namespace

void BenchJoin(const GroupArguments& arguments) {
  const int partitions = arguments.numbers[1];
  JoinBench bench(arguments, arguments.numbers[0], partitions, absl::Milliseconds(arguments.numbers[4]));
  const RecordFlow flow(arguments.address, arguments.topic, partitions, arguments.numbers[3]);
  bench.Run(arguments.numbers[2]);
}

}  // namespace cordwood::testing
