// SPDX-License-Identifier: Apache-2.0
// A living group is sent back to the start of all its partitions while records come: until the first record has come from each.
#include <algorithm>
#include <atomic>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/strings/str_cat.h"
#include "cordwood/v1/group_admin.grpc.pb.h"
#include "tests/bench/group/group_consumers.h"
#include "tests/bench/group/groups_bench.h"
#include "tests/bench/measure.h"
#include "tests/support/log_client.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

constexpr int kRecords = 1000;           // in each partition at first
constexpr std::size_t kRecordBytes = 1000;

class RewindBench {
 public:
  RewindBench(const GroupArguments& arguments, int members, int partitions)
      : arguments_(arguments), partitions_(static_cast<std::size_t>(partitions)), client_(arguments.address) {
    for (int i = 0; i < members; ++i) {
      consumers_.push_back(std::make_unique<BenchConsumer>(arguments.address, arguments.topic, [this](Seen& seen, const ConsumerRecord& record) {
        if (record.offset() == 0) seen.seconds.emplace(record.partition(), WallSeconds());
        ++read_;
      }));
    }
    if (!WaitUntil([&] { return Sum([](const Seen& seen) { return seen.owned.size(); }) == partitions_; })) Fail("the members do not own all partitions");
  }
  void Run(int rounds) {
    for (int i = 0; i < rounds; ++i) Round();
    JsonLine("rewind")
        .Add("rounds", rounds)
        .Add("first_of_each_p50_ms", Percentile(partition_ms_, 0.5))
        .Add("all_p50_ms", Percentile(all_ms_, 0.5))
        .Add("all_max_ms", Percentile(all_ms_, 1))
        .Add("confirmed_max_ms", Percentile(confirmed_ms_, 1))
        .Add("rebalances", rebalances_)
        .Print();
  }

 private:
  template <class Function>
  std::size_t Sum(Function function) {
    std::size_t sum = 0;
    for (const auto& consumer : consumers_) sum += static_cast<std::size_t>(consumer->With(function));
    return sum;
  }
  std::vector<std::int32_t> Epochs() {
    std::vector<std::int32_t> epochs;
    for (const auto& consumer : consumers_) epochs.push_back(consumer->With([](const Seen& seen) { return seen.epoch; }));
    return epochs;
  }
  // All that was there is read, and records still come.
  void AwaitEnd() {
    const std::int64_t goal = read_end_ += static_cast<std::int64_t>(partitions_) * kRecords;
    if (!WaitUntil([&] { return read_ >= goal; }, absl::Minutes(2))) Fail(absl::StrCat("only ", read_.load(), " records were read, not ", goal));
  }
  void Round() {
    AwaitEnd();
    for (const auto& consumer : consumers_) {
      consumer->With([](Seen& seen) {
        seen.seconds.clear();
        return seen.taken = seen.given_up = 0;
      });
    }
    const std::vector<std::int32_t> epochs = Epochs();
    const double began = WallSeconds();
    Reset();
    confirmed_ms_.push_back((WallSeconds() - began) * 1e3);
    if (!WaitUntil([&] { return Sum([](const Seen& seen) { return seen.seconds.size(); }) == partitions_; })) Fail("not all partitions were read anew");
    double last = 0;
    for (const auto& consumer : consumers_) {
      consumer->With([&](const Seen& seen) {
        for (const auto& [partition, at] : seen.seconds) {
          partition_ms_.push_back((at - began) * 1e3);
          last = std::max(last, at);
        }
        return 0;
      });
    }
    all_ms_.push_back((last - began) * 1e3);
    rebalances_ += Epochs() != epochs || Sum([](const Seen& seen) { return seen.taken + seen.given_up; }) > 0;
  }
  void Reset() {
    v1::ResetOffsetsRequest request;
    request.set_group("g");
    request.add_targets()->set_topic(arguments_.topic);
    request.mutable_targets(0)->set_start(true);
    grpc::ClientContext context;
    v1::ResetOffsetsResponse response;
    Require(FromGrpc(groups_->ResetOffsets(&context, request, &response)));
    for (const auto& answer : response.answers()) {
      if (!answer.unconfirmed_member().empty()) Fail(absl::StrCat("a member does not read from the new place: ", answer.ShortDebugString()));
    }
  }

  const GroupArguments arguments_;
  const std::size_t partitions_;
  const LogClient client_;
  const std::unique_ptr<v1::GroupAdmin::Stub> groups_ = v1::GroupAdmin::NewStub(client_.channel());
  std::atomic<std::int64_t> read_{0};
  std::int64_t read_end_ = 0;
  std::vector<std::unique_ptr<BenchConsumer>> consumers_;
  std::vector<double> partition_ms_, all_ms_, confirmed_ms_;
  int rebalances_ = 0;
};

}  // namespace

void BenchRewind(const GroupArguments& arguments) {
  const int partitions = arguments.numbers[1];
  FillPartitions(arguments.address, arguments.topic, partitions, kRecords, kRecordBytes);
  RewindBench bench(arguments, arguments.numbers[0], partitions);
  const RecordFlow flow(arguments.address, arguments.topic, partitions, arguments.numbers[3]);
  bench.Run(arguments.numbers[2]);
}

}  // namespace cordwood::testing
