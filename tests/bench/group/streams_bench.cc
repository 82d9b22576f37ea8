// SPDX-License-Identifier: Apache-2.0
// Membership streams that only beat, over few connections.
#include <unistd.h>

#include <atomic>
#include <memory>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/internal/broker_connection.h"
#include "tests/bench/group/bench_member.h"
#include "tests/bench/group/groups_bench.h"
#include "tests/bench/measure.h"
#include "tests/support/group_client.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

constexpr int kJoiningMax = 200;  // that have no partition yet

class StreamsBench {
 public:
  StreamsBench(const GroupArguments& arguments, int connections, int streams, int groups) : arguments_(arguments), groups_(groups) {
    for (int i = 0; i < connections; ++i) {
      connections_.push_back(std::make_unique<client::BrokerConnection>(Value(client::ParseAddresses(arguments.address))));
      Require(connections_.back()->Connect());
    }
    loop_.Run([this, streams] {
      for (int i = 0; i < streams; ++i) Add(i);
    });
  }
  void JoinAll() {
    loop_.Run([this] {
      for (int i = 0; i < kJoiningMax; ++i) JoinNext();
    });
    if (!WaitUntil([this] { return served_ == static_cast<int>(members_.size()); }, absl::Minutes(3))) Fail(absl::StrCat("only ", served_.load(), " members have a partition"));
  }
  int beats() const { return beats_; }
  ~StreamsBench() {
    loop_.Run([this] { members_.clear(); });
  }

 private:
  void Add(int number) {
    BenchMember::Events events;
    events.on_target = [this, served = false](BenchMember& member) mutable {
      if (served || member.owned().empty()) return;
      served = true;
      ++served_;
      JoinNext();
    };
    events.on_beat = [this] { ++beats_; };
    members_.push_back(std::make_unique<BenchMember>(loop_, connections_[static_cast<std::size_t>(number) % connections_.size()]->channel(),
                                                     JoinOf(absl::StrCat("g", number % groups_), absl::StrCat("member-", number), {arguments_.topic}), events));
  }
  void JoinNext() {
    if (joined_ < members_.size()) members_[joined_++]->Join();
  }

  const GroupArguments arguments_;
  const int groups_;
  std::vector<std::unique_ptr<client::BrokerConnection>> connections_;
  std::atomic<int> served_{0};  // have a partition
  std::atomic<int> beats_{0};

  // The loop's thread.
  std::vector<std::unique_ptr<BenchMember>> members_;
  std::size_t joined_ = 0;
  client::ClientLoop loop_;
};

}  // namespace

// One line once all are members; then until standard input ends; then another line.
void BenchStreams(const GroupArguments& arguments) {
  StreamsBench bench(arguments, arguments.numbers[0], arguments.numbers[1], arguments.numbers[2]);
  const Span joining;
  bench.JoinAll();
  JsonLine("joined").Add("seconds", joining.seconds()).Print();
  const int beats = bench.beats();
  char byte = 0;
  while (read(STDIN_FILENO, &byte, 1) > 0) continue;
  JsonLine("streams").Add("beats", bench.beats() - beats).Print();
}

}  // namespace cordwood::testing
