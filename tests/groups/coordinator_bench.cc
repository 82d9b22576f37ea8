// SPDX-License-Identifier: Apache-2.0
// Figures of the coordinator against a real broker: commits a second on membership streams, and the restart with many groups.
//     coordinator_bench [--commits N] [--groups N] [--offsets N]     N = 0 leaves a part out
#include <absl/strings/str_cat.h>
#include <sys/resource.h>

#include <cstdio>
#include <fstream>
#include <map>
#include <string>
#include <thread>
#include <vector>

#include "absl/time/clock.h"
#include "storage/base/check.h"
#include "tests/support/broker_process.h"
#include "tests/support/group_client.h"
#include "tests/support/wait_until.h"

namespace cordwood::testing {
namespace {

constexpr int kPartitions = 100;  // of the topic

struct Figures {
  std::string name;
  double value;
  std::string unit;
};

void Print(const Figures& figures) { std::printf("%-70s %12.1f %s\n", figures.name.c_str(), figures.value, figures.unit.c_str()); }

// User and system time of a process.
double CpuSeconds(pid_t pid) {
  std::ifstream stat(absl::StrCat("/proc/", pid, "/stat"));
  std::string field;
  for (int i = 1; i < 14; ++i) stat >> field;
  double user = 0;
  double system = 0;
  stat >> user >> system;
  return (user + system) / static_cast<double>(sysconf(_SC_CLK_TCK));
}

std::unique_ptr<BrokerProcess> StartBroker(const TempDir& files, const std::string& durability) {
  BrokerOptions options;
  options.data_dir = files.Sub("data");
  options.settings = {"offsets.topic.durability=" + durability};
  auto broker = BrokerProcess::Start(options);
  CORDWOOD_CHECK(broker.ok());
  return std::move(*broker);
}

// `commits` commits of `partitions` places each, on as many streams as groups, all pipelined.
void MeasureCommits(const std::string& durability, int streams, int partitions, int commits) {
  TempDir files;
  const auto broker = StartBroker(files, durability);
  const LogClient client(broker->address());
  CORDWOOD_CHECK(client.CreateTopic("t", kPartitions).ok());
  std::vector<std::unique_ptr<MemberStream>> members;
  for (int i = 0; i < streams; ++i) {
    members.push_back(std::make_unique<MemberStream>(client));
    CORDWOOD_CHECK(members.back()->Join(JoinOf(absl::StrCat("g", i), "m", {"t"})) && members.back()->AwaitPartitions(kPartitions) && members.back()->Beat());
  }
  const double cpu = CpuSeconds(broker->pid());
  const absl::Time began = absl::Now();
  std::vector<std::thread> threads;
  for (const auto& member : members) {
    threads.emplace_back([&member, partitions, commits] {
      std::vector<v1::OffsetEntry> places;
      for (int i = 0; i < partitions; ++i) places.push_back(member->Place(i, 0));
      for (int i = 1; i <= commits; ++i) CORDWOOD_CHECK(member->Commit(static_cast<std::uint64_t>(i), places));
    });
    threads.emplace_back([&member, commits] {
      for (int done = 0; done < commits;) {
        const v1::CommitDone answer = member->AwaitCommit();
        CORDWOOD_CHECK(answer.errors().empty());
        done = static_cast<int>(answer.seq());
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  const double seconds = absl::ToDoubleSeconds(absl::Now() - began);
  const double all = static_cast<double>(commits) * streams * partitions;
  Print({absl::StrCat("partitions committed a second, ", durability, ", ", streams, " streams, ", partitions, " a commit"), all / seconds, "/s"});
  Print({"  broker's CPU time", (CpuSeconds(broker->pid()) - cpu) / all * 1e6, "us each"});
  members.clear();
}

void MeasureRestart(int groups, int offsets) {
  TempDir files;
  auto broker = StartBroker(files, "os");
  {
    const LogClient client(broker->address());
    for (int i = 0; i * kPartitions < offsets; ++i) CORDWOOD_CHECK(client.CreateTopic(absl::StrCat("t", i), kPartitions).ok());
    const auto stub = v1::Groups::NewStub(client.channel());
    for (int group = 0; group < groups; ++group) {
      v1::CommitOffsetsRequest request;
      request.set_group(absl::StrCat("group-", group));
      for (int i = 0; i < offsets; ++i) {
        v1::OffsetEntry& entry = *request.add_entries();
        entry.set_topic(absl::StrCat("t", i / kPartitions));
        entry.set_partition(i % kPartitions);
      }
      grpc::ClientContext context;
      v1::CommitOffsetsResponse response;
      CORDWOOD_CHECK(stub->CommitOffsets(&context, request, &response).ok() && response.errors().empty());
    }
  }
  CORDWOOD_CHECK(broker->Terminate() == 0);
  const absl::Time began = absl::Now();
  broker = StartBroker(files, "os");
  const LogClient client(broker->address());
  const auto stub = v1::Groups::NewStub(client.channel());
  for (int group = 0; group < groups; group += 100) {  // one in each partition of the offsets topic, or nearly
    v1::FetchOffsetsRequest request;
    request.set_group(absl::StrCat("group-", group));
    request.add_topics()->set_topic("t0");
    request.mutable_topics(0)->add_partitions(0);
    CORDWOOD_CHECK(WaitUntil([&] {
      grpc::ClientContext context;
      v1::FetchOffsetsResponse response;
      return stub->FetchOffsets(&context, request, &response).ok() && response.answers(0).has_committed();
    }));
    if (group == 0) Print({"restart: until the first group is served", absl::ToDoubleSeconds(absl::Now() - began), "s"});
  }
  Print({absl::StrCat("restart: until ", groups, " groups with ", groups * offsets, " offsets are served"), absl::ToDoubleSeconds(absl::Now() - began), "s"});
  Print({"  broker's CPU time since its start", CpuSeconds(broker->pid()), "s"});
}

}  // namespace
}  // namespace cordwood::testing

int main(int argc, char** argv) {
  using namespace cordwood::testing;
  std::map<std::string, int> options = {{"--commits", 100'000}, {"--groups", 10'000}, {"--offsets", 100}};
  for (int i = 1; i + 1 < argc; i += 2) options[argv[i]] = std::stoi(argv[i + 1]);
  if (const int commits = options["--commits"]; commits > 0) {
    MeasureCommits("os", 4, 1, commits / 4);
    MeasureCommits("os", 4, 20, commits / 20);
    MeasureCommits("fsync", 4, 1, commits / 4);
  }
  if (options["--groups"] > 0) MeasureRestart(options["--groups"], options["--offsets"]);
  return 0;
}
