// SPDX-License-Identifier: Apache-2.0
// One of the members of a group is killed, again and again: how long its partitions have no owner, and what else moves. The ones that live share a
// thread of this process; the one that dies is a process of its own, which says when it beats.
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <map>
#include <memory>
#include <set>
#include <sstream>
#include <string>
#include <vector>

#include "absl/strings/str_cat.h"
#include "client/internal/broker_connection.h"
#include "client/internal/metadata_cache.h"
#include "storage/base/check.h"
#include "tests/bench/group/bench_member.h"
#include "tests/bench/group/groups_bench.h"
#include "tests/bench/measure.h"
#include "tests/support/group_client.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

constexpr char kGroup[] = "g";

// `groups_bench member`, in a process of its own.
class MortalMember {
 public:
  explicit MortalMember(const std::vector<std::string>& arguments) {
    int ends[2];
    CORDWOOD_CHECK(pipe2(ends, O_CLOEXEC) == 0);
    posix_spawn_file_actions_t actions;
    posix_spawn_file_actions_init(&actions);
    posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
    std::vector<char*> argv;
    for (const std::string& argument : arguments) argv.push_back(const_cast<char*>(argument.c_str()));
    argv.push_back(nullptr);
    CORDWOOD_CHECK(posix_spawn(&pid_, "/proc/self/exe", &actions, nullptr, argv.data(), environ) == 0);
    posix_spawn_file_actions_destroy(&actions);
    close(ends[1]);
    beats_ = ends[0];
  }
  // kill -9; when it wrote its last heartbeat, in seconds of the monotonic clock.
  double Kill() {
    kill(pid_, SIGKILL);
    waitpid(pid_, nullptr, 0);
    std::string text;
    char bytes[4096];
    for (ssize_t n = 0; (n = read(beats_, bytes, sizeof(bytes))) > 0;) text.append(bytes, static_cast<std::size_t>(n));
    close(beats_);
    std::istringstream lines(text);
    double last = 0;
    for (double beat = 0; lines >> beat;) last = beat;
    return last;
  }

 private:
  pid_t pid_ = -1;
  int beats_ = -1;
};

class KillBench {
 public:
  explicit KillBench(const GroupArguments& arguments)
      : arguments_(arguments), session_s_(arguments.numbers[2] / 1e3), connection_(Value(client::ParseAddresses(arguments.address))) {
    Require(connection_.Connect());
    partitions_ = Value(client::MetadataCache(connection_).Get(arguments.topic)).leaders.size();
  }
  void Run() {
    for (int i = 1; i < arguments_.numbers[0]; ++i) AddMember(i);
    for (int i = 0; i < arguments_.numbers[1]; ++i) Round(i);
    loop_.Run([this] { members_.clear(); });
    JsonLine("kill")
        .Add("rounds", arguments_.numbers[1])
        .Add("partitions", static_cast<double>(without_owner_ms_.size()))
        .Add("p50_ms", Percentile(without_owner_ms_, 0.50))
        .Add("p99_ms", Percentile(without_owner_ms_, 0.99))
        .Add("max_ms", Percentile(without_owner_ms_, 1))
        .Add("others_moved", static_cast<double>(others_moved_))
        .Print();
  }

 private:
  void AddMember(int number) {
    BenchMember::Events events;
    events.on_target = [this](BenchMember& member) {
      for (const OwnedPartition& partition : member.owned()) {
        if (!before_[&member].contains(partition)) taken_s_.emplace(partition, WallSeconds());
      }
    };
    loop_.Run([&] {
      members_.push_back(std::make_unique<BenchMember>(loop_, connection_.channel(), JoinOf(kGroup, absl::StrCat("m", number), {arguments_.topic}), events));
      members_.back()->Join();
    });
  }
  std::size_t OwnedByTheLiving() {
    std::size_t owned = 0;
    loop_.Run([&] {
      for (const auto& member : members_) owned += member->owned().size();
    });
    return owned;
  }
  void AwaitOwned(std::size_t count) {
    if (!WaitUntil([&] { return OwnedByTheLiving() == count; })) Fail(absl::StrCat("the others own ", OwnedByTheLiving(), " partitions instead of ", count));
  }

  void Round(int number) {
    MortalMember mortal({"groups_bench", "member", arguments_.address, arguments_.topic, std::to_string(number)});
    const std::size_t its = partitions_ / static_cast<std::size_t>(arguments_.numbers[0]);
    AwaitOwned(partitions_ - its);
    AwaitTaken(number);
    loop_.Run([this] {
      taken_s_.clear();
      for (const auto& member : members_) before_[member.get()] = member->owned();
    });
    const double expires_s = mortal.Kill() + session_s_;
    AwaitOwned(partitions_);
    loop_.Run([&] {
      for (const auto& member : members_) {
        for (const OwnedPartition& partition : before_[member.get()]) others_moved_ += !member->owned().contains(partition);
      }
      if (taken_s_.size() != its) Fail(absl::StrCat(taken_s_.size(), " partitions were taken, not ", its));
      for (const auto& [partition, at] : taken_s_) without_owner_ms_.push_back((at - expires_s) * 1e3);
    });
  }
  // What the others gave up is the new one's at once; nobody else hears when. It dies at some moment between two heartbeats, which are a third of a session apart.
  void AwaitTaken(int number) { absl::SleepFor(absl::Seconds(session_s_ * (0.35 + 0.3333 * ((number * 7) % 20) / 20))); }

  const GroupArguments arguments_;
  const double session_s_;
  client::BrokerConnection connection_;
  std::size_t partitions_ = 0;
  std::vector<double> without_owner_ms_;
  std::size_t others_moved_ = 0;

  // The loop's thread.
  std::vector<std::unique_ptr<BenchMember>> members_;
  std::map<const BenchMember*, std::set<OwnedPartition>> before_;  // at the kill
  std::map<OwnedPartition, double> taken_s_;                       // since then
  client::ClientLoop loop_;
};

}  // namespace

void BenchKill(const GroupArguments& arguments) { KillBench(arguments).Run(); }

void RunMember(const GroupArguments& arguments) {
  client::BrokerConnection connection(Value(client::ParseAddresses(arguments.address)));
  Require(connection.Connect());
  BenchMember::Events events;
  events.on_beat = [] {
    std::printf("%.6f\n", WallSeconds());
    std::fflush(stdout);
  };
  client::ClientLoop loop;
  BenchMember member(loop, connection.channel(), JoinOf(kGroup, absl::StrCat("mortal-", arguments.numbers[0]), {arguments.topic}), events);
  loop.Run([&] { member.Join(); });
  while (true) pause();
}

}  // namespace cordwood::testing
